"""docs/flows.md, followed to the letter, in a namespace: `python -m tests.flows.follow_page FOLDER`.

Every command of the page is typed, in the page's order, into one shell, as a newcomer would; those that stay
(servers, workers) are left running while the next is typed. Port 4200 is free, for the namespace is empty.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.flows.conftest import ROOT, wait_for
from tests.flows.isolated import raise_loopback

STAY = {  # the commands that stay, and what they say once they are there
    "prefect server start": "Check out the dashboard",
    "flows.deploy --cron": "Your flow",
    "prefect worker start": "started!",
    "dask scheduler": "Scheduler at",
    "dask worker": "Registered to",
}
PAGE = (ROOT / "docs/flows.md").read_text(encoding="utf-8")


def commands(page: str) -> list[str]:
    """What a person types, block by block, without the prompt."""
    blocks = re.findall(r"^```console\n(.*?)^```", page, re.M | re.S)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def up(address: str) -> bool:
    """Whether something answers there."""
    with urllib.request.urlopen(address, timeout=5) as answer:
        return bool(answer.status == 200)


class Shell:
    """What is exported stays; what stays is left running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        home = folder / "home"
        home.mkdir()
        self.environment = os.environ | {"PREFECT_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        self._staying = 0

    def type(self, command: str) -> None:
        """Runs one line; it must succeed, or stay."""
        began = time.monotonic()
        if exported := re.fullmatch(r"export (\w+)=(\S+)", command):
            self.environment[exported[1]] = exported[2]
        elif any(name in command for name in STAY):
            self._leave_running(command)
        else:
            subprocess.run(["bash", "-c", command], cwd=self.folder, env=self.environment, check=True)
        print(f"{time.monotonic() - began:6.1f} s  {command}", flush=True)

    def _leave_running(self, command: str) -> None:
        self._staying += 1
        log = self.folder / f"stays-{self._staying}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment, stdout=out, stderr=out
            )
        (says,) = [says for name, says in STAY.items() if name in command]
        wait_for(lambda: says in log.read_text(encoding="utf-8") or process.poll() is not None, command)
        if "server start" in command:
            wait_for(lambda: up("http://127.0.0.1:4200/api/health"), command)
            assert up("http://127.0.0.1:4200/"), "the pages of the server"
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")[-4000:]


def main(folder: str) -> None:
    """Follows the page in a folder that looks like a checkout after `make demo`."""
    raise_loopback()
    place = Path(folder)
    for name in ("raw", "flows", "pipeline"):
        shutil.copytree(ROOT / name, place / name)
    for name in ("prefect.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, place / name)
    (place / ".venv").symlink_to(Path(sys.prefix))
    shell = Shell(place)
    for command in commands(PAGE):
        shell.type(command)
    assert (place / "clean" / "manifest.parquet").exists()
    said = "".join(log.read_text(encoding="utf-8", errors="replace") for log in place.glob("stays-*.log"))
    assert "telemetry" not in said, said[-8000:]  # it would say that it cannot be sent


if __name__ == "__main__":
    main(sys.argv[1])
