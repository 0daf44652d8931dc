"""`.state/run.json` as a page of its own, `.state/run.html`: what a run took is no part of what it made.

The report links to it and stays the same byte for byte, however fast the machine was.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.report.display import csp_hash
from pipeline.report.page import TEMPLATES, environment


def time_rows(run: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, float]]]]:
    """(heading, [(name, seconds)]) for passes in their order and for stages, the slowest first."""
    passes = [(str(name), float(seconds)) for name, seconds in (run.get("seconds") or {}).items()]
    stages = [(str(name), float(seconds)) for name, seconds in (run.get("stage_seconds") or {}).items()]
    stages.sort(key=lambda row: (-row[1], row[0]))
    return [
        (heading, rows)
        for heading, rows in (("Passes, by the clock", passes), ("Stages, summed over workers", stages))
        if rows
    ]


def render_times(run: Mapping[str, Any]) -> str:
    """The page. `run`: `seconds` by pass and `stage_seconds` by stage, as `.state/run.json` has them."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    policy = f"default-src 'none'; style-src {csp_hash(style)}; base-uri 'none'; form-action 'none'"
    return environment().get_template("times.html.j2").render(tables=time_rows(run), style=style, policy=policy)


def write_times(state: Path, run: Mapping[str, Any]) -> None:
    """Write `run.html` into the `.state` folder, whole or not at all. Raises OSError."""
    passing = state / "run.html.tmp"
    passing.write_text(render_times(run), encoding="utf-8")
    passing.replace(state / "run.html")
