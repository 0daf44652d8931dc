"""The markup stage: what goes, what stays, that it can be undone, and that it never gets slow."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.document import Document, undo
from pipeline.stages.markup import strip_markup
from pipeline.stages.markup_fields import MAX_VALUES, simple_block, yaml_block


def stripped(text: str, kind: str = "text", **fields: object) -> Document:
    """Run the stage and check that undo gives the text before and that a second run changes nothing."""
    document = Document("notes/a.md", text, kind=kind, **fields)  # type: ignore[arg-type]
    done = strip_markup(document)
    assert undo(done.text, done.edits) == text
    assert strip_markup(done) is done
    if done.text == text and not done.edits:
        assert done is document
    return done


ANCHOR = '<a class="yt-timestamp" data-t="00:06:04">[00:06:04]</a>'

GOES = [
    # timestamp anchors
    (f"The tide turns at noon {ANCHOR}.", "The tide turns at noon."),
    (f"It turns {ANCHOR}, then stops {ANCHOR} {ANCHOR}; it rests {ANCHOR}!", "It turns, then stops; it rests!"),
    (f"It turns {ANCHOR} and rests.", "It turns and rests."),
    (f"It turns{ANCHOR}and rests.", "It turns and rests."),
    (f"{ANCHOR} It turns.\n{ANCHOR}\nIt rests {ANCHOR}\n", "It turns.\n\nIt rests\n"),
    (f"*   **Neap** {ANCHOR}: small {ANCHOR}", "*   **Neap**: small"),
    ('At <a href="https://tides.example/v?t=9">1:02:33</a> it rises.', "At it rises."),
    # wikilinks
    ("The [[sea_level | level]] and the [[moon|moon's]] pull", "The level and the moon's pull"),
    ("See [[tidal_range]] and [[Bay of Fundy]].", "See tidal range and Bay of Fundy."),
    ("| [[spring_tide\\|spring]] | 4 m |", "| spring | 4 m |"),
    ("See [[Tides#Neap tides]] or [[#Causes]].", "See Tides > Neap tides or Causes."),
    ("![[chart.png|300]]\nHigh ![[harbour.jpg]] water, ![[tide_table]]", "\nHigh water, tide table"),
    ("[[a | [[b]]]] [[Ebbe_und_Flut]] [[海流|潮]]", "[[a | b]] Ebbe und Flut 潮"),
    # tags and comments
    ("High water<br/>low water<br>slack<BR />", "High water\nlow water\nslack"),
    ("one <br/> \ntwo", "one\ntwo"),
    ("<div>High</div><div>low</div>", "High\nlow"),
    ("<p>High water.</p><p>Low water.</p>", "High water.\n\nLow water."),
    (
        'A <span style="color: red">red</span> <b>flag</b>, <i>not</i> <font color=blue>blue</font>.',
        "A red flag, not blue.",
    ),
    ("H<sub>2</sub>O and 10<sup>6</sup> and 1<sup>st</sup>", "H2O and 10^6 and 1st"),
    ("High <!-- check this --> water<!-- and this -->.", "High water."),
    ("<!-- one\ntwo -->High", "High"),
    ("<ul>\n<li>ebb</li>\n<li>flood</li>\n</ul>", "\n- ebb\n- flood\n"),
    ("| ebb<br/>flood | 6 h |", "| ebb flood | 6 h |"),
    ('Read <a href="https://tides.example/">the table</a> first.', "Read the table first."),
    ("an unclosed <p> of text", "an unclosed\n\nof text"),
    ("left over</b> here", "left over here"),
    ('<img src="tide.png" alt="tide"/>High', "High"),
    # scaffolding above the text
    ("From: [[night_school]] <br/> \n\nTides rise.", "Tides rise."),
    ("From: [[ [[b]] ]]\n---\ntitle: x\n---\n---\ntitle: y\n---\nText", "Text"),
    ("Up:: [[Physics]]\nTopics: [[Sea]], [[Moon]]\n\nTides rise.", "Tides rise."),
]


@pytest.mark.parametrize(("text", "wanted"), GOES)
def test_markup_goes(text: str, wanted: str) -> None:
    """Anchors, wikilinks, stray tags and comments go and leave properly parted words."""
    if "[[b]]]]" in text:
        wanted = "b Ebbe und Flut 潮"  # two layers
    assert stripped(text).text == wanted


STAYS = [
    "if a < b and b > c: print(a<b)",
    "List<T> and Map<String, List<A>> and Optional<p>, vector<b> x",
    "cp <source> <target>, where <name> is a <T>",
    "Write to <anna@tides.example> or see <https://tides.example/a?b=c>.",
    "I <3 tides, 5 <6, <- left, <> and <!>",
    "a <b and c> d",
    "`<br/>` and ``a ` <b>x</b>`` and `[[link]]`",
    "```html\n<div>[[x]]</div>\n```",
    "~~~\n<br/>\n~~~",
    "```\n<div>an unclosed fence</div>",
    '# Tides\n\n*High* and **low** [water](https://tides.example "x") ![chart](a.png)',
    "> quote\n\n1. one\n\n---\n\n* two\n\nHead\n----\n",
    'x[[1]] and y[["name"]] and [[1]] and [[1, 2]]',
    "m = [[1, 2], [3, 4]]",
    'if [[ -f tide.txt ]]; then [[ $a == b ]] && [[ "$c" ]]; fi',
    "[[:alnum:]] and [[File:tide.png|thumb|A tide]]",
    "From: Anna\nTo: Ben\n\nHigh water.",
    "<!doctype html>\n<html><body><p>shown</p></body></html>",
    "<div className={wide}>\n  <b>x</b>\n</div>",
    "[00:06:04] It rises. [00:06:09] It falls.",
    "[[a]b]] [[\n]] [[]]",
    "---\n\nA rule above.\n\n---\n\nA rule below.",
    "---\nNote: this stands between two rules\n---\nand goes on.",
    "---\nJust words\n---\n",
    "--- a/tide.py\n+++ b/tide.py\n",
    "<!-- never closed",
]


@pytest.mark.parametrize("text", STAYS)
def test_what_is_no_stray_markup_stays(text: str) -> None:
    """Comparisons, generics, placeholders, addresses, code, indexing, Markdown and rules are left alone."""
    assert stripped(text).text == text


def test_html_documents_are_left_to_extract() -> None:
    """A document of kind html comes back as the same object."""
    document = Document("a.html", "---\ntitle: x\n---\n<p>[[a]]</p>", kind="html")
    assert strip_markup(document) is document


def test_scripts_go_from_markdown_only() -> None:
    """A script element in a Markdown note is embedding; in plain text it may be what the text is about."""
    text = 'High.\n<script async src="w.js">let a = 1 < 2;</script>\nLow.'
    assert stripped(text, kind="markdown").text == "High.\n\nLow."
    assert "let a = 1 < 2;" in stripped(text).text


def test_scaffold_becomes_metadata() -> None:
    """Wikilink-only lines above the text are kept as metadata under their labels."""
    done = stripped("\nFrom: [[night_school]] <br/>\nTopics: [[Sea]], [[the_moon | Moon]]\n\nTides rise. From: [[x]]")
    assert done.metadata == {"from": "night school", "topics": "Sea, Moon"}
    assert done.text == "\nTides rise. From: x"


def test_front_matter_fills_fields() -> None:
    """Front matter fills the fields; what has no field becomes metadata, as it was written."""
    done = stripped(
        "---\ntitle: 'Neap tides'\nurl: https://tides.example/neap\ndate: 2024-02-30\nauthors: [Ann, Ben]\n"
        "language: no\nvideoId: 0123\ntags:\n  - sea\n  - moon\nempty:\n---\n\n# Neap\n"
    )
    assert (done.title, done.url, done.date) == ("Neap tides", "https://tides.example/neap", "2024-02-30")
    assert (done.author, done.language) == ("Ann, Ben", "no")
    assert done.metadata == {"videoId": "0123", "tags": ["sea", "moon"]}
    assert done.text == "# Neap\n"
    assert [edit.rule for edit in done.edits] == ["front-matter"]


def test_stated_fields_win_over_front_matter() -> None:
    """A field that the reader stated stays; the front matter's different value is kept as metadata."""
    done = stripped("---\ntitle: Old\nlang: en\n---\nText", title="New", language="en")
    assert (done.title, done.language, dict(done.metadata)) == ("New", "en", {"title": "Old"})


OURS = {
    "title": 'Tides: "high", low & \\ 100 %',
    "source": "notes/a.txt",
    "url": "https://tides.example/a#b",
    "author": "Ann O'Hara",
    "date": "2024-03-01",
    "language": "en",
    "canonical": "notes/a.txt",
    "sha256": "00e1234567890",
}


@pytest.mark.parametrize(
    "written",
    [
        yaml.safe_dump(OURS, sort_keys=False, allow_unicode=True),
        "".join(f"{key}: {__import__('json').dumps(value)}\n" for key, value in OURS.items()),
    ],
)
def test_front_matter_of_a_clean_corpus_is_read_back(written: str) -> None:
    """What a run writes above a text fills the same fields again and leaves the same text."""
    done = stripped(f"---\n{written}---\n\nHigh water.\n", kind="markdown")
    assert done.text == "High water.\n"
    assert (done.title, done.url, done.author) == (OURS["title"], OURS["url"], OURS["author"])
    assert (done.date, done.language) == (OURS["date"], OURS["language"])
    assert done.metadata == {key: OURS[key] for key in ("source", "canonical", "sha256")}


@pytest.mark.parametrize(
    "text",
    [
        "---\ntitle: [unclosed\n---\nText",
        "---\ntitle: a: b: c\n  wrong: indent\n---\nText",
        "---\ntitle: never closed\n\nText",
        "---\ntitle: a\ntitle2: &a [*a, *a]\nx: {{{\n---\nText",
    ],
)
def test_broken_front_matter_stays_and_is_flagged(text: str) -> None:
    """A block that was meant as front matter and is not YAML stays in the text, with a flag."""
    done = stripped(text)
    assert done.text == text
    assert [(edit.rule, edit.action) for edit in done.edits] == [("broken-front-matter", "flagged")]


def test_yaml_bombs_are_no_front_matter() -> None:
    """Aliases that stand for billions of values, endless nesting and self-reference give no values."""
    levels = "\n".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(9))
    assert yaml_block(f"a0: &a0 [x]\n{levels}") is None
    assert yaml_block("a: " + "[" * 50_000) is None
    assert yaml_block("a: &a [*a]") is None
    assert yaml_block("\n".join(f"k{n}: 1" for n in range(MAX_VALUES + 1))) is None


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z_-]{0,8}", fullmatch=True),
        st.one_of(st.text(max_size=20), st.text("ab:#'\"\\ -[]{},&*!|>%@`?0.~", max_size=8)),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=300, deadline=None)
def test_the_simple_reader_reads_as_yaml_does(values: dict[str, str]) -> None:
    """Where the reader without YAML gives values, they are those of PyYAML."""
    block = "".join(f"{key}: {value}\n" for key, value in values.items())
    simple = simple_block(block)
    if simple is not None:
        assert yaml_block(block) == simple


PIECES = [
    "<", ">", "</", "<b>", "</b>", "<br/>", "<p>", "</p>", "<li>", "<!--", "-->", "[[", "]]", "|", "[", "]", "!", "`",
    "```", "\n```\n", "~~~",
    "\n", "\n\n", " ", "\t", "a", "B_c", "1", ".", ",", "---\n", "title: x\n", "From: ", ANCHOR,
    '<a href="x">', "</a>", "<sup>", "[[a.png]]", "\r\n", "é", "\x00", "\ud800", "<script>", "</script>", "&lt;",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.sampled_from(["text", "markdown"]))
@settings(max_examples=600, deadline=None)
def test_any_markup_can_be_undone_and_is_stripped_once(text: str, kind: str) -> None:
    """No string crashes the stage; undo gives the text before; a second run changes nothing."""
    stripped(text, kind)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_undone(text: str) -> None:
    """No text crashes the stage."""
    stripped(text)


NASTY = [
    "<", "[[", "<!--", "<a ", "<b>", "</b", "[[a|", "`", "``` ", "` `` ", "\n```\n", "<a>[00:", "<sup>1", " ", " <b>",
    "---\n", "a: b\n", "<script>", "<a b=", "[[a]] ", "From: [[a]]\n", "<p>\n", "\t<br> ", "<a b='", "<x ", "[[a [[b]]",
    "[[a|[[b|", "<br/>|",
]  # fmt: skip


@pytest.mark.parametrize("piece", NASTY)
@pytest.mark.parametrize("head", ["", "---\ntitle: | <b></b>"])
def test_time_grows_as_the_text_does(piece: str, head: str) -> None:
    """Eight times the text takes about eight times as long, not sixty-four."""

    def seconds(size: int) -> float:
        document = Document("a.md", head + piece * (size // len(piece)), kind="markdown")
        start = time.process_time()
        strip_markup(document)
        return time.process_time() - start

    small = min(seconds(6_000) for _ in range(3))
    large = (seconds(48_000) for _ in range(5))
    assert any(took < 30 * small + 0.005 for took in large), small
