"""Every setting of a run: one frozen model, read from TOML and the command line, checked before anything is read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline.errors import UsageError

Stage = Literal["extract", "encoding", "markup", "boilerplate", "repeats", "garbled"]
STAGES: tuple[Stage, ...] = ("extract", "encoding", "markup", "boilerplate", "repeats", "garbled")
Format = Literal["markdown", "jsonl", "parquet"]
Keep = Literal["best", "longest", "newest", "oldest", "first"]
Extractor = Literal["trafilatura", "resiliparse"]


class Section(BaseModel):
    """A part of the configuration: frozen, and no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reading(Section):
    """Where the text of a record is, for JSONL and Parquet."""

    text_field: str = Field("text", description="field or column that holds plain text or Markdown")
    html_field: str = Field("html", description="field or column that holds HTML, where there is no text")
    id_field: str = Field("id", description="field or column that names the record")
    hidden: bool = Field(False, description="read files and folders whose name begins with a dot")
    metadata_bytes: int = Field(
        65_536, ge=0, description="bytes of a record's other fields that are kept as metadata; the largest go first"
    )
    batch_bytes: int = Field(4_000_000, ge=1_000, description="input bytes that one worker takes at a time")
    batch_documents: int = Field(500, ge=1, description="documents that one worker takes at a time")


class Extract(Section):
    """HTML to text."""

    comments: bool = Field(False, description="keep readers' comments")
    tables: bool = Field(True, description="keep tables")
    beta: float = Field(
        1.0, ge=0.1, le=10, description="HTML: how much keeping content weighs against leaving the rest out (F-beta)"
    )
    thin_words: int = Field(
        80, ge=0, description="a page that shows fewer words is searched for text in its JSON and <noscript>"
    )


class Boilerplate(Section):
    """Ads, navigation, share lines: by a line's own features, its neighbours, and what recurs across a site."""

    learn: bool = Field(True, description="learn the lines that recur across the documents of one site")
    model: bool = Field(True, description="ask the fitted model in documents that look like a whole page")
    cut: float = Field(-0.4, description="log-odds of being content below which the model takes a line of a page")


class Repeats(Section):
    """Headlines, paragraphs and sentences printed again."""

    headline: bool = Field(True, description="move the headline that a text opens with into the title")
    paragraph_words: int = Field(10, ge=5, description="a shorter line may be printed again")
    sentence_words: int = Field(14, ge=8, description="a shorter sentence may be said again inside paragraphs")


class Garbled(Section):
    """Sentence debris."""

    remove: bool = Field(True, description="remove what cannot be a sentence; false: flag it")
    flag: bool = Field(True, description="record what may be garbled and stays")


class Near(Section):
    """MinHash near-duplicates."""

    permutations: int = Field(128, ge=16, le=1024, description="length of a MinHash signature")
    seed: int = Field(1, ge=0, lt=2**32, description="seed of the permutations, stored with every signature")
    shingle_words: int = Field(5, ge=1, le=50, description="words in a shingle")
    recall: float = Field(
        0.99, gt=0, lt=1, description="wanted probability that a pair exactly at the threshold is found"
    )


class Overlap(Section):
    """The same material retold, or one document inside another."""

    find: bool = Field(True, description="look for overlapping documents; false: exact and near duplicates only")
    contained: float = Field(
        0.9, gt=0, le=1, description="share of the smaller document that must stand in the other for 'contained'"
    )
    own_words: int = Field(
        60, ge=0, description="a document with fewer words of its own can only be an exact or near duplicate"
    )
    scale: int = Field(
        4, ge=1, le=1024, description="one in so many 2-word shingles is kept to find overlapping documents by"
    )
    common: int = Field(
        50, ge=2, description="a 2-word shingle or sentence that stands in more documents than this says nothing"
    )


class Limits(Section):
    """What one document may cost before it is given up as failed."""

    seconds: float = Field(30.0, gt=0, description="seconds of the processor that one document may take")
    wall_seconds: float = Field(
        300.0, gt=0, description="seconds on the clock that one document may take (or `seconds`, if more)"
    )
    memory_mb: int = Field(2048, ge=256, description="address space that one document may add to its worker, in MiB")
    document_bytes: int = Field(50_000_000, ge=1, description="bytes of one document after decompression")
    nesting: int = Field(2_000, ge=1, description="depth of nested HTML tags")


class Gates(Section):
    """The run stops before publishing when a share is larger. 1.0: never."""

    max_duplicate_share: float = Field(1.0, ge=0, le=1, description="share of documents that are duplicates")
    max_failed_share: float = Field(1.0, ge=0, le=1, description="share of documents that failed")
    max_removed_share: float = Field(1.0, ge=0, le=1, description="share of characters that cleaning removed")


class Config(Section):
    """Everything a run can be told. The same input and the same Config give the same bytes."""

    format: Format = Field("markdown", description="how kept documents are written")
    threshold: float = Field(0.8, gt=0, le=1, description="near-duplicate: least exact Jaccard over 5-word shingles")
    coverage: float = Field(
        0.8, gt=0, le=1, description="overlapping: least share of each document that the other covers"
    )
    keep: Keep = Field("best", description="which document of a cluster stays")
    stages: tuple[Stage, ...] = Field(STAGES, description="cleaning stages to run")
    dedup: bool = Field(True, description="find duplicates and keep one of each")
    extractor: Extractor = Field("trafilatura", description="extractor for HTML")
    reading: Reading = Reading()
    extract: Extract = Extract()
    boilerplate: Boilerplate = Boilerplate()
    repeats: Repeats = Repeats()
    garbled: Garbled = Garbled()
    near: Near = Near()
    overlap: Overlap = Overlap()
    limits: Limits = Limits()
    gates: Gates = Gates()

    @field_validator("stages", mode="before")
    @classmethod
    def _in_order(cls, value: Any) -> Any:
        """Stages run in the order of `STAGES`, however they were listed; once each."""
        if isinstance(value, str):
            value = [name.strip() for name in value.split(",") if name.strip()]
        if isinstance(value, (list, tuple)) and all(name in STAGES for name in value):
            return tuple(name for name in STAGES if name in value)
        return value


def make_config(values: Mapping[str, Any], origin: str = "options") -> Config:
    """A checked `Config`. Raises UsageError that names each bad key, what is wrong and where it came from."""
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            key = ".".join(str(part) for part in problem["loc"])
            given = "" if problem["type"] in ("extra_forbidden", "missing") else f" (given: {problem['input']!r})"
            said = "no such key" if problem["type"] == "extra_forbidden" else problem["msg"]
            lines.append(f"{origin}: {key}: {said}{given}")
        raise UsageError("\n".join(lines) + "\nSee docs/configuration.md for every key.") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file. Raises UsageError when it cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file. Name an existing TOML file with --config.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path}: {error}. Mend the file, or leave --config out.") from None
