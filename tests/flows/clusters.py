"""Clusters of one machine, on loopback, as processes of their own: what a team has on several."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

from tests.flows.conftest import Server, free_port, stop, wait_for


class DaskCluster:
    """A Dask scheduler and two workers as processes, as on machines of their own."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._environment = server.environment | {"DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
        self._folder = folder
        self._scheduler_file = folder / "scheduler.json"
        self.processes: list[subprocess.Popen[bytes]] = []
        port, quiet = str(free_port()), ["--host", "127.0.0.1", "--no-dashboard"]
        self._start("scheduler", *quiet, "--port", port, "--no-show", "--scheduler-file", self._scheduler_file)
        self.address = f"tcp://127.0.0.1:{port}"
        wait_for(self._scheduler_file.exists, "the Dask scheduler")
        for name in ("one", "two"):
            self._start("worker", self.address, *quiet, "--name", name, "--nthreads", "1", "--nanny")
        wait_for(lambda: len(self.workers()) == 2, "two Dask workers")

    def _start(self, *arguments: object) -> None:
        with (self._folder / "dask.log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "dask", *map(str, arguments)],
                    env=self._environment,
                    cwd=self._folder,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def workers(self) -> list[int]:
        """The process ids of the workers themselves, not of their nannies."""
        from distributed import Client

        with Client(self.address, timeout=30, set_as_default=False) as client:
            return list(client.run(os.getpid).values())

    def stop(self) -> None:
        for process in reversed(self.processes):
            stop(process)


def start_ray(server: Server, folder: Path) -> tuple[str, dict[str, str]]:
    """A Ray head with two workers and a token; gives its address and what the environment of its users must hold.

    Ray binds to every interface, so this is for a namespace with nothing but loopback, with which it ends.
    `folder` has a short path: Ray's sockets stand in it, and a socket's name has 107 bytes at most.
    """
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "RAY_USAGE_STATS_ENABLED": "0"}
    port = free_port()
    head = ["start", "--head", "--node-ip-address", "127.0.0.1", "--port", str(port), "--num-cpus", "2"]
    small = ["--include-dashboard", "false", "--disable-usage-stats", "--object-store-memory", "100000000"]
    ray = Path(sys.executable).parent / "ray"
    environment = server.environment | secret
    subprocess.run([ray, *head, *small, "--temp-dir", folder / "r"], env=environment, check=True, capture_output=True)
    return f"127.0.0.1:{port}", secret
