"""The Jinja environment of the review app: everything escaped, hidden characters shown."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.report.display import number, percent
from pipeline.report.examples import shorten
from pipeline.report.pictures import bar
from pipeline.review.deciding import WORDS
from pipeline.terminal import visible

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> Environment:
    """The environment; strings are put through `visible` before they are escaped, whatever template prints them."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.filters |= {"number": number, "shorten": shorten, "packed": packed}
    made.globals |= {"percent": percent, "bar": bar, "link": link, "words": WORDS}
    return made


class Address(str):
    """A string made of URL characters only: escaped, and never changed."""

    __slots__ = ()


def packed(value: str | None) -> Address:
    r"""Give a value for a form field that must come back exactly: browsers change line breaks and some controls.

    >>> packed("a\nb\u202e.txt")
    'a%0Ab%E2%80%AE.txt'
    """
    return Address(quote(value or "", safe="/"))


def _finalize(value: Any) -> Any:
    """What an expression in a template prints: plain strings made visible; markup and form values as they are."""
    return visible(value) if type(value) is str else value


def link(path: str, **query: Any) -> Address:
    """A path of this app with its query; empty values are left out."""
    given = urlencode({name: value for name, value in query.items() if value not in (None, "")})
    return Address(f"{path}?{given}" if given else path)
