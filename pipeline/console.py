"""What a run says on the terminal: bars while it works, plain lines elsewhere, a summary at the end."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pipeline.progress import Progress, Silent
from pipeline.terminal import visible

if TYPE_CHECKING:
    from pipeline.run import RunResult

PLAIN_EVERY = 10.0  # seconds between two lines of progress where there is no terminal
SAID = {
    "clean": "cleaning",
    "learn": "learning what recurs",
    "finish": "taking out what recurs",
    "match": "finding duplicates",
    "write": "writing",
    "report": "reporting",
    "publish": "publishing",
}


class Console:
    """Speaks to the person who started the run: progress on stderr, the summary on stdout."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    @contextlib.contextmanager
    def watching(self) -> Iterator[Progress]:
        """Who hears of the run: bars on a terminal, lines elsewhere, nobody when quiet."""
        if self.quiet:
            yield Silent()
        elif sys.stderr.isatty():
            bars = Bars()
            with bars:
                yield bars
        else:
            yield Lines()

    def documents(self, result: RunResult) -> None:
        """One line for each document: its status, its source, and why."""
        import pyarrow.parquet as pq

        table = pq.ParquetFile(result.clean / "manifest.parquet")
        for batch in table.iter_batches(columns=["status", "source", "canonical_source", "relation", "reason"]):
            for row in batch.to_pylist():
                why = f"{row['relation']} of {row['canonical_source']}" if row["canonical_source"] else row["reason"]
                line = visible(f"{row['status']:<9} {row['source']}" + (f"   ({why})" if why else ""))
                click.echo(line.replace("\n", "␊"))

    def summary(self, result: RunResult) -> None:
        """What was done, in a few lines."""
        if not self.quiet:
            for line in summary_lines(result):
                click.echo(visible(line))


def summary_lines(result: RunResult) -> Iterator[str]:
    """The closing summary."""
    counts, seconds = result.by_status, sum(result.seconds.values())
    yield f"{result.documents:,} documents in {result.files:,} files"
    width = max(len(f"{result.documents:,}"), 5)
    yield f"  kept       {counts.get('kept', 0):>{width},}"
    relations = ", ".join(f"{count:,} {name}" for name, count in result.by_relation.items())
    yield f"  duplicate  {counts.get('duplicate', 0):>{width},}" + (f"   {relations}" if relations else "")
    yield f"  rejected   {counts.get('rejected', 0):>{width},}"
    yield f"  failed     {counts.get('failed', 0):>{width},}"
    if result.characters_in:
        share = result.characters_out / result.characters_in
        yield f"  characters {result.characters_in:,} in, {result.characters_out:,} left ({share:.0%})"
    changes = result.changes
    if changes is not None:
        told = [
            (changes.added, "added"),
            (changes.changed, "changed"),
            (changes.removed, "removed"),
            (changes.newly_duplicate, "newly duplicate"),
            (changes.promoted, "promoted"),
        ]
        yield "  since last run: " + (
            ", ".join(f"{len(names):,} {what}" for names, what in told if names) or "no change"
        )
    elif not result.published:
        yield "  nothing new since the last run: what is published stays"
    took = f"{seconds:.1f} s"
    yield f"{'dry run, no documents written' if result.dry_run else 'done'} in {took}; report: {result.report_path}"


class Lines:
    """Progress as plain lines on stderr, for logs."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def begin(self, step: str, total: int | None = None) -> None:
        """A line for every step that is long enough to be waited for is written at its end."""

    def advance(self, step: str, done: int, total: int | None = None) -> None:  # noqa: ARG002
        """A line every few seconds."""
        now = time.monotonic()
        if now - self._last >= PLAIN_EVERY:
            self._last = now
            click.echo(f"{SAID.get(step, step)}: {done:,} documents", err=True)

    def end(self, step: str, seconds: float) -> None:
        """One line a step."""
        click.echo(f"{SAID.get(step, step)}: {seconds:.1f} s", err=True)

    def note(self, text: str) -> None:
        """A line."""
        click.echo(visible(text), err=True)


class Bars:
    """Progress as rich draws it on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            console=RichConsole(stderr=True),
            transient=True,
        )
        self._tasks: dict[str, object] = {}

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, step: str, total: int | None = None) -> None:
        """A new bar."""
        self._tasks[step] = self._bars.add_task(SAID.get(step, step), total=total, count="")

    def advance(self, step: str, done: int, total: int | None = None) -> None:
        """Moves the bar."""
        task = self._tasks[step]
        self._bars.update(task, completed=done, total=total, count=f"{done:,} documents")  # type: ignore[arg-type]

    def end(self, step: str, seconds: float) -> None:  # noqa: ARG002
        """A full bar."""
        self._bars.update(self._tasks[step], total=1, completed=1)  # type: ignore[arg-type]

    def note(self, text: str) -> None:
        """A line above the bars."""
        from rich.text import Text

        self._bars.console.print(Text(visible(text)))
