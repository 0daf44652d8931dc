"""report.html: one self-contained page, made from the report and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.report import pictures
from pipeline.report.display import csp_hash, many, number, percent, script_json, visible_all
from pipeline.terminal import visible

TEMPLATES = Path(__file__).parent / "templates"
EMBEDDED = ("clusters", "related", "removed", "unusable", "learned")  # what the page's script shows


@cache
def environment() -> Environment:
    """The Jinja environment of report.html: everything escaped, an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"number": number, "visible": visible}
    made.globals |= {"percent": percent, "bar": pictures.bar}
    return made


def render_page(report: Mapping[str, Any]) -> str:
    """The page. Nothing in it depends on anything but `report`."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    shown = visible_all(report)
    policy = (
        f"default-src 'none'; script-src {csp_hash(script)}; style-src {csp_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            r=shown,
            style=style,
            script=script,
            policy=policy,
            data=script_json({name: shown[name] for name in EMBEDDED} | {"thresholds": shown["thresholds"]}),
            answers=answers(shown),
            verdict=verdict(shown),
            recall=recall_sentence(shown),
            pictures=pictures_of(shown),
        )
    )


def pictures_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """The SVG pictures by name."""
    found, limits = report["similarities"], report["thresholds"]
    near, overlap = found["jaccard"], found["coverage"]
    return {
        "flow": pictures.flow(report["documents"]),
        "flow_narrow": pictures.flow(report["documents"], narrow=True),
        "near": pictures.similarity(near["merged"], near["kept"], {"threshold": limits["jaccard"]}, "Jaccard", "near"),
        "overlap": pictures.similarity(
            overlap["merged"],
            overlap["kept"],
            {"retold, both ways": limits["coverage"], "contained": limits["contained"]},
            "Coverage",
            "overlap",
        ),
    }


def verdict(report: Mapping[str, Any]) -> str:
    """The run in one or two sentences."""
    documents = report["documents"]
    said = f"{many(documents['in'], 'document').capitalize()} came in and {number(documents['kept'])} are kept."
    gone = [
        f"{number(documents['duplicate'])} duplicate{'s' * (documents['duplicate'] != 1)} of a kept document"
        if documents["duplicate"]
        else "",
        f"{number(documents['rejected'])} rejected" if documents["rejected"] else "",
        f"{number(documents['failed'])} failed" if documents["failed"] else "",
    ]
    told = [part for part in gone if part]
    return f"{said} The rest: {', '.join(told)}." if told else said


def answers(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """The three questions a person opens the report with, answered in words, with where to look."""
    return [_thrown_away(report), _doubtful(report), _stripped(report)]


def _thrown_away(report: Mapping[str, Any]) -> dict[str, str]:
    merging, documents = report["merging"], report["documents"]
    if not merging["sentences_lost"]:
        text = "No sentence was lost to merging: whatever a dropped document says, the kept one says too."
    else:
        text = (
            f"{many(merging['documents_losing_sentences'], 'dropped document').capitalize()} held "
            f"{many(merging['sentences_lost'], 'sentence')} that the kept one lacks; "
            f"{number(merging['documents_losing_numbers'])} of them a number, "
            f"{number(merging['documents_losing_names'])} a name."
        )
    if documents["failed"] or documents["rejected"]:
        text += f" {many(documents['failed'] + documents['rejected'], 'document').capitalize()} could not be used."
    level = "look" if merging["sentences_lost"] or documents["failed"] else "good"
    return {"question": "Was anything I need thrown away?", "text": text, "to": "#clusters", "level": level}


def _doubtful(report: Mapping[str, Any]) -> dict[str, str]:
    merging = report["merging"]
    if not merging["clusters"]:
        text, level = "Nothing was merged.", "good"
    elif merging["risky"]:
        text, level = (
            f"{many(merging['risky'], 'cluster').capitalize()} of {number(merging['clusters'])} "
            f"deserve{'s' * (merging['risky'] == 1)} a look: a number or a name differs, or the evidence is thin.",
            "look",
        )
    else:
        text, level = f"None of the {number(merging['clusters'])} clusters stands out.", "good"
    return {"question": "Which merges are doubtful?", "text": text, "to": "#clusters", "level": level}


def _stripped(report: Mapping[str, Any]) -> dict[str, str]:
    removed, rules = report["removed"], report["removed"]["by_rule"]
    if not removed["characters"] or not rules:
        text = "Cleaning took nothing out."
    else:
        top = rules[0]
        text = (
            f"{top['stage']} / {top['rule']} took {percent(top['removed'], removed['characters'])} of all that "
            f"cleaning removed, from {many(top['documents'], 'document')}. "
            f"In all, {number(removed['characters'])} characters went."
        )
    return {"question": "What was stripped most?", "text": text, "to": "#removed", "level": "plain"}


def recall_sentence(report: Mapping[str, Any]) -> str:
    """Expected recall in one plain sentence."""
    recall = report["recall"]
    if not recall:
        return "Duplicates were not looked for."
    threshold = report["thresholds"]["jaccard"]
    at = recall["expected"]
    told = [
        f"{percent(float(p), 1)} of pairs with Jaccard {jaccard}"
        for jaccard, p in sorted(at.items())
        if jaccard != "threshold"
    ]
    return (
        f"With {recall['bands']} bands of {recall['rows']} rows, near-duplicate search is expected to find "
        f"{', '.join(told[:-1])} and {told[-1]}; every pair it finds is then checked exactly against {threshold:g}."
        if len(told) > 1
        else f"Near-duplicate search is expected to find {''.join(told)}."
    )
