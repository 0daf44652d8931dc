"""Text from documents on its way to a terminal: shown, never obeyed."""

from __future__ import annotations

import re

# Control characters (C0 but tab and line feed, DEL, C1) and the marks that turn the direction of writing.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""The text with every character that steers a terminal shown by its number.

    >>> visible("a\x1b[31mb\u202e")
    'a\\x1b[31mb\\u202e'
    """
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
