"""Front matter: the YAML block between two `---` lines at the top of a text, and what it says about the document."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

MAX_CHARACTERS = 64_000  # a longer block is no front matter; PyYAML takes about a second for this much
MAX_VALUES = 5_000  # aliases can make a small block stand for billions of values

OPENING = re.compile(r"---[ \t]*\r?\n(?=[^\s#-]|#[^\n]*\n)")  # a rule is followed by a blank line, front matter is not
CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
BLANK = re.compile(r"^(?:[ \t]*\r?\n)*+", re.MULTILINE)
KEY = re.compile(r"[^\W\d][\w.-]{0,60}(?: [\w.-]{1,40})?")
KEY_LINE = re.compile(r"(?P<key>[^\W\d][\w.-]{0,60}):(?:[ \t]+(?P<value>[^\n]*?))?[ \t]*\r?")
# A value that YAML reads as exactly the characters that stand there.
PLAIN = re.compile(r"[^\W_](?:[^\n:#\\]|:(?=[^\s])|(?<=\S)#)*")
KNOWN_KEYS = (
    "title source url author date language canonical sha256 tags layout categories category description slug draft "
    "lang published created updated modified aliases permalink link id videoid authors cssclass subtitle summary"
)
KNOWN = frozenset(KNOWN_KEYS.split())
# Which keys fill which field of a Document, the first that is there wins.
FIELD_KEYS = {
    "title": ("title",),
    "url": ("url", "link", "source"),
    "date": ("date", "published"),
    "author": ("author", "authors"),
    "language": ("language", "lang"),
}
LANGUAGE_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{1,8}){0,3}")
WEB_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)


def front_matter(text: str) -> tuple[int, Mapping[str, Any] | None] | None:
    r"""Give (where the text goes on, the values) of the front matter at the top of `text`.

    None where there is none; values None where there is a block that was meant as front matter and is not YAML.
    Values are strings, lists and mappings, as written: `no`, `007` and `2024-02-30` keep their characters.

    >>> front_matter("---\ntitle: Neap tides\ndraft: no\n---\n\nText")
    (37, {'title': 'Neap tides', 'draft': 'no'})
    >>> front_matter("---\n\nA rule above a text.\n\n---\n")
    """
    opening = OPENING.match(text)
    if opening is None:
        return None
    closing = CLOSING.search(text, opening.end(), opening.end() + MAX_CHARACTERS)
    first = KEY_LINE.match(text, opening.end())
    if closing is None:
        if first is None or first["key"].lower() not in KNOWN:
            return None
        line_end = text.find("\n", first.end())
        return (len(text) if line_end < 0 else line_end), None
    block = text[opening.end() : closing.start()]
    values = simple_block(block)
    if values is None:
        values = yaml_block(block)
    if values is None:
        lines = [line for line in block.splitlines() if line.strip()]
        keyed = sum(KEY_LINE.fullmatch(line) is not None for line in lines)
        return (closing.end(), None) if first is not None and 2 * keyed >= len(lines) else None
    if not all(KEY.fullmatch(key) for key in values):
        return None
    if len(values) == 1 and next(iter(values)).lower() not in KNOWN:
        return None  # `Note: …` between two rules
    blank = BLANK.match(text, closing.end())
    return (blank.end() if blank else closing.end()), values


def simple_block(block: str) -> dict[str, Any] | None:
    """Read a block of `key: value` lines that needs no YAML parser (nearly all do not); else None."""
    values: dict[str, Any] = {}
    for line in block.split("\n"):
        found = KEY_LINE.fullmatch(line)
        if found is None:
            if line.strip():
                return None
            continue
        key, value = found["key"], found["value"] or ""
        if key in values or (value and not value.isprintable()):
            return None
        if value[:1] == '"':
            try:
                values[key] = json.loads(value)
            except ValueError:
                return None
        elif value[:1] == "'" and len(value) > 1 and value[-1] == "'" and "'" not in value[1:-1]:
            values[key] = value[1:-1]
        elif not value or PLAIN.fullmatch(value):
            values[key] = value
        else:
            return None
    return values or None


def yaml_block(block: str) -> dict[str, Any] | None:
    """Read a mapping in YAML, every scalar the string that is written; None where it is no such thing.

    PyYAML's pure Python loader is used on purpose: libyaml's composer recurses in C, where depth is a crash.
    """
    try:
        loaded = yaml.load(block, Loader=yaml.BaseLoader)  # noqa: S506  strings, lists and dicts only, nothing is called
        return plain_mapping(loaded)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError):
        return None


def plain_mapping(loaded: Any) -> dict[str, Any] | None:
    """Copy `loaded` into dicts with string keys, if it is a mapping. Raises ValueError beyond MAX_VALUES values."""
    left = MAX_VALUES

    def plain(value: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError("too many values")
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                raise ValueError("a key that is no string")
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        return str(value)

    return plain(loaded) if isinstance(loaded, dict) and loaded else None


def read_fields(values: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """(fields of a Document, everything else) of front matter values; empty values are dropped.

    >>> read_fields({"title": "Tides", "lang": "en-GB", "source": "https://tides.example/a", "videoId": "x1"})
    ({'title': 'Tides', 'url': 'https://tides.example/a', 'language': 'en'}, {'videoId': 'x1'})
    >>> read_fields({"title": ["a"], "language": "Plattdeutsch", "source": "notes/a.md"})
    ({}, {'title': ['a'], 'language': 'Plattdeutsch', 'source': 'notes/a.md'})
    """
    rest = {key: value for key, value in values.items() if value not in ("", [], {})}
    by_lower = {key.lower(): key for key in reversed(rest)}
    fields: dict[str, str] = {}
    for field, names in FIELD_KEYS.items():
        for name in names:
            key = by_lower.get(name)
            value = field_value(field, name, rest[key]) if key in rest else None
            if key is not None and value is not None:
                fields[field] = value
                del rest[key]
                break
    return fields, rest


def field_value(field: str, name: str, value: Any) -> str | None:
    """Say what a front matter value gives for a field; None where it is not of that field's kind."""
    if field == "author" and isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = ", ".join(value)
    if not isinstance(value, str) or not value.strip():
        return None
    value = " ".join(value.split())
    if field == "language":
        found = LANGUAGE_TAG.fullmatch(value)
        return found[1].lower() if found else None
    if name in ("link", "source") and not WEB_ADDRESS.fullmatch(value):
        return None
    return str(value)
