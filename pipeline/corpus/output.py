"""How a kept document looks in CLEAN: its name, its front matter, its JSON line."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FRONT_MATTER = ("title", "source", "url", "author", "date", "language", "canonical", "sha256", "metadata")
JSON_FIELDS = ("source", "record_id", "title", "text", "language", "url", "date", "author", "metadata")
NAME_BYTES = 200  # file systems allow 255 for one name; room for the suffixes below
_DROPPED_SUFFIX = re.compile(r"\.(?:md|markdown|txt|text|html?|xhtml)(?:\.(?:gz|zst))?$", re.IGNORECASE)
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\\/:*?"<>|\u2028\u2029\u202a-\u202e\u2066-\u2069]')
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.,/()'-]*(?: [A-Za-z0-9_.,/()'-]+)*")
_YAML_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "none"}
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)  # names that Windows refuses


def document_id(source: str) -> str:
    """The first 16 hex digits of the SHA-256 of the source's name.

    >>> document_id("news/a.txt")
    'c489925b254e307c'
    """
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def safe_name(name: str) -> str:
    r"""One component of a path that no file system and no terminal takes for anything else.

    >>> safe_name(".."), safe_name("a:b\n"), safe_name("CON"), safe_name("Ärger 1.txt")
    ('_..', 'a_b_', '_CON', 'Ärger 1.txt')
    """
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).rstrip(" ") or "_"
    if name[0] == "." or _RESERVED.match(name):
        name = "_" + name
    if len(name.encode()) > NAME_BYTES:
        cut = name.encode()[: NAME_BYTES - 17].decode("utf-8", "ignore")
        name = f"{cut}~{document_id(name)}"
    return name


def markdown_path(source: str, whole: bool = False) -> str:
    """Where the document goes under CLEAN; `whole` keeps the source's own suffix too.

    >>> markdown_path("news/a.html"), markdown_path("news/a.html", whole=True), markdown_path("feed.jsonl#12")
    ('documents/news/a.md', 'documents/news/a.html.md', 'documents/feed.jsonl/12.md')
    """
    path, mark, record = source.partition("#")
    parts = path.split("/")
    if mark:
        parts.append(record)
    elif not whole:
        parts[-1] = _DROPPED_SUFFIX.sub("", parts[-1]) or parts[-1]
    return "/".join(("documents", *(safe_name(part) for part in parts))) + ".md"


def folded(path: str) -> str:
    """What two paths share when a file system that ignores case would take them for one."""
    return unicodedata.normalize("NFC", path).casefold()


def markdown_paths(sources: Sequence[str]) -> list[str]:
    """One path for each source, all different, also where case does not count; independent of order.

    Sources that would share a path keep their suffix (`a.html.md`, `a.txt.md`); if they still do, their id is added.
    """
    paths = [markdown_path(source) for source in sources]
    for index in _shared(paths):
        paths[index] = markdown_path(sources[index], whole=True)
    for index in _shared(paths):
        paths[index] = f"{markdown_path(sources[index], whole=True)[:-3]}~{document_id(sources[index])}.md"
    return paths


def _shared(paths: Sequence[str]) -> list[int]:
    """Indices of paths that another path equals, or that are a folder of another path."""
    if not paths:
        return []
    keys = np.array([_key(path) for path in paths], np.uint64)
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    folders = {folder for path in {path.rpartition("/")[0] for path in paths} for folder in _with_parents(path)}
    also_folder = np.isin(keys, np.array([_key(folder) for folder in folders if folder.endswith(".md")], np.uint64))
    shared: list[int] = np.flatnonzero((counts[inverse] > 1) | also_folder).tolist()
    return shared


def _with_parents(folder: str) -> list[str]:
    steps = folder.split("/")
    return ["/".join(steps[:depth]) for depth in range(1, len(steps) + 1)]


def _key(path: str) -> int:
    return int.from_bytes(hashlib.blake2b(folded(path).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def yaml_scalar(value: str) -> str:
    r"""A string as a YAML scalar that reads back as the same string: plain where that is safe, else double-quoted.

    >>> yaml_scalar("Ferry line to close"), yaml_scalar("2024-01-05"), yaml_scalar("no"), yaml_scalar('a "b": c')
    ('Ferry line to close', '"2024-01-05"', '"no"', '"a \\"b\\": c"')
    """
    if _PLAIN.fullmatch(value) and value.lower() not in _YAML_WORDS:
        return value
    return _escaped(json.dumps(value, ensure_ascii=False))


def _escaped(text: str) -> str:
    """JSON made safe for YAML: what does not print is written by its number."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _by_number(ord(c)) for c in text)


def _by_number(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def front_matter(fields: Mapping[str, Any]) -> str:
    """YAML front matter with the fields that are there, in the order of `FRONT_MATTER`."""
    lines = ["---"]
    for name in FRONT_MATTER:
        value = fields.get(name)
        if value in (None, "", {}):
            continue
        if isinstance(value, str):
            lines.append(f"{name}: {yaml_scalar(value)}")
        elif isinstance(value, bool):
            lines.append(f"{name}: {'true' if value else 'false'}")
        else:
            lines.append(f"{name}: {_escaped(json.dumps(value, ensure_ascii=False, sort_keys=True))}")
    return "\n".join((*lines, "---", ""))


def markdown_document(fields: Mapping[str, Any], text: str) -> bytes:
    """A kept document as a Markdown file: front matter, an empty line, the text, a newline at the end."""
    return f"{front_matter(fields)}\n{text}\n".encode()


def json_line(fields: Mapping[str, Any]) -> bytes:
    """A kept document as one line of documents.jsonl."""
    return json.dumps({name: fields.get(name) for name in JSON_FIELDS}, ensure_ascii=False).encode() + b"\n"
