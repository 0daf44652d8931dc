"""What a page says of itself: title, author, date, url, language and site, from one pass over its tree.

Sources, the most deliberate first: JSON-LD (schema.org), `<meta>` (Open Graph, Dublin Core, and what
publishers' own systems write), microdata and `<time>`, then `<h1>` and `<title>`. Dates are never guessed
from the text or from the clock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml.html import HtmlElement

TITLE_KEYS = ("og:title", "twitter:title", "dc.title", "parsely-title", "sailthru.title")
AUTHOR_KEYS = ("author", "article:author", "dc.creator", "byl", "parsely-author", "sailthru.author", "citation_author")
DATE_KEYS = (
    "article:published_time", "og:published_time", "datepublished", "date", "dc.date", "dc.date.issued",
    "dcterms.created", "dcterms.date", "parsely-pub-date", "sailthru.date", "pubdate", "publish-date", "publishdate",
    "publication_date", "article.published", "citation_publication_date", "ptime",
)  # fmt: skip
URL_KEYS = ("og:url", "twitter:url", "al:web:url", "parsely-link")
SITE_KEYS = ("og:site_name", "application-name", "publisher", "dc.publisher", "cre")

# JSON-LD types that stand for the page itself, not for its publisher, its breadcrumbs or a thing it lists.
PAGE_TYPES = frozenset(
    {
        "Article",
        "NewsArticle",
        "BlogPosting",
        "Report",
        "ScholarlyArticle",
        "TechArticle",
        "SocialMediaPosting",
        "LiveBlogPosting",
        "AnalysisNewsArticle",
        "OpinionNewsArticle",
        "ReportageNewsArticle",
        "ReviewNewsArticle",
        "AdvertiserContentArticle",
        "DiscussionForumPosting",
        "QAPage",
        "Product",
        "Recipe",
        "Review",
        "WebPage",
        "ItemPage",
        "FAQPage",
        "AboutPage",
        "CollectionPage",
        "Event",
        "Course",
        "VideoObject",
        "HowTo",
        "Book",
        "Movie",
        "JobPosting",
        "SoftwareApplication",
        "Service",
    }
)
MAX_JSON = 2_000_000  # characters of JSON-LD in one script; the largest seen are 0.5 MB
SAME_TITLE = 0.5  # an h1 with this share of its words in the declared title is that title, as printed
MAX_FIELD = 500  # characters of a title or an author; more is a text that strayed into the field

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"), start=1)
    for name in names.split()
}  # fmt: skip
_ISO = re.compile(r"^\s*(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_COMPACT = re.compile(r"^\s*(\d{4})(\d{2})(\d{2})(?:T?\d{4,6})?Z?\s*$")
_DAY_MONTH = re.compile(r"(?<!\d)(\d{1,2})(?:st|nd|rd|th)?[ .-]+([A-Za-z]{3,9})\.?,?[ -]+(\d{4})(?!\d)")
_MONTH_DAY = re.compile(r"\b([A-Za-z]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?,? +(\d{4})(?!\d)")
_URL_DATE = re.compile(r"/((?:19|20)\d{2})[/-](\d{1,2})[/-](\d{1,2})(?=[/_.-]|$)")

# What stands between a title and the name of its site.
_SEPARATOR = re.compile(r"(?<!\s)\s+(?:[|–—\-·•«»:/~]+\s+|[|»]\s*)|[|»]\s*")
_BY = re.compile(r"^(?:by|von|par|por|door|di)[:\s]\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a page says of itself; None where it says nothing usable.

    `date` is ISO 8601, `language` two or three letters; `types` are the declared types
    (schema.org, Open Graph).
    """

    title: str | None = None
    author: str | None = None
    date: str | None = None
    url: str | None = None
    language: str | None = None
    site: str | None = None
    types: frozenset[str] = frozenset()


def iso_date(text: str) -> str | None:
    """The day that `text` names, as ISO 8601; None unless year, month and day all stand there, unambiguously.

    >>> iso_date("2019-11-19T10:05:00Z"), iso_date("20191119"), iso_date("Nov. 19, 2019"), iso_date("19 November 2019")
    ('2019-11-19', '2019-11-19', '2019-11-19', '2019-11-19')
    >>> iso_date("03/04/2019"), iso_date("2019"), iso_date("yesterday"), iso_date("2019-13-45")
    (None, None, None, None)
    """
    text = text[:200]
    if match := _ISO.match(text) or _COMPACT.match(text):
        year, month, day = (int(group) for group in match.groups())
    elif match := _MONTH_DAY.search(text):
        year, month, day = int(match[3]), _MONTHS.get(match[1].lower(), 0), int(match[2])
    elif match := _DAY_MONTH.search(text):
        year, month, day = int(match[3]), _MONTHS.get(match[2].lower(), 0), int(match[1])
    else:
        return None
    try:
        return date(year, month, day).isoformat() if year >= 1600 else None
    except ValueError:
        return None


def read_metadata(tree: HtmlElement, url: str | None = None) -> Metadata:
    """What the page at `tree` says of itself; `url` is where it is known to come from."""
    metas, scripts, times, headings = _collect(tree)
    nodes = [node for script in scripts for node in _json_ld(script)]
    pages = [node for node in nodes if _types(node) & PAGE_TYPES]
    address = url or _address(tree, metas, pages)
    site_name = _first(metas, SITE_KEYS) or _named(nodes, ("WebSite",))
    return Metadata(
        title=_title(tree, metas, pages, headings, site_name),
        author=_author(tree, metas, pages),
        date=_date(metas, pages, times, address),
        url=address,
        language=_language(tree, metas, pages),
        site=_host(address) or site_name,
        types=frozenset(kind for node in nodes for kind in _types(node)) | frozenset(metas.get("og:type", ())),
    )


def json_ld_nodes(tree: HtmlElement) -> list[dict[str, Any]]:
    """The JSON-LD objects on the page, in its order."""
    scripts = (script for script in tree.iter("script") if "ld+json" in script.get("type", "") and script.text)
    return [node for script in scripts if len(script.text) <= MAX_JSON for node in _json_ld(script.text)]


def _collect(tree: HtmlElement) -> tuple[dict[str, list[str]], list[str], list[HtmlElement], list[HtmlElement]]:
    """(contents of the meta tags by lower-case key, JSON-LD scripts, time tags, h1 tags), in the page's order."""
    metas: dict[str, list[str]] = {}
    scripts, times, headings = [], [], []
    for element in tree.iter("meta", "script", "time", "h1"):
        if element.tag == "meta":
            content = element.get("content", "").strip()
            for name in ("property", "name", "itemprop", "http-equiv"):
                if content and (key := element.get(name)):
                    metas.setdefault(key.strip().lower(), []).append(content)
        elif element.tag == "script":
            if "ld+json" in element.get("type", "") and element.text and len(element.text) <= MAX_JSON:
                scripts.append(element.text)
        elif element.tag == "time":
            times.append(element)
        else:
            headings.append(element)
    return metas, scripts, times, headings


def _json_ld(script: str) -> list[dict[str, Any]]:
    """The objects in one JSON-LD script, down through `@graph` and `mainEntity`; none if it is not JSON."""
    text = (
        script.strip()
        .removeprefix("<!--")
        .removesuffix("-->")
        .strip()
        .removeprefix("//<![CDATA[")
        .removesuffix("//]]>")
    )
    try:
        waiting = [json.loads(text, strict=False)]
    except (ValueError, RecursionError):
        return []
    found: list[dict[str, Any]] = []
    while waiting and len(found) < 1_000:
        node = waiting.pop(0)
        if isinstance(node, list):
            waiting[:0] = node
        elif isinstance(node, dict):
            found.append(node)
            waiting.extend(node[key] for key in ("@graph", "mainEntity", "mainEntityOfPage") if key in node)
    return found


def _types(node: Mapping[str, Any]) -> set[str]:
    """The schema.org types of a JSON-LD object, without the vocabulary's address."""
    kinds = node.get("@type")
    listed = kinds if isinstance(kinds, list) else [kinds]
    return {kind.rsplit("/", 1)[-1] for kind in listed if isinstance(kind, str)}


def _strings(value: Any, keys: tuple[str, ...] = ("name",)) -> Iterator[str]:
    """The texts in a JSON-LD value: itself, its elements, or an object's `keys`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for element in value[:20]:
            yield from _strings(element, keys) if not isinstance(element, list) else ()
    elif isinstance(value, dict):
        for key in keys:
            if isinstance(value.get(key), (str, list)):
                yield from _strings(value[key], ())


def _named(nodes: list[dict[str, Any]], types: tuple[str, ...]) -> str | None:
    """The name of the first JSON-LD object of one of `types`."""
    names = (name for node in nodes if _types(node) & set(types) for name in _strings(node.get("name")))
    return next((tidy for name in names if (tidy := _tidy(name))), None)


def _tidy(text: str | None) -> str | None:
    """A field's text without entities, tags and double blanks; None if nothing or far too much is left."""
    if not text:
        return None
    if "&" in text:
        text = _unescape(text)
    text = " ".join(re.sub(r"<[^<>]{1,200}>", " ", text).split())
    return text if text and len(text) <= MAX_FIELD else None


def _unescape(text: str) -> str:
    from html import unescape

    return unescape(text)


def _first(metas: Mapping[str, list[str]], keys: tuple[str, ...]) -> str | None:
    """The first usable content among the meta tags named `keys`, in the order of `keys`."""
    return next((tidy for key in keys for content in metas.get(key, ()) if (tidy := _tidy(content))), None)


def _title(
    tree: HtmlElement,
    metas: Mapping[str, list[str]],
    pages: list[dict[str, Any]],
    headings: list[HtmlElement],
    site_name: str | None,
) -> str | None:
    """The page's title, as it is printed on the page if it is: the h1 that says what the page declares.

    Declared is a headline in JSON-LD, a title in the meta tags or `<title>`, without the site's name. What is
    declared may be written for search engines, and a lone h1 may be the site's name, so one needs the other.
    """
    element = next(tree.iter("title"), None)
    texts = [*(text for node in pages for text in _strings(node.get("headline"))), _first(metas, TITLE_KEYS)]
    texts.append(element.text_content() if element is not None else None)
    declared = next((_without_site(tidy, site_name) for text in texts if (tidy := _tidy(text))), None)
    shown = [tidy for heading in headings if (tidy := _tidy(heading.text_content()))]
    if declared is None:
        return shown[0] if shown else None
    wanted = _word_set(declared)
    alike = [(_share(_word_set(text), wanted), -number, text) for number, text in enumerate(shown) if text != site_name]
    _, _, printed = max(alike, default=(0.0, 0, declared))
    words = _word_set(printed)
    return printed if len(words & wanted) >= SAME_TITLE * len(words) else declared


def _word_set(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def _share(some: frozenset[str], others: frozenset[str]) -> float:
    """Jaccard similarity of two sets of words."""
    return len(some & others) / max(len(some | others), 1)


def _without_site(title: str, site_name: str | None) -> str:
    """`title` without the site's name in front or behind.

    >>> _without_site("Rain in May - The Daily Post", "The Daily Post")
    'Rain in May'
    >>> _without_site("Spider-Man - a review", "The Daily Post")
    'Spider-Man - a review'
    """
    for separator in _SEPARATOR.finditer(title) if site_name else ():
        head, tail = title[: separator.start()], title[separator.end() :]
        for name, rest in ((tail, head), (head, tail)):
            if rest and name.lower() == str(site_name).lower():
                return rest
    return title


def _author(tree: HtmlElement, metas: Mapping[str, list[str]], pages: list[dict[str, Any]]) -> str | None:
    """Who wrote the page, several separated by "; "."""
    names = [name for node in pages for name in _strings(node.get("author"))]
    names = names or [name for key in AUTHOR_KEYS for name in metas.get(key, ())]
    if not names:
        marked = tree.xpath(
            "//*[@itemprop='author' or @rel='author' or contains(concat(' ', @class, ' '), ' byline ')]"
        )
        names = [element.text_content() for element in marked[:3]]
    kept: dict[str, None] = {}
    for name in names:
        tidy = _tidy(name)
        if tidy and (plain := _BY.sub("", tidy)) and len(plain) <= 120 and "://" not in plain and "@" not in plain:
            kept.setdefault(plain)
    return "; ".join(kept) or None


def _date(
    metas: Mapping[str, list[str]], pages: list[dict[str, Any]], times: list[HtmlElement], url: str | None
) -> str | None:
    """The day the page was published; else the day it was changed, as far as it says so."""
    texts: list[str] = [text for node in pages for text in _strings(node.get("datePublished"))]
    texts += [text for key in DATE_KEYS for text in metas.get(key, ())]
    marked = [
        element for element in times if element.get("itemprop") == "datePublished" or element.get("pubdate") is not None
    ]
    texts += [element.get("datetime") or element.text_content() for element in marked]
    texts += [text for node in pages for key in ("uploadDate", "dateCreated") for text in _strings(node.get(key))]
    if url and (match := _URL_DATE.search(url)):
        texts.append("-".join(match.groups()))
    # Several unmarked times are a thread or a list of teasers: the first of them need not be this page's.
    if len(times) == 1 and (moment := times[0].get("datetime")):
        texts.append(moment)
    texts += [text for node in pages for text in _strings(node.get("dateModified"))]
    texts += [text for key in ("article:modified_time", "last-modified") for text in metas.get(key, ())]
    return next((day for text in texts if (day := iso_date(text))), None)


def _address(tree: HtmlElement, metas: Mapping[str, list[str]], pages: list[dict[str, Any]]) -> str | None:
    """The page's own address: canonical link, Open Graph, JSON-LD; absolute, http or https."""
    links = [link.get("href") for link in tree.iter("link") if "canonical" in link.get("rel", "").lower().split()]
    base = next((element.get("href") for element in tree.iter("base") if element.get("href")), None)
    candidates = [*links, *(text for key in URL_KEYS for text in metas.get(key, ()))]
    candidates += [text for node in pages for text in _strings(node.get("url"), ("@id",))]
    for candidate in candidates:
        try:
            absolute: str = urljoin(base or "", (candidate or "").strip())
            parts = urlsplit(absolute)
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and "." in (parts.hostname or "") and not re.search(r"\s", absolute):
            return absolute
    return None


def _language(tree: HtmlElement, metas: Mapping[str, list[str]], pages: list[dict[str, Any]]) -> str | None:
    """The language the page declares: two or three letters, without the region."""
    root = tree.getroottree().getroot()
    declared = [root.get("lang"), root.get("{http://www.w3.org/XML/1998/namespace}lang"), root.get("xml:lang")]
    declared += [text for node in pages for text in _strings(node.get("inLanguage"))]
    declared += [
        text for key in ("content-language", "language", "dc.language", "og:locale") for text in metas.get(key, ())
    ]
    for text in declared:
        if text and (match := re.match(r"\s*([A-Za-z]{2,3})(?=[-_,;\s]|$)", text)):
            return match[1].lower()
    return None


def _host(url: str | None) -> str | None:
    """The host of an address, without `www.`."""
    try:
        host = urlsplit(url).hostname if url else None
    except ValueError:
        return None
    return host.removeprefix("www.") if host else None
