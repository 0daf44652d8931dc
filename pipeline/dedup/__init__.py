"""Find every duplicate and prove each one."""

from pipeline.dedup.compare import Comparison, Sentence, compare
from pipeline.dedup.matching import match
from pipeline.dedup.parts import SketchPart
from pipeline.dedup.result import RELATIONS, DocumentColumns, Matching
from pipeline.dedup.sketch import sketch_batch

__all__ = [
    "RELATIONS",
    "Comparison",
    "DocumentColumns",
    "Matching",
    "Sentence",
    "SketchPart",
    "compare",
    "match",
    "sketch_batch",
]
