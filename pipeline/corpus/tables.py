"""The columns of every table that a run writes, for people (`MANIFEST`, `EDITS`, …) and between its passes (`PART`)."""

from __future__ import annotations

import pyarrow as pa

EDIT = pa.struct(
    [
        ("stage", pa.string()),
        ("rule", pa.string()),
        ("action", pa.string()),
        ("start", pa.int64()),
        ("before", pa.string()),
        ("after", pa.string()),
        ("step", pa.int32()),
    ]
)

# One row for each document of a batch, cleaned. `ordinal` of a document = its place in the part.
PART = pa.schema(
    [
        ("path", pa.string()),  # the file, relative to RAW
        ("index", pa.int64()),  # the document's place in its file
        ("source", pa.string()),
        ("record_id", pa.string()),
        ("status", pa.string()),  # clean | rejected | failed
        ("reason", pa.string()),
        ("kind", pa.string()),
        ("format", pa.string()),
        ("charset", pa.string()),
        ("newlines", pa.string()),
        ("title", pa.string()),
        ("url", pa.string()),
        ("date", pa.string()),
        ("author", pa.string()),
        ("language", pa.string()),
        ("site", pa.string()),
        ("metadata", pa.string()),  # JSON object
        ("text", pa.string()),
        ("edits", pa.list_(EDIT)),
        ("steps", pa.int32()),
        ("characters_in", pa.int64()),
        ("characters_out", pa.int64()),
        ("raw_sha256", pa.string()),
        ("clean_sha256", pa.string()),
        ("origin", pa.uint64()),  # hash of the declared origin, 0 for none
        ("passing", pa.bool_()),  # failed for a reason that may be the machine's: the next run tries again
        ("learned", pa.uint64()),  # in finished parts: digest of the learned lines that were applied; else 0
    ]
)

LINES = pa.schema(
    [
        ("row", pa.int32()),  # of the part
        ("site", pa.string()),
        ("key", pa.int64()),
        ("line", pa.string()),
        ("anchor", pa.int64()),
    ]
)

MANIFEST = pa.schema(
    [
        ("source", pa.string()),
        ("record_id", pa.string()),
        ("document_id", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("canonical_source", pa.string()),
        ("relation", pa.string()),
        ("jaccard", pa.float64()),
        ("coverage", pa.float64()),
        ("cluster_id", pa.string()),
        ("title", pa.string()),
        ("language", pa.string()),
        ("url", pa.string()),
        ("date", pa.string()),
        ("characters_in", pa.int64()),
        ("characters_out", pa.int64()),
        ("raw_sha256", pa.string()),
        ("clean_sha256", pa.string()),
        ("output", pa.string()),
        ("output_sha256", pa.string()),
        ("author", pa.string()),
        ("site", pa.string()),
        ("kind", pa.string()),
        ("format", pa.string()),
        ("charset", pa.string()),
        ("newlines", pa.string()),
    ]
)

EDITS = pa.schema([("source", pa.string()), *((field.name, field.type) for field in EDIT)])

DROPPED = pa.schema(
    [
        ("source", pa.string()),
        ("status", pa.string()),
        ("title", pa.string()),
        ("text", pa.string()),  # cleaned; null where the kept document has the same text to the letter
        ("url", pa.string()),
        ("date", pa.string()),
        ("author", pa.string()),
        ("language", pa.string()),
        ("metadata", pa.string()),
    ]
)

EVIDENCE = pa.schema(
    [
        ("source", pa.string()),
        ("canonical_source", pa.string()),
        ("relation", pa.string()),
        ("jaccard", pa.float64()),
        ("coverage", pa.float64()),
        ("coverage_back", pa.float64()),
        ("containment", pa.float64()),
        ("shared_shingles", pa.int64()),
        ("lost_sentences", pa.list_(pa.string())),
        ("lost_sentence_count", pa.int64()),
        ("lost_numbers", pa.list_(pa.string())),
        ("lost_names", pa.list_(pa.string())),
        ("cluster_id", pa.string()),
        ("why", pa.string()),
    ]
)

RELATED = pa.schema(
    [
        ("source_a", pa.string()),
        ("source_b", pa.string()),
        ("jaccard", pa.float64()),
        ("coverage_a", pa.float64()),
        ("coverage_b", pa.float64()),
        ("why", pa.string()),
    ]
)

LEARNED = pa.schema(
    [("site", pa.string()), ("line", pa.string()), ("documents", pa.int64()), ("example_source", pa.string())]
)

DOCUMENTS = pa.schema(  # with --format parquet; jsonl has the same fields
    [
        ("source", pa.string()),
        ("record_id", pa.string()),
        ("title", pa.string()),
        ("text", pa.string()),
        ("language", pa.string()),
        ("url", pa.string()),
        ("date", pa.string()),
        ("author", pa.string()),
        ("metadata", pa.string()),  # JSON object
        ("sha256", pa.string()),
        ("canonical", pa.bool_()),
    ]
)
