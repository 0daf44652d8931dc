"""Digests that say whether a document came in before, whatever its file's name and time."""

from __future__ import annotations

import hashlib

import orjson

from pipeline.sources.records import RawDocument


def content_digest(raw: RawDocument) -> str:
    """SHA-256 (hex) over all that cleaning can see of a document: its bytes, format, kind, charset and fields.

    Two documents of equal digest are cleaned to the same text, whatever their sources.
    """
    sha = hashlib.sha256()
    data = raw.data.encode("utf-8", "surrogatepass") if isinstance(raw.data, str) else raw.data
    said = [raw.format, raw.kind, raw.declared_charset, dict(raw.fields), raw.error and raw.error.reason, len(data)]
    sha.update(orjson.dumps(said, option=orjson.OPT_SORT_KEYS, default=str))
    sha.update(data)
    return sha.hexdigest()
