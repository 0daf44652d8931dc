"""A run: what is done, in which order, to turn RAW into CLEAN. Where it is done is the executor's business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.progress import Progress, Silent

if TYPE_CHECKING:
    from pipeline.run.corpus import Proposal, RunResult, run

__all__ = ["Progress", "Proposal", "RunResult", "Silent", "run"]


def __getattr__(name: str) -> Any:
    """`run` and its kin when they are asked for: a worker, which imports a neighbour, need not wait for them."""
    if name in ("Proposal", "RunResult", "run"):
        from pipeline.run import corpus

        return getattr(corpus, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
