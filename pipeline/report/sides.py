"""Two texts side by side: what they share folded away, what only one of them says in full."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

LONGEST_PASSAGE = 600  # characters of one sentence that are shown; a text without full stops is cut
NEIGHBOURS = 1  # shared passages shown before and after one that is not shared


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence of one side. `shared`: the other side says it too, in these words or in others."""

    text: str
    shared: bool


Sides = tuple[Sequence[Passage], Sequence[Passage]]
Compare = Callable[[str, str], Sides]  # (dropped text, kept text) → their passages


def fold(passages: Sequence[Passage], budget: int) -> tuple[list[dict[str, Any]], bool]:
    """Passages for showing, in order, and whether all that is not shared is among them.

    A run of shared passages becomes `{"gap": n}`, but for its neighbours; the rest is `{"text": …, "shared": bool}`.
    Once `budget` characters are used, passages of its own become `{"cut": n}`.
    """
    near = [False] * len(passages)
    for n, passage in enumerate(passages):
        if not passage.shared:
            for m in range(max(0, n - NEIGHBOURS), min(len(passages), n + NEIGHBOURS + 1)):
                near[m] = True
    if passages and not any(near):
        near[0] = True  # nothing is lost: the first sentence still says what the text is
    folded: list[dict[str, Any]] = []
    used, run = 0, {"gap": 0, "cut": 0}

    def close_run() -> None:
        folded.extend({kind: many} for kind, many in run.items() if many)
        run.update(gap=0, cut=0)

    for n, passage in enumerate(passages):
        if not near[n] or used >= budget:
            run["gap" if passage.shared else "cut"] += 1
            continue
        close_run()
        text = passage.text.strip()
        text = text if len(text) <= LONGEST_PASSAGE else text[: LONGEST_PASSAGE - 1] + "…"
        folded.append({"text": text, "shared": passage.shared})
        used += len(text)
    close_run()
    return folded, not any("cut" in piece for piece in folded)
