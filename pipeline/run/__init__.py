"""A run: what is done, in which order, to turn RAW into CLEAN. Where it is done is the executor's business."""

from pipeline.progress import Progress, Silent
from pipeline.run.corpus import Proposal, RunResult, run

__all__ = ["Progress", "Proposal", "RunResult", "Silent", "run"]
