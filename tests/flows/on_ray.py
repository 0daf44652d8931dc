"""The flow on a Ray head of its own: `python -m tests.flows.on_ray RAW CLEAN CONFIG FOLDER`, in a namespace."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

from tests.flows.conftest import Server, Started, free_port
from tests.flows.isolated import raise_loopback


def main(raw: str, clean: str, config: str, folder: str) -> None:
    """Prefect server, Ray head, one run of the flow. Everything ends with the namespace."""
    raise_loopback()
    # A short path: Ray's sockets stand in it, and a socket's name has 107 bytes at most.
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "RAY_USAGE_STATS_ENABLED": "0"}
    server = Server(Path(folder))
    server.start()
    port = free_port()
    head = ["start", "--head", "--node-ip-address", "127.0.0.1", "--port", str(port), "--num-cpus", "2"]
    small = ["--include-dashboard", "false", "--disable-usage-stats", "--object-store-memory", "100000000"]
    ray = Path(sys.executable).parent / "ray"
    subprocess.run([ray, *head, *small, "--temp-dir", f"{folder}/r"], env=server.environment, check=True)
    running = Started(server, raw, clean, "--config", config, "--where", "ray", "--address", f"127.0.0.1:{port}")
    print(running.end())
    server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
