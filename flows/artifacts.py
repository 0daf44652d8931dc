"""What people see of a run in Prefect: progress, the summary, the riskiest clusters, what could not be used, links.

Keys are stable for each CLEAN, so that the UI shows how a corpus changes from run to run. Artifacts are small: the
server refuses events of more than some hundred kilobytes, and report.html has the rest.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.logging import get_run_logger

from pipeline.console import SAID
from pipeline.report.display import many
from pipeline.run.corpus import PASSES
from pipeline.terminal import visible

ROWS = 50  # of a table artifact
CELL = 200  # characters of a table's cell
UPDATE_SECONDS = 5.0  # between two updates of the progress artifact: each is a request to the server
# How much of a run each pass takes, on text; only for the bar.
SHARES = {"clean": 0.55, "learn": 0.02, "finish": 0.05, "match": 0.15, "write": 0.13, "report": 0.05, "publish": 0.05}


def artifact_key(clean: str, what: str) -> str:
    """The key of an artifact of this CLEAN: small letters, digits and dashes, as Prefect wants them.

    >>> artifact_key("s3://bucket/News clean/", "summary")
    'clean-corpus-s3-bucket-news-clean-summary'
    """
    name = re.sub(r"[^a-z0-9]+", "-", clean.lower()).strip("-")
    return "-".join(part for part in ("clean-corpus", name, what) if part)


class FlowProgress:
    """Progress (`pipeline.progress.Progress`) as log lines and a progress artifact of the flow run."""

    def __init__(self, clean: str) -> None:
        self._logger = get_run_logger()
        self._artifact = cast("UUID", create_progress_artifact(0.0, artifact_key(clean, "progress"), "Starting"))
        self._updated = time.monotonic()
        self._done = 0.0

    def begin(self, step: str, total: int | None = None) -> None:  # noqa: ARG002 - no bar of its own
        """A line in the log."""
        self._logger.info("%s …", SAID.get(step, step))

    def advance(self, step: str, done: int, total: int | None = None) -> None:
        """Moves the bar, every few seconds at most."""
        if time.monotonic() - self._updated < UPDATE_SECONDS:
            return
        share = SHARES.get(step, 0.0) * (min(1.0, done / total) if total else 0.5)
        self._logger.info("%s: %s documents", SAID.get(step, step), f"{done:,}")
        self._show(self._done + share, f"{SAID.get(step, step)}: {done:,} documents")

    def end(self, step: str, seconds: float) -> None:
        """A line in the log with the seconds it took; the bar moves on."""
        self._logger.info("%s: %.1f s", SAID.get(step, step), seconds)
        self._done += SHARES.get(step, 0.0)
        if step == PASSES[-1] or time.monotonic() - self._updated >= UPDATE_SECONDS:
            self._show(1.0 if step == PASSES[-1] else self._done, SAID.get(step, step))

    def note(self, text: str) -> None:
        """A line in the log."""
        self._logger.info(visible(text))

    def _show(self, share: float, text: str) -> None:
        self._updated = time.monotonic()
        update_progress_artifact(self._artifact, round(100 * min(share, 1.0), 1), text)


def cell(value: Any) -> str:
    r"""A value as it stands in a table: one line, nothing that a browser or terminal obeys, not too long.

    >>> cell(["30", "31"]), cell("a|b\nc"), cell(None)
    ('30, 31', 'a¦b c', '')
    """
    if value is None:
        return ""
    text = ", ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else str(value)
    text = " ".join(visible(text).split()).replace("|", "¦").replace("<", "‹").replace("`", "'")
    return text if len(text) <= CELL else text[: CELL - 1] + "…"


def summary_markdown(report: Mapping[str, Any], place: str) -> str:
    """The report's figures as Markdown. `place` says where the report itself is."""
    counts, characters, merging = report["documents"], report["characters"], report["merging"]
    duplicates = ", ".join(f"{count:,} {name}" for name, count in counts["duplicates"].items() if count)
    rows = [
        ("documents in", f"{counts['in']:,}", ""),
        ("kept", f"{counts['kept']:,}", ""),
        ("duplicate", f"{counts['duplicate']:,}", duplicates),
        ("rejected", f"{counts['rejected']:,}", ""),
        ("failed", f"{counts['failed']:,}", ""),
        ("characters in", f"{characters['in']:,}", ""),
        ("characters kept", f"{characters['kept']:,}", ""),
        ("clusters", f"{merging['clusters']:,}", f"{merging['risky']:,} to look at first"),
        ("duplicates with numbers of their own", f"{merging['documents_losing_numbers']:,}", ""),
        ("duplicates with names of their own", f"{merging['documents_losing_names']:,}", ""),
    ]
    lines = ["| | | |", "| --- | ---: | --- |", *(f"| {name} | {count} | {more} |" for name, count, more in rows)]
    changes = report.get("changes")
    if changes:
        told = ", ".join(f"{len(v) if isinstance(v, list) else v} {k.replace('_', ' ')}" for k, v in _counted(changes))
        lines += ["", f"Since the last run: {told or 'no change'}."]
    if counts["failed"]:
        lines += ["", f"**Warning:** {many(counts['failed'], 'document')} failed; the others are unaffected."]
    lines += ["", f"Report: `{cell(place)}`"]
    return "\n".join(lines)


def _counted(changes: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What changed, without what did not: `[("added", 3)]`."""
    found = []
    for name, value in changes.items():
        count = value.get("count", 0) if isinstance(value, dict) else len(value) if isinstance(value, list) else value
        if isinstance(count, int) and count:
            found.append((name, count))
    return found


def risky_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The riskiest clusters: what was dropped for what, and what of it would be lost."""
    pairs = [(cluster["kept"], member) for cluster in report["clusters"] for member in cluster["members"][:3]]
    return [
        {
            "risk": member["risk"],
            "dropped": cell(member["source"]),
            "kept": cell(kept["source"]),
            "numbers lost": cell(member["lost_numbers"]),
            "names lost": cell(member["lost_names"]),
            "sentences lost": member["lost_sentence_count"],
            "relation": member["relation"],
            "jaccard": member["jaccard"],
            "coverage": member["coverage"],
        }
        for kept, member in pairs[:ROWS]
    ]


def unusable_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Failed and rejected documents, with the reasons."""
    listed = report["unusable"]["documents"][:ROWS]
    return [{"source": cell(r["source"]), "status": r["status"], "reason": cell(r["reason"])} for r in listed]


def publish_artifacts(report: Mapping[str, Any], clean: str, proposal: Path | None = None) -> None:
    """Puts the summary, the tables and the links of a run into Prefect; of a proposal, where one is named."""
    place = place_of(clean, proposal)
    about = f"A proposal for {clean}" if proposal else f"The corpus in {clean}"
    create_markdown_artifact(summary_markdown(report, f"{place}/report.html"), artifact_key(clean, "summary"), about)
    create_table_artifact(risky_rows(report), artifact_key(clean, "riskiest"), "Merged, and what would be lost")
    create_table_artifact(unusable_rows(report), artifact_key(clean, "unusable"), "Failed and rejected documents")
    for name in ("report.html", "manifest.parquet"):
        key = artifact_key(clean, name.partition(".")[0])
        create_link_artifact(link(f"{place}/{name}"), name, key, f"{about}: {name}")


def place_of(clean: str, proposal: Path | None) -> str:
    """Where the report is."""
    if proposal is not None:
        return str(proposal)
    return clean.rstrip("/") if "://" in clean else str(Path(clean).resolve())


def link(place: str) -> str:
    """An address for a browser. Files open on the machine that holds them.

    >>> link("s3://bucket/clean/report.html")
    's3://bucket/clean/report.html'
    """
    return place if "://" in place else Path(place).as_uri()
