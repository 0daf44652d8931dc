"""How much a text reads like something a person wrote, judged by its non-ASCII characters alone.

Decoding in the wrong charset gives characters that exist, in combinations that no one writes: a capital
after a small letter (`оПХБЕР`), a currency sign inside a word (`Za¿ó³æ`), two scripts in one word
(`Kдufer`), four accented letters in a row (`Ïðèâåò`), Chinese characters nobody uses. No language is
known here; what tells two languages apart in one script (windows-1250 or -1252) is left to uchardet.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter

_RUN = re.compile(r"[A-Za-z\x80-\U0010ffff]+")  # a word, with whatever foreign matter stands in it
_NON_ASCII = re.compile(r"[^\x00-\x7f]")

GOOD, CAPITAL, PUNCTUATION, NEUTRAL, ODD, WRONG = 1.0, 0.9, 0.9, 0.6, -1.0, -2.0
ACCENTED_RUN = 5  # accented Latin letters in a row: no language writes so many (Polish "żółć": four)
ACCENTED_WORD = 3  # letters of a word that has no other: rare in every language, the rule in misread Cyrillic
MAX_WORDS = 4_000  # distinct words looked at

# Punctuation that stands in running text, beside words or alone.
_PUNCTUATION = frozenset("“”‘’„‚«»‹›–—…·•¿¡§°€£™©®№\u00a0\u00ad、。，．：；？！「」『』（）《》・ー〜～【】％\u3000")


def plausibility(text: str) -> float:
    """Give the mean score of the non-ASCII characters in `text`: 1 reads like words, 0 and below like noise.

    A text without any scores 1.

    >>> plausibility("Привет, мир") > 0.9 > 0 > plausibility("Ïðèâåò, ìèð")
    True
    """
    words = Counter(word for word in _RUN.findall(text) if not word.isascii())
    total = count = 0.0
    for word, times in list(words.items())[:MAX_WORDS]:
        score, characters = _word(word)
        total += score * times
        count += characters * times
    return total / count if count else 1.0


@functools.lru_cache(maxsize=4096)
def _word(word: str) -> tuple[float, int]:
    """Add up the scores of a word's non-ASCII characters, and how many there are."""
    total, count, run, longest = 0.0, 0, 0, 0
    before, scripts = "", set()
    for position, character in enumerate(word):
        script, kind = _nature(character)
        if script:
            scripts.add(script)
        if character > "\x7f":
            count += 1
            total += _character(character, script, kind, before, word[position + 1 : position + 2])
            run = run + 1 if script == "LATIN" else 0
            longest = max(longest, run)
        else:
            run = 0
        before = character
    if longest >= ACCENTED_RUN or longest == len(word) >= ACCENTED_WORD:
        total += (WRONG if longest >= ACCENTED_RUN else ODD) * longest
    if _mixed(scripts):
        total += WRONG * count
    return total, count


def _mixed(scripts: set[str]) -> bool:
    """Whether letters of these scripts never share a word (Chinese, kana and Latin do)."""
    alphabets = scripts & _ALPHABETS
    return (
        len(alphabets) > 1
        or bool(alphabets and scripts & {"LATIN", "CJK", "HIRAGANA", "KATAKANA", "HANGUL"})
        or ("HANGUL" in scripts and bool(scripts & {"HIRAGANA", "KATAKANA"}))
    )


_ALPHABETS = frozenset({"CYRILLIC", "GREEK", "HEBREW", "ARABIC", "THAI", "ARMENIAN", "GEORGIAN"})

# KOI8-R and windows-1251 turn each other's small letters into capitals and Russian into other Russian letters:
# only how common the letters are tells a line of capitals in one from small letters in the other.
_CYRILLIC = dict.fromkeys("оеаинтсрі", GOOD) | dict.fromkeys("влкмдпуяыьгзбчй", 0.8) | dict.fromkeys("хжшюцщэфъ", -0.2)


def _character(character: str, script: str, kind: str, before: str, after: str) -> float:
    """Score one non-ASCII character by its neighbours."""
    if kind in ("Cc", "Co", "Cn", "Cs") or character == "\ufffd":
        return WRONG
    if script == "CJK":
        return _han(character)
    if script in ("HIRAGANA", "KATAKANA", "HANGUL", "THAI", "HEBREW", "ARABIC"):
        return GOOD
    if kind == "Lu" and before.islower():
        return WRONG
    if script == "CYRILLIC":
        return _CYRILLIC.get(character.lower(), NEUTRAL) - (GOOD - CAPITAL) * (kind == "Lu")
    if kind == "Lu":
        return CAPITAL
    if kind in ("Ll", "Lm", "Lo"):
        return GOOD if script in ("LATIN", "CYRILLIC", "GREEK") and character not in "ªºƒˆ" else NEUTRAL
    if kind.startswith("M"):
        return GOOD if before.isalpha() or unicodedata.category(before or " ")[0] == "M" else ODD
    if character in "’\u00ad" and before.isalpha() and after.isalpha():
        return GOOD
    if before.isalpha() and after.isalpha() and character not in "‘·–—\u00a0" and not _ideographic(before):
        return WRONG
    if character in _PUNCTUATION:
        return PUNCTUATION
    return ODD


def _ideographic(character: str) -> bool:
    """Whether the letter is of a script that writes punctuation without spaces."""
    return _nature(character)[0] in ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")


@functools.lru_cache(maxsize=8192)
def _nature(character: str) -> tuple[str, str]:
    """Script (the first word of a letter's Unicode name; "" where it is no letter) and general category."""
    kind = unicodedata.category(character)
    if kind[0] not in "LM":
        return "", kind
    script = unicodedata.name(character, "").split(" ", 1)[0]
    return ("" if kind[0] == "M" or script in ("MODIFIER", "FEMININE", "MASCULINE", "MICRO") else script), kind


@functools.lru_cache(maxsize=8192)
def _han(character: str) -> float:
    """Whether a Chinese character is one in daily use: in the first level of GB 2312, Big5 or JIS X 0208."""
    for codec, low, high in (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6), ("euc_jp", 0xB0, 0xCF)):
        try:
            if low <= character.encode(codec)[0] <= high:
                return GOOD
        except UnicodeEncodeError:
            continue
    return ODD
