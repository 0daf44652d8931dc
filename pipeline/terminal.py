"""Text from documents on its way to a terminal or a page: what steers or hides is shown by a sign, never obeyed."""

from __future__ import annotations

import re

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
