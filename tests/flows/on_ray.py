"""The flow on a Ray head of its own: `python -m tests.flows.on_ray RAW CLEAN CONFIG FOLDER`, in a namespace."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.flows.clusters import start_ray
from tests.flows.conftest import Server, Started
from tests.flows.isolated import raise_loopback


def main(raw: str, clean: str, config: str, folder: str) -> None:
    """Prefect server, Ray head, one run of the flow. Everything ends with the namespace."""
    raise_loopback()
    server = Server(Path(folder))
    server.start()
    address, secret = start_ray(server, Path(folder))
    os.environ |= secret
    running = Started(server, raw, clean, "--config", config, "--where", "ray", "--address", address)
    print(running.end())
    server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
