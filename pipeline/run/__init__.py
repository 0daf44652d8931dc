"""A run: what is done, in which order, to turn RAW into CLEAN. Where it is done is the executor's business."""

from pipeline.run.corpus import Proposal, RunResult, run
from pipeline.progress import Progress, Silent

__all__ = ["Progress", "Proposal", "RunResult", "Silent", "run"]
