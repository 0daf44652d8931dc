"""Why a run does again what the last one did: which setting, version or decision is another now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pipeline
from pipeline.config import Config
from pipeline.decisions import Decisions
from pipeline.run.planning import cleans, code_digest, flat

CLEANED = "every document is cleaned again"
WRITTEN = "every document is matched and written again"


def made_with(config: Config, decisions: Decisions) -> dict[str, Any]:
    """What a run is made with, for the next one to compare."""
    return {
        "version": pipeline.__version__,
        "code": code_digest(),
        "settings": config.model_dump(mode="json"),
        "decisions": decisions.digest,
    }


def reasons(last: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence for each difference between two runs; none where only RAW changed, or nothing is known of the last.

    >>> before = {"version": "1", "code": "a", "settings": {"keep": "best", "limits": {"seconds": 30}}, "decisions": ""}
    >>> after = {**before, "settings": {"keep": "first", "limits": {"seconds": 60}}}
    >>> for reason in reasons(before, after):
    ...     print(reason)
    keep was 'best' and is 'first': every document is matched and written again
    limits.seconds was 30 and is 60: every document is cleaned again
    """
    if not all(name in last for name in now):
        return ()
    found = []
    if last["version"] != now["version"]:
        found.append(f"clean-corpus was {last['version']} and is {now['version']}: {CLEANED}")
    elif last["code"] != now["code"]:
        found.append(f"the code, Python or a library that cleans is another one: {CLEANED}")
    before, after = dict(flat(last["settings"])), dict(flat(now["settings"]))
    for key in sorted({**before, **after}):
        was, is_now = before.get(key), after.get(key)
        if was != is_now:
            again = CLEANED if cleans(key) else WRITTEN
            found.append(f"{key} was {was!r} and is {is_now!r}: {again}")
    if last["decisions"] != now["decisions"]:
        found.append("decisions.jsonl has changed: what its decisions concern is done again")
    return tuple(found)
