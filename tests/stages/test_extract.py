"""The extract stage, from the outside: pages of several kinds, hostile pages, and what it must not depend on."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Extract
from pipeline.document import Document
from pipeline.errors import DocumentError, DocumentFailed, DocumentRejected
from pipeline.stages.extract import extract_html

FOLDER = Path(__file__).with_name("test_extract_pages")
ALL = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.html"))}
ARTICLE, DISCOURSE, TABLE = ALL["article"], ALL["discourse"], ALL["table"]
BOTH = pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse"])


def clean(page: str, extractor: str = "trafilatura", **changed: object) -> Document:
    return extract_html(Document("page.html", page, "html"), Extract(**changed), extractor)


KEPT = {
    "article": ["It rained on every single day of the month", "## What the farmers say", "wells had run dry"],
    "forum": ["The pump stops after ten minutes", "Have you checked the filter", "That was it, thank you"],
    "product": ["This kettle boils a litre of water in two minutes", "Stainless steel"],
    "documentation": ["```\npip install rainfall\n", "reads the gauges of one station", "## Options"],
    "recipe": ["- 250 g of flour", "- 3 eggs", "Whisk the eggs with the milk"],
    "table": ["| Station | January | February |", "| Northfield | 61 | 48 |", "measured in millimetres"],
    "discourse": ["How do I season a carbon steel pan", "Rub in a thin layer of oil", "maria"],
}
GONE = {
    "article": ["Copyright 2021", "Subscribe to our newsletter", "Home", "ten most read", "Accept all cookies"],
    "forum": ["Log in", "Powered by", "Privacy policy"],
    "product": ["Add to wish list", "Our stores", "You may also like"],
    "documentation": ["Edit this page", "Previous", "Search the docs"],
    "recipe": ["Sign up", "All rights reserved"],
    "table": ["Careers", "Cookie settings"],
    "discourse": [],
}


@BOTH
@pytest.mark.parametrize("kind", KEPT)
def test_content_is_kept(kind, extractor):
    """What a reader came for is in the text, as Markdown."""
    text = clean(ALL[kind], extractor).text
    assert [part for part in KEPT[kind] if part not in text] == []


@BOTH
@pytest.mark.parametrize("kind", KEPT)
def test_the_rest_is_gone(kind, extractor):
    """What stands around the content is not in the text."""
    text = clean(ALL[kind], extractor).text
    assert [part for part in GONE[kind] if part in text] == []


@BOTH
def test_fields(extractor):
    """The page's own statements become fields, dates as ISO 8601."""
    document = clean(ARTICLE, extractor)
    assert document.kind == "markdown"
    assert (document.title, document.author, document.date) == ("Rain in May", "Ann Lee", "2021-05-03")
    assert document.url == "https://www.dailypost.example/2021/rain"
    assert (document.language, document.site) == ("en", "dailypost.example")


def test_fields_stated_before_are_kept():
    """What the record said of itself beats what the page says."""
    before = Document(
        "a", ARTICLE, "html", title="Another", url="https://b.example/x", date="1999-01-01", language="fr"
    )
    after = extract_html(before, Extract(), "trafilatura")
    assert (after.title, after.url, after.date, after.language) == (
        "Another",
        "https://b.example/x",
        "1999-01-01",
        "fr",
    )
    assert (after.author, after.site) == ("Ann Lee", "b.example")


def test_title_is_not_repeated():
    """The headline is a field and does not open the text; a sentence that begins like it stays."""
    assert not clean(ARTICLE).text.startswith(("Rain in May", "# Rain in May"))
    other = ARTICLE.replace("<p>It rained on", "<p>Rain in May, again: it rained on")
    assert "Rain in May, again: it rained on" in clean(other).text


def test_one_edit_names_the_method():
    """The stage records one edit, which holds no text, and is no step that could be undone."""
    document = clean(ARTICLE)
    assert [(edit.stage, edit.rule, edit.action, edit.before, edit.after) for edit in document.edits] == [
        ("extract", "trafilatura-model", "replaced", "", "")
    ]
    assert document.steps == 0
    assert clean(ARTICLE, "resiliparse").edits[0].rule == "resiliparse-model"
    assert clean(DISCOURSE).edits[0].rule == "forum"


def test_other_kinds():
    """A document that is not HTML is the same object."""
    for kind in ("text", "markdown"):
        document = Document("a.txt", "<p>not markup</p>", kind)
        assert extract_html(document, Extract(), "trafilatura") is document


def test_tables_can_be_left_out():
    """Without tables, the rows go and the prose stays."""
    text = clean(TABLE, tables=False).text
    assert "Northfield |" not in text
    assert "measured in millimetres" in text


def test_comments_can_be_kept():
    """With comments, what readers wrote below an article stays; without, it goes."""
    remark = "My grandmother remembered such a month, in the year the bridge was carried off by the river."
    page = ARTICLE.replace("</article>", f'</article><div id="comments" class="comment-list"><p>{remark}</p></div>')
    assert remark in clean(page, comments=True).text
    assert remark not in clean(page).text


def test_text_without_scripts():
    """A page that shows nothing is searched for JSON-LD and for `<noscript>`."""
    document = clean(ALL["json_article"])
    assert "The bridge will be closed" in document.text
    assert document.edits[0].rule == "json-ld"
    assert "The library opens at nine" in clean(ALL["noscript"]).text


@BOTH
def test_output_does_not_depend_on_history(extractor):
    """The same page gives the same document six times over, and pages in any order give the same documents."""
    once = [clean(page, extractor) for page in ALL.values()]
    assert [clean(page, extractor) for page in reversed(ALL.values())] == once[::-1]
    assert all(clean(ARTICLE, extractor) == once[0] for _ in range(6))


LD = '<script type="application/ld+json">'
HOSTILE = {
    "unclosed": "<div><p>one<b>two<i>three<table><tr><td>four",
    "attributes": "<p " + " ".join(f"a{i}=1" for i in range(5_000)) + ">Some text in here.</p>",
    "wide": "<body>" + "<p>word</p>" * 20_000,
    "tables in tables": "<table><tr><td>" * 500 + "inmost",
    "lists": "<ul><li>" * 900 + "inmost",
    "inline": "<b><i><u>" * 600 + "inmost",
    "one line": "<p>" + "word " * 200_000,
    "entities": "&#0;&#xD800;&#x110000;&nosuch;&amp;amp; text" * 100,
    "control characters": "<p>a\x00b\x01c\x0bd\x0ce\ud800f\ufffe g</p>",
    "external entity": '<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><html><p>&e; here</p></html>',
    "xinclude": '<html xmlns:xi="http://www.w3.org/2001/XInclude"><p>x</p><xi:include href="file:///etc/passwd"/></html>',
    "entity bomb": '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><html><p>&b;&b; x</p></html>',
    "xhtml": '<?xml version="1.0" encoding="UTF-16"?><html xmlns="http://www.w3.org/1999/xhtml"><p>Grüße</p></html>',
    "declared charset": '<meta charset="shift_jis"><p>Grüße aus Köln</p>',
    "frames": "<html><frameset><frame src=a><noframes>Your browser has no frames.</noframes></frameset></html>",
    "empty root": '<html lang="en"/><body><p>Text after an empty root.</p></body>',
    "json": '{"not": "html"}',
    "plain": "Just a line of text, no tags.",
    "bad json-ld": LD + '[[[[{"@type": 3, "author": [[1]]}]]]]</script><p>text</p>',
    "json-ld of numbers": LD + '{"@type":["Article"],"headline":7,"author":{"name":{}}}</script><p>text</p>',
    "bad preload": '<div id="data-preloaded" data-preloaded=\'{"topic_1": "[]", "topic_2": 5}\'></div>',
    "bad addresses": '<link rel=canonical href="http://[::1"><base href="//["><meta name="og:url" content="data:0">'
    "<p>t</p>",
}


@BOTH
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name, extractor):
    """A broken or malicious page gives a document or one of the two document errors, in seconds."""
    start = time.process_time()
    try:
        text = clean(HOSTILE[name], extractor).text
    except DocumentError as error:
        assert error.reason
    else:
        assert text.strip()
        assert "root:" not in text
        assert not {"\x00", "\x01", "\x0b", "\x0c", "\ud800"} & set(text)
    assert time.process_time() - start < 10


def test_charset_in_the_page_is_not_believed():
    """The text was decoded before: what the page says of its bytes changes nothing."""
    assert "Grüße aus Köln" in clean(HOSTILE["declared charset"]).text
    assert "Grüße" in clean(HOSTILE["xhtml"]).text


@pytest.mark.parametrize("tags", [2_100, 100_000])
def test_nesting(tags):
    """A page nested too deeply fails and says how deep; below the limit its text is found."""
    with pytest.raises(DocumentFailed, match=r"nested \d+ tags deep.*limits\.nesting"):
        clean("<html><body>" + "<div>" * tags + "x")
    with pytest.raises(DocumentFailed, match="nested 12 tags deep"):
        extract_html(Document("a", "<div>" * 10 + "x", "html"), Extract(), "trafilatura", 5)
    assert "deep down" in clean("<html><body>" + "<div>" * 1_500 + "deep down").text


@pytest.mark.parametrize(
    "page", ["", " \n", "\x00", "<html></html>", "<script>var a = 1;</script>", "<!-- nothing -->"]
)
def test_nothing(page):
    """A page without text is rejected."""
    with pytest.raises(DocumentRejected, match="no text in the page"):
        clean(page)


def test_no_trailing_blanks():
    """No line ends in a blank, and no more than one empty line stands between two."""
    for page in ALL.values():
        text = clean(page).text
        assert text == text.strip()
        assert all(line == line.rstrip() for line in text.splitlines())
        assert "\n\n\n" not in text


TAGS = st.sampled_from(
    [
        "<p>",
        "</p>",
        "<div/class='post'>",
        "</div>",
        "<li>",
        "<ul>",
        "</ul>",
        "<table><tr><td>",
        "<br>",
        "<a/href='x'>",
        "</a>",
        "<pre>",
        "<h1>",
        "<script>",
        "</script>",
        "<noscript>",
        "<!--",
        "-->",
        "&#x0;",
        "<title>",
        "</title>",
        "<html/>",
        "<body>",
        "<time/datetime='2020'>",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(TAGS, st.text(max_size=20)), max_size=60).map("".join))
def test_any_string(page):
    """Any string gives a document or a document error, twice the same."""
    results = []
    for extractor in ("resiliparse", "trafilatura", "trafilatura"):
        try:
            results.append(clean(page, extractor))
        except DocumentError as error:
            results.append(error.reason)
    assert results[1] == results[2]
    for result in results:
        if isinstance(result, Document):
            assert replace(result, edits=()).text == result.text.strip("\n")
