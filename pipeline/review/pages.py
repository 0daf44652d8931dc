"""What each page of the review app shows: from a request and the published corpus to a template and its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from starlette.requests import Request

from pipeline.document import Edit, undo
from pipeline.report.clusters import describe_member
from pipeline.report.examples import in_context
from pipeline.report.page import answers, pictures_of, recall_sentence, verdict
from pipeline.report.risk import reasons
from pipeline.report.tables import Rows
from pipeline.report.times import time_rows
from pipeline.review.deciding import about_document
from pipeline.review.published import Published
from pipeline.review.sides import beside

if TYPE_CHECKING:
    from pipeline.review.app import Context

Made = tuple[str, dict[str, Any]] | None
PER_PAGE = 50
CLUSTERS_PER_PAGE = 25
EDITS_PER_PAGE = 40
SHOWN_TEXT = 100_000  # characters of a document on its page
MEMBERS_PER_PAGE = 20


@dataclass(frozen=True)
class Slice:
    """One page of a list: `rows` of `total`, page `number` of `pages`, counted from 1."""

    rows: Any
    number: int
    pages: int
    total: int


def cut(rows: Any, request: Request, per_page: int = PER_PAGE) -> Slice:
    """The page of `rows` that the request asks for; a page that is not there gives the nearest."""
    asked = request.query_params.get("page", "1")
    pages = max(1, -(-len(rows) // per_page))
    number = min(max(1, int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 13 else 1), pages)
    return Slice(rows[(number - 1) * per_page : number * per_page], number, pages, len(rows))


def query(request: Request, *names: str) -> dict[str, str]:
    """Some parameters of the query, empty where they are not given."""
    return {name: request.query_params.get(name, "")[:500] for name in names}


def overview(_request: Request, published: Published, context: Context) -> Made:
    """What the run did, and what waits for the next one."""
    report = published.report
    told = context.told(published)
    return "overview.html.j2", {
        "r": report,
        "verdict": verdict(report),
        "answers": answers(report),
        "recall": recall_sentence(report),
        "pictures": pictures_of(report),
        "times": time_rows(context.times()),
        "pending": [one for one in told if "pending" in one.state],
    }


def clusters(request: Request, published: Published, _context: Context) -> Made:
    """Clusters, riskiest first, by relation, site and words."""
    asked = query(request, "relation", "site", "q")
    found = cut(published.find_clusters(asked["relation"], asked["site"], asked["q"]), request, CLUSTERS_PER_PAGE)
    ranking = published.ranking
    first = ranking.members[ranking.first[found.rows]]
    proofs = published.short_proofs(first)
    kept = _rows_by_name(published, [ranking.canonical[place] for place in found.rows])
    dropped = _rows_by_name(published, [proof["source"] for proof in proofs])
    cards = []
    for place, proof, row in zip(found.rows.tolist(), proofs, first.tolist(), strict=True):
        keeper = kept[ranking.canonical[place]]
        member = describe_member(proof, dropped[proof["source"]], keeper, float(ranking.member_risk[row]))
        cards.append(
            {
                "kept": keeper,
                "risk": float(ranking.risk[place]),
                "size": int(ranking.size[place]),
                "member": member,
                "reasons": reasons(member, int(ranking.size[place]), published.limits),
            }
        )
    return "clusters.html.j2", {"found": found, "cards": cards, "asked": asked, "sites": _names(published.sites)}


def _rows_by_name(published: Published, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    rows = published.sources.rows(pa.array(names, pa.string()))
    return {name: {**row, "source": name} for name, row in zip(names, published.listed_rows(rows), strict=True)}


def _names(values: Sequence[Any]) -> list[str]:
    return [str(value) for value in values if value]


def cluster(request: Request, published: Published, context: Context) -> Made:
    """One cluster: the kept document, every dropped one with its evidence, one of them side by side."""
    asked = query(request, "source", "member")
    ranking, place = published.ranking, published.cluster_place.get(asked["source"])
    if place is None:
        return None
    rows: Rows = ranking.members[ranking.first[place] : ranking.first[place + 1]]
    found = cut(rows, request, MEMBERS_PER_PAGE)
    proofs = published.short_proofs(found.rows)
    about = _rows_by_name(published, [asked["source"], *(proof["source"] for proof in proofs)])
    keeper = about[asked["source"]]
    told = context.told(published)
    members = []
    for proof, row in zip(proofs, found.rows.tolist(), strict=True):
        member = describe_member(proof, about[proof["source"]], keeper, float(ranking.member_risk[row]))
        member["reasons"] = reasons(member, int(ranking.size[place]), published.limits)
        member["decisions"] = about_document(told, member["source"])
        members.append(member)
    shown = asked["member"] or (members[0]["source"] if members else "")
    chosen = next((member for member in members if member["source"] == shown), None)
    return "cluster.html.j2", {
        "kept": keeper,
        "kept_decisions": about_document(told, asked["source"]),
        "size": int(ranking.size[place]),
        "risk": float(ranking.risk[place]),
        "found": found,
        "members": members,
        "chosen": chosen,
        "beside": beside(published, chosen["source"], asked["source"]) if chosen else None,
        "asked": asked,
        "neighbours": [
            ranking.canonical[n] if 0 <= n < len(ranking.canonical) else None for n in (place - 1, place + 1)
        ],
    }


def documents(request: Request, published: Published, _context: Context) -> Made:
    """All documents, by status, site, language and words in their names."""
    asked = query(request, "status", "site", "language", "q")
    found = cut(published.find(asked["status"], asked["site"], asked["language"], asked["q"]), request)
    return "documents.html.j2", {
        "found": found,
        "rows": published.listed_rows(found.rows),
        "asked": asked,
        "sites": _names(published.sites),
        "languages": _names(published.languages),
    }


def document(request: Request, published: Published, context: Context) -> Made:
    """One document: what it is, what became of it and why, every change in context."""
    source = request.query_params.get("source", "")
    about = published.document(source)
    if about is None:
        return None
    text, edits = published.text(source), published.edits_of(source)
    found = cut(edits, request, EDITS_PER_PAGE)
    return "document.html.j2", {
        "about": about,
        "proof": published.proof(source),
        "text": None if text is None else text[:SHOWN_TEXT],
        "cut": text is not None and len(text) > SHOWN_TEXT,
        "found": found,
        "changes": changes_in_context(text, edits, found.rows),
        "decisions": about_document(context.told(published), source),
        "asked": {"source": source},
    }


def changes_in_context(final: str | None, edits: Sequence[Edit], shown: Sequence[Edit]) -> list[dict[str, Any]]:
    """The `shown` edits of a document, each with the text around it as its stage saw it."""
    before: dict[int, str] = {}
    if final is not None:
        text = final
        try:
            for step in sorted({edit.step for edit in edits}, reverse=True):
                text = undo(text, [edit for edit in edits if edit.step == step])
                before[step] = text
        except ValueError:
            before = {}
    changes = []
    for edit in shown:
        context = in_context(edit, before.get(edit.step), ())
        place = {"stage": edit.stage, "rule": edit.rule, "step": edit.step, "start": edit.start, "line": edit.before}
        changes.append({**place, **context, "whole_line": _is_line(edit, context["left"], context["right"])})
    return changes


def _is_line(edit: Edit, left: str, right: str) -> bool:
    """Whether an edit took out whole lines, which a person can decide about, or something within one."""
    starts = not left or left.endswith("\n") or edit.before.startswith("\n")
    ends = not right or right.startswith("\n") or edit.before.endswith("\n")
    return edit.action == "removed" and starts and ends


def related(request: Request, published: Published, _context: Context) -> Made:
    """Pairs that nearly qualified and were kept, the most alike first; one of them side by side."""
    asked = query(request, "a", "b", "q")
    found = cut(published.find_related(asked["q"]), request)
    chosen = None
    if asked["a"] and asked["b"]:
        chosen = {"source": asked["a"], "other": asked["b"]}
        if published.document(asked["a"]) is None or published.document(asked["b"]) is None:
            return None
    return "related.html.j2", {
        "found": found,
        "pairs": published.related.take(found.rows),
        "asked": asked,
        "chosen": chosen,
        "beside": beside(published, asked["a"], asked["b"]) if chosen else None,
    }


def removed(_request: Request, published: Published, _context: Context) -> Made:
    """Every rule with what it took."""
    return "removed.html.j2", {"r": published.report}


def rule(request: Request, published: Published, _context: Context) -> Made:
    """Every edit that one rule made, in the order of the documents."""
    asked = query(request, "rule")
    if asked["rule"] not in published.edit_rules[1]:
        return None
    found = cut(published.find_edits(asked["rule"]), request, EDITS_PER_PAGE)
    return "rule.html.j2", {"found": found, "edits": published.edits.take(found.rows), "asked": asked}


def learned(request: Request, published: Published, _context: Context) -> Made:
    """Lines taken for boilerplate because they recur, the commonest first."""
    table = published.learned.columns(["site", "line", "documents", "example_source"])
    table = table.sort_by([("documents", "descending"), ("site", "ascending"), ("line", "ascending")])
    found = cut(table, request)
    return "learned.html.j2", {"found": found, "rows": found.rows.to_pylist(), "asked": {}}


def decisions(request: Request, published: Published, context: Context) -> Made:
    """Every decision, the latest first, with what became of it."""
    from pipeline.decisions import FILE_NAME, read_decisions

    found = cut(context.told(published), request)
    problems = read_decisions(context.clean / FILE_NAME).problems
    return "decisions.html.j2", {"found": found, "problems": problems, "asked": {}}


PAGES: Mapping[str, Any] = {
    "/": overview,
    "/clusters": clusters,
    "/cluster": cluster,
    "/documents": documents,
    "/document": document,
    "/related": related,
    "/removed": removed,
    "/rule": rule,
    "/learned": learned,
    "/decisions": decisions,
}
