"""The texts of kept documents, read from CLEAN as they were published: Markdown files, JSONL or Parquet."""

from __future__ import annotations

import json
import mmap
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.report.tables import Rows, Table

JSONL = "documents.jsonl"
SCANNED_BYTES = 64 * 1024 * 1024  # of documents.jsonl at a time, when looking for line ends


class KeptTexts:
    """Gives the text of a kept document. `outputs` is the manifest's column as rows ask for it.

    Nothing outside `clean` is ever opened: a path that leaves it, by `..` or by a symbolic link, is an error.
    """

    def __init__(self, clean: Path, folder: Path) -> None:
        self._clean = clean.resolve()
        self._folder = folder
        self._parts: dict[str, Table] = {}

    def read(self, source: str, output: str, place: int) -> str:
        """The text of `source`. `output` is its path under CLEAN, `place` its number among the kept documents.

        Raises KeyError when the published files do not hold it, OSError when they cannot be read.
        """
        path = self._inside(output)
        if output == JSONL:
            return self._json_line(source, place)
        if path.suffix == ".parquet":
            return self._parquet(source, output, path)
        return markdown_text(path.read_bytes().decode("utf-8"))

    def _inside(self, output: str) -> Path:
        path = (self._folder / output).resolve()
        if not path.is_relative_to(self._clean):
            raise KeyError(f"{output}: outside {self._clean}")
        return path

    def _parquet(self, source: str, output: str, path: Path) -> str:
        if output not in self._parts:
            if len(self._parts) > 64:  # open files
                self._parts.clear()
            self._parts[output] = Table(path)
        table = self._parts[output]
        rows = table.where("source", source)
        if not len(rows):
            raise KeyError(source)
        return str(table.take(rows[:1], ["text"])[0]["text"])

    @cached_property
    def _line_starts(self) -> npt.NDArray[np.int64]:
        """Where each line of documents.jsonl starts; found once, at the speed of the disk."""
        with self._inside(JSONL).open("rb") as file:
            found, base = [np.zeros(1, dtype=np.int64)], 0
            while block := file.read(SCANNED_BYTES):
                found.append(np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == 10) + base + 1)
                base += len(block)
        return np.concatenate(found)

    def _json_line(self, source: str, place: int) -> str:
        """Line `place` of documents.jsonl, or, if that is another document's, the one that names `source`."""
        starts: Rows = self._line_starts
        with self._inside(JSONL).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            for number in dict.fromkeys((place, *range(min(len(starts) - 1, 100_000)))):
                if number < len(starts) - 1:
                    line = json.loads(view[starts[number] : starts[number + 1]])
                    if line["source"] == source:
                        return str(line["text"])
        raise KeyError(source)


def markdown_text(document: str) -> str:
    r"""Give the text of a Markdown document: without its front matter, the empty line after it and the last newline.

    >>> markdown_text("---\ntitle: A\n---\n\nOne.\n\n---\n\nTwo.\n")
    'One.\n\n---\n\nTwo.'
    """
    if document.startswith("---\n"):
        _, mark, rest = document.partition("\n---\n")
        if mark:
            document = rest.removeprefix("\n")
    return document.removesuffix("\n")
