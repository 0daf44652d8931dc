"""What every test shares: the project's folders, the installed command, and no telemetry."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).parent / "clean-corpus"

# Set before anything imports Prefect, which reads them once.
os.environ["DO_NOT_TRACK"] = "1"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"


@pytest.fixture(scope="session")
def clean_corpus() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the installed command as a person would; a wrong exit code fails the test with what it printed."""

    def call(*arguments: str | Path, leaves_with: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [COMMAND, *map(str, arguments)], capture_output=True, text=True, encoding="utf-8", check=False
        )
        assert done.returncode == leaves_with, f"left with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return call
