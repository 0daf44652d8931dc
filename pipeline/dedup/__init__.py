"""Find every duplicate and prove each one."""

from pipeline.dedup.compare import Comparison, Sentence, compare

__all__ = ["Comparison", "Sentence", "compare"]
