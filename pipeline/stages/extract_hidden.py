"""Text that a page shows only when its scripts run: forum threads and articles carried as JSON, `<noscript>` copies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from lxml.html import HtmlElement

from pipeline.stages.extract_metadata import json_ld_nodes

MAX_JSON = 20_000_000  # characters of one embedded JSON value


def hidden_html(tree: HtmlElement) -> tuple[str, str] | None:
    """The content that a page carries as JSON, as HTML, and where it was: "forum" or "json-ld"; None if there is none.

    Discourse keeps a thread's posts in the attribute `data-preloaded`; schema.org has `articleBody`, `text`
    and `description`.
    """
    posts = "".join(_discourse_posts(tree))
    if posts:
        return f"<html><body>{posts}</body></html>", "forum"
    texts = list(dict.fromkeys(_bodies(tree)))
    if texts:
        paragraphs = "".join(f"<div>{text if _marked_up(text) else _paragraphs(text)}</div>" for text in texts)
        return f"<html><body>{paragraphs}</body></html>", "json-ld"
    return None


def _discourse_posts(tree: HtmlElement) -> Iterator[str]:
    """Each post of a Discourse thread, in its order: who, when, and the post as its server rendered it."""
    for element in tree.iter("div", "meta", "script"):
        stored = element.get("data-preloaded") if element.get("id") == "data-preloaded" else None
        if not stored or len(stored) > MAX_JSON:
            continue
        for key, value in _loads(stored).items():
            if key.startswith("topic_") and isinstance(value, str):
                stream = _loads(value).get("post_stream")
                posts = stream.get("posts") if isinstance(stream, dict) else None
                for post in posts if isinstance(posts, list) else ():
                    if isinstance(post, dict) and isinstance(post.get("cooked"), str):
                        who = escape(str(post.get("username") or ""))
                        when = escape(str(post.get("created_at") or "")[:10])
                        yield f"<article><p>{who}</p><p>{when}</p><div>{post['cooked']}</div></article>"


def _loads(text: str) -> dict[str, Any]:
    """The JSON object in `text`; an empty one if it holds anything else."""
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _bodies(tree: HtmlElement) -> Iterator[str]:
    """The texts of the page's JSON-LD objects, whole bodies before descriptions."""
    nodes = json_ld_nodes(tree)
    for keys in (("articleBody", "text", "reviewBody"), ("description",)):
        found = [node[key] for node in nodes for key in keys if isinstance(node.get(key), str) and node[key].strip()]
        if found:
            yield from found
            return


def _marked_up(text: str) -> bool:
    """Whether a JSON value is HTML rather than plain text."""
    return "</" in text or "<br" in text or "<p>" in text


def _paragraphs(text: str) -> str:
    """Plain text as HTML, a paragraph a line."""
    return "".join(f"<p>{escape(line)}</p>" for line in text.splitlines() if line.strip())
