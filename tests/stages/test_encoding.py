"""The encoding stage: equal to ftfy.fix_text on every input, recorded, undoable."""

import gzip
import json
import random
import unicodedata
from pathlib import Path

import ftfy
import numpy as np
import pytest
from ftfy.badness import BADNESS_RE, MOJIBAKE_CATEGORIES
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.document import Document, undo
from pipeline.stages import _ftfy_tables, encoding
from pipeline.stages.encoding import fix_encoding, fix_text

CASES = Path(__file__).parents[2].parent / "shared" / "eval" / "data" / "ftfy_cases.jsonl.gz"
MISREAD_AS = ["latin-1", "cp1252", "sloppy-windows-1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1257"]
MISREAD_AS += ["mac-roman", "cp437", "iso8859-2", "koi8-r"]
FIXABLE = "".join(chr(code) for code in range(0x80, 0x2700) if BADNESS_RE.search("a" + chr(code) * 3 + "Â ¤"))
PIECES = [
    *"abzAZ.,?! \n\r\t&;<'\"[3m☺",
    *("&amp;", "&lt;", "&#39;", "&#x2019;", "&EACUTE;", "&nosuch;", "&#0;", "&#133;", "&amp;amp;", "＆amp；"),
    *("\r\n", "\x1b[0m", "\x1b［３ｍ", "\ud83d", "\udca9", "\u0301", "\u3000", "Ａ", "Ａ\u0301", "；", "ｶﾞ", "ﾞ", "￣"),
    *(
        "ﬁ",
        "ŉ",
        "Ĳ",
        "\ufeff",
        "\x85",
        "\x9f",
        "\u2028",
        "\u2029",
        "e\u0301",
        "한",
        "\u1100\u1161",
        "😀",
        "\ufffd",
        "\x1a",
        "\0",
    ),
    *(
        "Ã la",
        "Ã ",
        "Ã\xa0",
        "Â ",
        "œ",
        "œu",
        "cœur ",
        "вЂ",
        "вЂ™",
        "β€™",
        "ā€",
        "â€œ",
        "â€\x9d",
        "ï¿½",
        "√±",
        "‚Äì",
        "×²",
    ),
]
MOJIBAKE_CHARACTERS = "".join(MOJIBAKE_CATEGORIES.values()).replace("-", "")
soup = st.lists(st.sampled_from([*PIECES, *MOJIBAKE_CHARACTERS]), max_size=14).map("".join)


def same_as_ftfy(text: str) -> None:
    """The stage gives what ftfy gives, and its edits undo it."""
    expected = ftfy.fix_text(text)
    assert fix_text(text) == expected
    document = Document("a.txt", text)
    fixed = fix_encoding(document)
    assert fixed.text == expected
    assert undo(fixed.text, fixed.edits) == text
    assert (fixed is document) == (expected == text)


@pytest.fixture(params=["line by line", "as an array"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short texts go line by line; the tests take them through both ways."""
    if request.param == "as an array":
        monkeypatch.setattr(encoding, "SHORT", 0)
        monkeypatch.setattr(encoding, "SHORT_LINE", 0)


@pytest.mark.usefixtures("way")
@pytest.mark.skipif(not CASES.exists(), reason="../shared/eval is not here")
def test_ftfys_own_cases() -> None:
    """Every case in ftfy's tables, mended and not, comes out as from ftfy."""
    with gzip.open(CASES, "rt", encoding="utf-8") as lines:
        for case in map(json.loads, lines):
            for text in (case["original"], case["fixed"], f"x “a”\n{case['original']}\r\nb’s\n"):
                same_as_ftfy(text)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    """Arbitrary text comes out as from ftfy."""
    same_as_ftfy(text)


def _through_the_array(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "SHORT", 0)
        patch.setattr(encoding, "SHORT_LINE", 0)
        same_as_ftfy(text)


@settings(max_examples=600, deadline=None)
@given(soup)
def test_soup_of_everything_ftfy_looks_for(text: str) -> None:
    """Characters and sequences that ftfy treats, thrown together, come out as from ftfy, whichever way is taken."""
    same_as_ftfy(text)
    _through_the_array(text)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(soup, st.sampled_from(["“Good” plain words, it’s clean. " * 4, "", "Ещё «слово». " * 9])), max_size=30
    )
)
def test_texts_of_many_lines(lines: list[str]) -> None:
    """Lines that need ftfy among lines that do not: each comes out as from ftfy, and no change reaches into another."""
    same_as_ftfy("\n".join(lines))


@settings(max_examples=600, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
            st.sampled_from(
                [
                    "naïve",
                    "Über",
                    "straße",
                    "“so”",
                    "it’s",
                    "Привет",
                    "«да»",
                    "καλή",
                    "日本",
                    "한국",
                    "œuvre",
                    "€",
                    "…",
                    "ไทย",
                ]
            ),
        ),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.sampled_from(MISREAD_AS), min_size=1, max_size=2),
    st.sampled_from(["replace", "ignore"]),
    st.booleans(),
)
def test_mojibake_of_random_text(words: list[str], misread: list[str], errors: str, spaces: bool) -> None:
    """UTF-8 read as something else, once or twice, also with its no-break spaces flattened, comes out as from ftfy."""
    text = " ".join(words)
    for charset in misread:
        text = text.encode("utf-8", "surrogatepass").decode(charset, errors)
    if spaces:
        text = text.replace("\xa0", " ")
    same_as_ftfy(text)
    _through_the_array(text + "\n" + " ".join(words))


@pytest.mark.parametrize("context", ["{}", "a{}b", "Ã{} ", "é{}", "“{}", "A{}\u0301", "{0}{0}"])
def test_every_code_point(context: str) -> None:
    """Every code point, alone and beside letters, mojibake, quotes and accents, comes out as from ftfy.

    ftfy takes each line for itself, so all of them go in one text. Ranges where all behave alike are thinned.
    """
    codes = [
        code
        for code in range(0x110000)
        if code < 0x2800
        or 0x2FF0 <= code < 0x3100
        or 0xA000 <= code < 0xAC10
        or 0xD7F0 <= code < 0xDC10
        or 0xF8F0 <= code < 0x10000
        or code % 997 == 0
    ]
    text = "\n".join(context.format(chr(code)) for code in codes if chr(code) not in "\n<")
    assert fix_text(text) == ftfy.fix_text(text)


def test_every_pair_of_mojibake_characters() -> None:
    """Every two characters that ftfy suspects, in a sentence, come out as from ftfy: the pairs table misses none."""
    characters = sorted(set(MOJIBAKE_CHARACTERS + "œŒ" + " aZ.²"))
    tables = _ftfy_tables.tables_of_ftfy()
    for one in characters:
        text = "".join(f"x {one}{other} y" for other in characters)
        codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
        places = set(encoding._badness_places(codes, tables.flags.take(codes), tables))
        for found in BADNESS_RE.finditer(text):
            c1 = any("\x80" <= character <= "\x9f" for character in found[0])
            assert c1 or places & set(range(found.start(), found.end())), found[0]


def test_the_pattern_is_read_not_given_up() -> None:
    """The installed ftfy's pattern is one whose pairs can be read: the slow fallback is not in use."""
    pairs = _ftfy_tables._badness_pairs()
    assert len(pairs) > 30
    assert not any(one[0x61:0x7B].any() and other[0x61:0x7B].any() for one, other in pairs)


def test_an_unreadable_pattern_is_slow_and_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a pattern of unknown make every non-ASCII line is left to ftfy's own check."""
    monkeypatch.setattr(_ftfy_tables, "_badness_pairs", lambda: [(np.arange(0x10000) >= 0x80, np.ones(0x10000, bool))])
    _ftfy_tables.tables_of_ftfy.cache_clear()
    try:
        same_as_ftfy(("The cafÃ© wasn’t open. Привет. " * 20 + "\n") * 3)
    finally:
        _ftfy_tables.tables_of_ftfy.cache_clear()


def test_normal_form_table_is_safe() -> None:
    """No character that the table calls safe composes, decomposes or reorders in this Python's Unicode."""
    flags = _ftfy_tables.tables_of_ftfy().flags
    seconds = {
        int(unicodedata.decomposition(chr(code)).split()[1], 16)
        for code in range(0x110000)
        if not unicodedata.decomposition(chr(code)).startswith("<") and " " in unicodedata.decomposition(chr(code))
    }
    seconds |= {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
    for code in range(0x300, 0x10000):
        if not flags[code] & (_ftfy_tables.NORMAL_FORM | _ftfy_tables.LINEWISE):
            character = chr(code)
            assert unicodedata.normalize("NFC", character) == character, hex(code)
            assert not unicodedata.combining(character), hex(code)
            assert code not in seconds, hex(code)


@pytest.mark.parametrize(
    "text",
    [
        "one &amp; two\nthree < four &amp; five\nsix &amp; seven\n",  # a bracket turns entities off from its line on
        "&lt;p&gt; &amp;lt;\n&amp;\n",
        "a\rb’s\r\nc\u2028d\x85e\n",
        "x" * 30 + "\n" * 5 + "\n’\n",
        "",
        "\n",
        "’",
        "“",
        "œ",
    ],
)
@pytest.mark.usefixtures("way")
def test_lines_and_their_borders(text: str) -> None:
    """What ftfy carries from line to line (entities), and where its lines end, is carried here too."""
    for copies in (1, 2, 50):
        same_as_ftfy(text * copies)


@pytest.mark.parametrize("head", [0, 1, 7, 40])
def test_long_lines_are_cut_where_ftfy_cuts_them(head: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line longer than a segment is mended piece by piece, as in ftfy, wherever the cut falls."""
    monkeypatch.setattr(encoding, "SEGMENT", 50)
    monkeypatch.setattr(encoding, "SHORT", 0)
    body = "a’s &amp; cafÃ© ﬁ <b> &lt; naÃ¯ve e\u0301 â€œx\r\n"
    for text in (body[head:] * 9, body.replace("\n", "")[head:] * 9, "y" * (49 - head) + "&amp;" + body * 3):
        assert fix_text(text) == ftfy.fix_text(text, max_decode_length=50)


@pytest.mark.parametrize(
    ("before", "edits"),
    [
        ("The cafÃ© is shut.", [("mojibake", "cafÃ©", "café")]),
        ("He said “no” twice.", [("quotes", "“no”", '"no"')]),
        ("Salt &amp; pepper", [("entity", "&amp;", "&")]),
        ("The ﬁrst", [("ligature", "ﬁrst", "first")]),
        ("ＬＯＵＤ noise", [("width", "ＬＯＵＤ", "LOUD")]),
        ("cafe\u0301 noir", [("nfc", "cafe\u0301", "café")]),
        ("zero\0 byte", [("control", "zero\0", "zero")]),
        ("\x1b[1mbold\x1b[0m text", [("control", "\x1b[1mbold\x1b[0m", "bold")]),
        ("one\r\ntwo\n", [("newline", "one\r", "one")]),
        ("\ud83d\ude00 face", [("surrogate", "\ud83d\ude00", "😀")]),
    ],
)
def test_changes_are_small_and_named(before: str, edits: list[tuple[str, str, str]]) -> None:
    """A change is about a word, and its rule says what was wrong."""
    made = fix_encoding(Document("a.txt", before)).edits
    assert [(edit.rule, edit.before.strip(" \n"), edit.after.strip(" \n")) for edit in made] == edits
    text = "Plain words stand before it all. " * 10 + "\n" + before
    made = fix_encoding(Document("a.txt", text)).edits
    assert {edit.rule for edit in made} == {rule for rule, _, _ in edits}
    for edit in made:
        assert text[edit.start : edit.start + len(edit.before)] == edit.before
        assert len(edit.before) < 20


@pytest.mark.parametrize(
    "text",
    [
        "Plain ASCII, with tabs\tand\n\nnewlines.",
        "Voilà, un naïve café à Besançon: cœur, œuvre — 20 € … n° 5.",
        "Größe Ärger Übermaß Füße »schön«",
        "Он сказал: «Да — № 5», и ушёл…",
        "昨天晚上城里下了一场大雨。",
        "โรงแรมนี้ดีมาก हिन्दी में लिखा है",
        "Salt & pepper; R&D; AT&T &c.",
        "<p>Salt &amp; pepper</p>",
        "½ × ² ± 5°C §3 ¶ © 2024 ®",
    ],
)
@pytest.mark.usefixtures("way")
def test_good_text_is_left_alone(text: str) -> None:
    """Text without faults is the same document object."""
    document = Document("a.txt", text)
    assert fix_encoding(document) is document


def test_many_changes_are_joined() -> None:
    """A long text full of curly quotes is recorded in few changes, and still undone exactly."""
    random.seed(4)
    text = "".join(random.choice("“”’ abcdefghij") for _ in range(50_000))
    fixed = fix_encoding(Document("a.txt", text))
    assert len(fixed.edits) < 100
    assert max(len(edit.before) for edit in fixed.edits) <= encoding.JOINED_AT_MOST
    assert undo(fixed.text, fixed.edits) == text


def test_title_and_author_are_mended_too() -> None:
    """Fields that the text is compared with later get the same quotes."""
    fixed = fix_encoding(Document("a.txt", "x", title="It’s ﬁne", author="JosÃ©"))
    assert (fixed.title, fixed.author, fixed.edits) == ("It's fine", "José", ())
