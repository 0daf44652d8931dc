"""RAW in all its formats: what is there (`discover`), how it is cut (`scan`), what is in it (`read`, `to_document`)."""

from pipeline.sources.digest import content_digest
from pipeline.sources.discovery import discover
from pipeline.sources.reading import read, scan, to_document
from pipeline.sources.records import RawDocument, Scan, Slice, SourceFile

__all__ = ["RawDocument", "Scan", "Slice", "SourceFile", "content_digest", "discover", "read", "scan", "to_document"]
