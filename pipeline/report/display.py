"""Making strings of unknown origin fit to be looked at, in a page or a terminal."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

# Characters that change how others are shown, or are not shown at all, by the name Unicode gives them in short.
_NAMED = {
    0x00AD: "SHY",
    0x061C: "ALM",
    0x180E: "MVS",
    0x200B: "ZWSP",
    0x200E: "LRM",
    0x200F: "RLM",
    0x2028: "LS",
    0x2029: "PS",
    0x202A: "LRE",
    0x202B: "RLE",
    0x202C: "PDF",
    0x202D: "LRO",
    0x202E: "RLO",
    0x2060: "WJ",
    0x2066: "LRI",
    0x2067: "RLI",
    0x2068: "FSI",
    0x2069: "PDI",
    0xFEFF: "BOM",
}
_SHOWN = {code: f"⟨{name}⟩" for code, name in _NAMED.items()}
_SHOWN |= {code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)}  # control pictures
_SHOWN |= {0x7F: "␡"}
_SHOWN |= {code: f"⟨{code:02X}⟩" for code in range(0x80, 0xA0)}
_SHOWN |= {code: f"⟨{code:04X}⟩" for code in (*range(0x206A, 0x2070), *range(0xFFF9, 0xFFFC))}
_HIDDEN = re.compile(
    "[" + "".join(re.escape(chr(code)) for code in _SHOWN) + "\ud800-\udfff\U000e0000-\U000e007f" + "]"
)


def visible(text: str) -> str:
    r"""Give `text` with every character that hides or reorders others shown by a sign; tabs and line breaks stay.

    >>> visible("exe.\u202egnp")
    'exe.⟨RLO⟩gnp'
    >>> visible("\x1b[31mred\x07")
    '␛[31mred␇'
    >>> visible("مرحبا, naïve, 日本\tand a line\n")
    'مرحبا, naïve, 日本\tand a line\n'
    """
    return _HIDDEN.sub(_sign, text)


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    return _SHOWN.get(code) or f"⟨{code:04X}⟩"


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
