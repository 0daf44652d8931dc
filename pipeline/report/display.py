"""Making strings of unknown origin fit to be looked at, in a page or a terminal."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from pipeline.terminal import visible


def visible_all(value: Any) -> Any:
    """`visible` for every string in a JSON-able value, keys included."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(str(key)): visible_all(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [visible_all(part) for part in value]
    return value


def script_json(value: Any) -> str:
    r"""JSON that can stand inside a `<script type="application/json">`: nothing in it can end or open an element.

    >>> script_json({"title": "</script><!-- &"})
    '{"title":"\\u003c/script\\u003e\\u003c!-- \\u0026"}'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def csp_hash(content: str) -> str:
    """Give the source expression that allows exactly this inline script or style (CSP level 2)."""
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def number(value: float | int | None) -> str:
    """A count for people: 1,234,567; nothing for None."""
    return "" if value is None else f"{value:,.0f}"


def many(count: int, one: str, several: str | None = None) -> str:
    """A count with its noun.

    >>> many(1, "sentence"), many(1200, "sentence"), many(0, "copy", "copies")
    ('1 sentence', '1,200 sentences', 'no copies')
    """
    word = one if count == 1 else several or f"{one}s"
    return f"{number(count) if count else 'no'} {word}"


def percent(part: float, whole: float) -> str:
    """A share for people: no share of nothing, and never 0 % or 100 % when it is not exactly that.

    >>> percent(1, 3), percent(1, 100_000), percent(99_999, 100_000), percent(0, 5), percent(5, 5), percent(1, 0)
    ('33 %', '< 0.1 %', '> 99.9 %', '0 %', '100 %', '–')
    """
    if not whole:
        return "–"
    share = 100 * part / whole
    if share in (0, 100):
        return f"{share:.0f} %"
    if share < 0.1:
        return "< 0.1 %"
    if share > 99.9:
        return "> 99.9 %"
    return f"{share:.1f} %" if share < 10 or share > 99 else f"{share:.0f} %"
