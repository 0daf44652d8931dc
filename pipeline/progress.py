"""What a run tells whoever watches it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Hears how a run goes on: the command line draws bars, a flow writes log lines."""

    def begin(self, step: str, total: int | None = None) -> None:
        """A step starts; `total` counts what `advance` will count, where that is known."""

    def advance(self, step: str, done: int, total: int | None = None) -> None:
        """So much of a step is done."""

    def end(self, step: str, seconds: float) -> None:
        """A step is over."""

    def note(self, text: str) -> None:
        """Something a person should know."""


class Silent:
    """Tells nobody."""

    def begin(self, step: str, total: int | None = None) -> None:
        """Nothing."""

    def advance(self, step: str, done: int, total: int | None = None) -> None:
        """Nothing."""

    def end(self, step: str, seconds: float) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""
