"""gzip and Zstandard around anything, as streams that give up on decompression bombs."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from pipeline.errors import DocumentFailed

GZIP, ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"
ZSTD_DICTIONARY = b"\x5d\x2a\x4d\x18"  # https://iipc.github.io/warc-specifications/specifications/warc-zstd/
MAX_DICTIONARY = 1 << 24  # bytes
SUFFIXES = (".gz", ".zst", ".zstd")
MAX_RATIO = 500  # bytes out for each byte in; JSONL of near-copies reaches 200, gzip's own ceiling is 1,032
RATIO_FROM = 64 << 20  # bytes out below which no ratio is held against a file
MAX_WINDOW = 1 << 27  # bytes of history a Zstandard frame may ask for (its own default limit)
BUFFER = 1 << 18
STEP = 1 << 15  # bytes asked of a decompressor at a time: what an error may take with it
_BOMB = "a decompression bomb. Leave it out of RAW."


def without_suffix(name: str) -> str:
    """A file name without `.gz` or `.zst`.

    >>> without_suffix("feed.jsonl.gz"), without_suffix("page.html"), without_suffix(".gz")
    ('feed.jsonl', 'page.html', '.gz')
    """
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def compression_of(head: bytes) -> str | None:
    """How a file is compressed, by its first bytes: "gzip", "zstd" or None. Its name has no say."""
    if head.startswith(GZIP):
        return "gzip"
    return "zstd" if head.startswith((ZSTD, ZSTD_DICTIONARY)) else None


def decompressed(stream: BinaryIO, compression: str | None) -> BinaryIO:
    """`stream` decompressed as it is read, all members or frames; the same stream where `compression` is None.

    Reading raises DocumentFailed on broken or truncated data, and on a ratio above `MAX_RATIO`.
    """
    if compression is None:
        return stream
    inner: Any
    if compression == "gzip":
        opened = gzip.GzipFile(fileobj=stream, mode="rb")
        inner = opened.read1  # what comes before an error comes out; `read` would lose it
    elif (dictionary := _dictionary(stream)) is not None:
        import zstandard  # Arrow has no dictionaries; only files that need it pay for it

        decompressor = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=MAX_WINDOW)
        inner = decompressor.stream_reader(stream, read_across_frames=True, closefd=False).read1
    else:
        import pyarrow as pa  # unlike zstandard's readers, Arrow's tells a frame that is cut short from one that ends

        inner = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd").read
    return cast("BinaryIO", io.BufferedReader(_Bounded(inner, stream, compression), BUFFER))


def _dictionary(stream: BinaryIO) -> Any:
    """The dictionary that a `.warc.zst` begins with, or None; the stream then stands behind it."""
    import zstandard

    start = stream.read(8)
    if not start.startswith(ZSTD_DICTIONARY):
        stream.seek(-len(start), io.SEEK_CUR)
        return None
    size = int.from_bytes(start[4:], "little")
    if size > MAX_DICTIONARY:
        raise DocumentFailed(f"its zstd dictionary is larger than {MAX_DICTIONARY:,} bytes")
    data = stream.read(size)
    try:
        if data.startswith(ZSTD):
            data = zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_DICTIONARY)
        return zstandard.ZstdCompressionDict(data)
    except (zstandard.ZstdError, ValueError) as error:
        raise DocumentFailed(f"broken zstd dictionary: {error}. Fetch the file again.") from None


class _Bounded(io.RawIOBase):
    """A decompressing stream whose errors say what to do and which stops at `MAX_RATIO`.

    What came out before an error is given first: the records before a break are good.
    """

    def __init__(self, read: Callable[[int], bytes], compressed: BinaryIO, name: str) -> None:
        self._read, self._compressed, self._name, self._out = read, compressed, name, 0
        self._error: DocumentFailed | None = None

    def readable(self) -> bool:
        """It is for reading only."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills `buffer`, less only before the end or an error; 0 at the end. Raises DocumentFailed."""
        filled, view = 0, memoryview(buffer)
        while filled < len(view) and self._error is None:
            try:
                data = self._read(min(len(view) - filled, STEP))
            except Exception as error:
                self._error = self._explained(error)
                break
            if not data:
                break
            view[filled : filled + len(data)] = data
            filled += len(data)
            self._out += len(data)
            if self._out > RATIO_FROM and self._out > MAX_RATIO * max(1, self._compressed.tell()):
                self._error = DocumentFailed(f"decompresses to more than {MAX_RATIO} times its size: {_BOMB}")
        if self._error is not None and not filled:
            raise self._error
        return filled

    def _explained(self, error: Exception) -> DocumentFailed:
        """What a decompressor said, with the next step."""
        if isinstance(error, DocumentFailed):
            return error
        if isinstance(error, EOFError) or "Truncated" in str(error):
            return DocumentFailed(f"the {self._name} data is cut short. Fetch the file again.")
        if isinstance(error, (OSError, zlib.error)) or type(error).__name__ == "ZstdError":
            return DocumentFailed(f"broken {self._name} data: {error}. Fetch the file again.")
        raise error
