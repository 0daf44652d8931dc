"""How the C library hands memory back to the system."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of mallopt(3)
MEGABYTE = 2**20


def keep_freed_memory() -> None:
    """Lets this process keep up to 64 MB of what it frees, for its next arrays. Does nothing where there is no glibc.

    By default glibc gives each large array back to the system as soon as it is freed, and the system fills the pages
    of the next one with zeros: a fifth of the processor's time in matching (`bench/dedup.py`).
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 32 * MEGABYTE)
        mallopt(_TRIM_THRESHOLD, 64 * MEGABYTE)
        mallopt(_TOP_PAD, 16 * MEGABYTE)


def give_back() -> None:
    """Hands what this process has freed back to the system, before a pass that needs none of it."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
    if trim is not None:
        trim(0)
