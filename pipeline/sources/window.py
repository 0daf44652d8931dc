"""Several workers on one file that can only be read from its start: compressed lines, and WARC.

Each reads the file from the start and passes over what others clean. Reading costs a few hundredths of cleaning, and
the cuts are further apart the further they lie in the file, so that what is read in vain stays in proportion to it.
"""

from __future__ import annotations

from typing import BinaryIO

from pipeline import workers
from pipeline.sources.records import Slice, SourceFile

LEAST = 16_000_000  # bytes of the file, as it is stored, that make a slice
SHARE = 3  # a slice is at least the third part of what lies before it: all readers together read the file four times
PASSED = 256  # records passed over between two signs of life


def windows(file: SourceFile) -> tuple[Slice, ...]:
    """The slices of a file that is read from its start; one, the whole, where it is small.

    >>> [(s.start, s.end) for s in windows(SourceFile("a.warc.gz", "/raw/a.warc.gz", 50_000_000))]
    [(0, 16000000), (16000000, 32000000), (32000000, -1)]
    """
    cuts = [0]
    while (cut := cuts[-1] + max(LEAST, cuts[-1] // SHARE)) + LEAST // 2 <= file.size:
        cuts.append(cut)
    ends = [*cuts[1:], -1]
    return tuple(Slice(file, start, end, start, len(cuts) > 1) for start, end in zip(cuts, ends, strict=True))


class Window:
    """Which records belong to a slice: those that are met while the file has been read up to a place inside it.

    How far that is depends on nothing but the file, so every record is met inside one slice and no other. In a slice
    that is not `from_start` every record belongs to it.
    """

    def __init__(self, piece: Slice, stored: BinaryIO) -> None:
        self._piece, self._stored, self._cut = piece, stored, piece.from_start
        self.met = 0  # records so far, of this slice or not

    def elsewhere(self) -> bool:
        """Whether the file has not been read up to the slice yet, or has been beyond."""
        return self.before() or self.passed()

    def passed(self) -> bool:
        """Whether the file has been read beyond the slice."""
        return self._cut and 0 <= self._piece.end <= self._stored.tell()

    def before(self) -> bool:
        """Whether the slice has not begun yet."""
        return self._cut and self._stored.tell() < self._piece.start

    def meet(self) -> bool:
        """Counts a record; gives whether it is to be passed over, for it lies before the slice."""
        self.met += 1
        if not self.before():
            return False
        if self.met % PASSED == 0:
            workers.alive()
        return True
