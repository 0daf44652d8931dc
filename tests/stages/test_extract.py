from __future__ import annotations

import pytest

from pipeline.config import Extract
from pipeline.document import Document
from pipeline.errors import DocumentFailed, DocumentRejected
from pipeline.stages.extract import extract_html

ARTICLE = """<!DOCTYPE html><html lang="en-GB"><head><title>Rain in May - The Daily Post</title>
<meta property="og:site_name" content="The Daily Post"><meta name="author" content="By Ann Lee">
<meta property="article:published_time" content="2021-05-03T10:00:00+01:00">
<link rel="canonical" href="https://www.dailypost.example/2021/rain"></head><body>
<nav><a href="/">Home</a> <a href="/news">News</a></nav><article><h1>Rain in May</h1>
<p>It rained on every single day of the month, the weather office said on Monday, and nobody in the valley could recall a
wetter spring than this one.</p><p>Farmers welcomed the water, as the reservoirs had been empty since the last summer and
the wells had run dry in several villages.</p></article><footer>Copyright 2021 The Daily Post</footer></body></html>"""


def test_article():
    """An article keeps its paragraphs and loses navigation, footer and the headline, which becomes a field."""
    document = extract_html(Document("a.html", ARTICLE, "html"), Extract(), "trafilatura")
    assert document.kind == "markdown"
    assert document.text.startswith("It rained on every single day")
    assert "Copyright" not in document.text and "Home" not in document.text
    assert document.title == "Rain in May"
    assert document.author == "Ann Lee"
    assert document.date == "2021-05-03"
    assert document.url == "https://www.dailypost.example/2021/rain"
    assert (document.language, document.site) == ("en", "dailypost.example")


def test_other_kinds():
    """A document that is not HTML is the same object."""
    document = Document("a.txt", "<p>not markup</p>", "text")
    assert extract_html(document, Extract(), "trafilatura") is document


def test_nesting():
    """A page nested too deeply fails with its depth."""
    page = "<html><body>" + "<div>" * 100_000 + "x"
    with pytest.raises(DocumentFailed, match="tags deep"):
        extract_html(Document("a.html", page, "html"), Extract(), "trafilatura")


@pytest.mark.parametrize("page", ["", " \n", "\x00", "<html></html>", "<script>var a = 1;</script>"])
def test_nothing(page):
    """A page without text is rejected."""
    with pytest.raises(DocumentRejected, match="no text"):
        extract_html(Document("a.html", page, "html"), Extract(), "trafilatura")
