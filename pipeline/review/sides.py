"""A dropped document beside the kept one, every sentence of both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline.dedup.compare import Comparison, compare
from pipeline.review.published import Published

COMPARED_CHARACTERS = 200_000  # of one text; more is no reading matter, and would take seconds


@dataclass(frozen=True)
class Beside:
    """Both texts, and what only one of them has. `cut`: a text was longer than what was compared."""

    comparison: Comparison
    cut: bool

    @property
    def lost(self) -> int:
        """Sentences that only the dropped document has."""
        return len(self.comparison.only_a)


def beside(published: Published, dropped: str, kept: str) -> Beside | None:
    """Compare two documents of a corpus; None when one of them has no text to compare."""
    texts = published.text(dropped), published.text(kept)
    if texts[0] is None or texts[1] is None:
        return None
    about: dict[str, Any] = published.document(kept) or {}
    cut = max(len(text or "") for text in texts) > COMPARED_CHARACTERS
    found = _compared(texts[0][:COMPARED_CHARACTERS], texts[1][:COMPARED_CHARACTERS], about.get("language") or "en")
    return Beside(found, cut)


@lru_cache(maxsize=32)
def _compared(dropped: str, kept: str, language: str) -> Comparison:
    return compare(dropped, kept, language=language)
