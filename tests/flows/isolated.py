"""A network and a table of processes of one's own: only loopback, and nothing that is started outlives the test.

Ray binds its ports to every interface, and a page that says port 4200 means port 4200: both want a machine for
themselves. Linux gives one to root (`unshare`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # netdevice(7)
UNSHARE = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


def isolated(module: str, *arguments: object, seconds: float = 900) -> str:
    """Runs a module in a namespace of its own; gives what it printed. Skips the test where that is not allowed."""
    if (
        shutil.which("unshare") is None
        or subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("network namespaces need Linux and root")
    done = subprocess.run(
        [*UNSHARE, sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=seconds,
    )  # fmt: skip
    said = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, said[-8000:]
    return said


def raise_loopback() -> None:
    """Brings up `lo`, which a new namespace has down. There must be no other interface: refuses anything else."""
    assert [name for _, name in socket.if_nameindex()] == ["lo"], "this is to run in a namespace of its own"
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    os.environ.pop("PREFECT_API_URL", None)
