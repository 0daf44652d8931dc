"""Writes the tables of docs/configuration.md from `pipeline.config`: `python docs/configuration_table.py --write`.

Without `--write` it prints them. A test compares what it prints with what the page holds.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pipeline.config import Config

PAGE = Path(__file__).with_name("configuration.md")
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "a multiple of"}


def kind(annotation: Any) -> str:
    """A type as a person writes it: `one of markdown, jsonl`, `list of …`, `text`, `number`."""
    origin = get_origin(annotation)
    if origin is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in get_args(annotation))
    if origin in (types.UnionType, tuple, list):
        inner = [argument for argument in get_args(annotation) if argument not in (Ellipsis, type(None))]
        return ("list: " if origin is not types.UnionType else "") + kind(inner[0])
    names = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def bounds(field: FieldInfo) -> str:
    """What values are allowed: `, ≥ 0, ≤ 1`."""
    found = [
        f"{sign} {getattr(rule, name):,}"
        for rule in field.metadata
        for name, sign in SIGNS.items()
        if getattr(rule, name, None) is not None
    ]
    return "".join(f", {bound}" for bound in found)


def toml(value: Any) -> str:
    """A default as it stands in TOML."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, (tuple, list)):
        return "`[" + ", ".join(f'"{item}"' if isinstance(item, str) else str(item) for item in value) + "]`"
    return f"`{value}`"


def table(model: type[BaseModel]) -> list[str]:
    """One row for each key of a section that is not a section itself."""
    rows = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            continue
        default = field.get_default(call_default_factory=True) if field.default is PydanticUndefined else field.default
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{name}` | {kind(annotation)}{bounds(field)} | {toml(default)} | {meaning} |")
    return rows


def tables() -> str:
    """The tables of every section, in the order of the configuration."""
    lines = ["### At the top of the file", "", *table(Config)]
    for name, field in Config.model_fields.items():
        section = field.annotation
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            continue
        about = (section.__doc__ or "").strip().split("\n\n")[0]
        lines += ["", f"### `[{name}]`", "", about]
        lines += ["", *table(section)] if section.model_fields else ["", "Nothing to set."]
    return "\n".join(lines)


def main() -> None:
    """Prints the tables, or puts them into the page."""
    if "--write" not in sys.argv:
        print(tables())
        return
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{tables()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
