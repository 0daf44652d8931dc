"""Approval: before a corpus is published a person looks at it, and says publish, publish with decisions, or discard.

A run of a deployment is *suspended*: its process ends, so nothing is lost when the worker or the server restarts; when
somebody resumes it in the UI it runs again, finds its work done, and goes on. What was approved is the proposal whose
content the question names: if RAW has changed meanwhile, the question is a new one. A run without a deployment
waits in its process (*paused*). Who does not answer in time has said discard.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.input.run_input import keyset_from_paused_state
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Paused, Running
from prefect.utilities.engine import propose_state_sync
from pydantic import Field

from pipeline.corpus.folder import CleanFolder, generation_id
from pipeline.decisions import Decision, append_decision, parse_decisions
from pipeline.run import Proposal
from pipeline.sources.storage import filesystem, is_remote, local_path

POLL_SECONDS = 5
Answer = Literal["publish", "publish with these decisions", "discard"]


class Approval(RunInput):
    """The form that a person fills in to resume the run."""

    answer: Answer = Field("discard", description="What is to become of the proposal; no answer in time is discard.")
    decisions: str = Field(
        "",
        description="For 'publish with these decisions': lines as in decisions.jsonl, one JSON object each, with id, "
        "kind (not-duplicates, keep-this, keep-line, reject, restore, …), when, and what the kind needs.",
    )


class Asked:
    """Asks a person about proposals; what they said is kept for the flow."""

    def __init__(self, clean: str, hours: float, show: Callable[[Proposal], str]) -> None:
        self._clean = clean
        self._hours = hours
        self._show = show
        self.answer: Answer = "discard"
        self.why = ""

    def __call__(self, proposal: Proposal) -> bool:
        """Whether to publish: `approve` of `pipeline.run.run`."""
        deadline = time.time() + self._hours * 3600
        content, problem = generation_id(proposal.folder), ""
        for attempt in range(100):
            said = self._ask(proposal, f"{content}-{attempt}", max(1.0, deadline - time.time()), problem)
            if said is None:
                self.answer, self.why = "discard", f"nobody answered within {self._hours:g} h"
                return False
            self.answer, self.why = said.answer, f"a person said {said.answer}"
            if said.answer != "publish with these decisions":
                return said.answer == "publish"
            problem = self._record(said.decisions)
            if not problem:
                return False  # the run is done again with the decisions, and then published
            get_run_logger().warning("The decisions cannot be used, asking again: %s", problem)
        raise RuntimeError("asked a hundred times without a usable answer")

    def _ask(self, proposal: Proposal, key: str, seconds: float, problem: str) -> Approval | None:
        text = self._show(proposal)
        form = Approval.with_initial_data(description=f"**{problem}**\n\n{text}" if problem else text)
        context = FlowRunContext.get()
        if context is not None and context.flow_run is not None and context.flow_run.deployment_id is not None:
            return suspend_flow_run(wait_for_input=form, timeout=max(1, int(seconds)), key=key)
        return pause_or_none(form, key, seconds)

    def _record(self, lines: str) -> str:
        """Appends the decisions; gives what is wrong with them, in which case none is."""
        parsed = parse_decisions(lines.encode("utf-8", "replace"), "your decisions")
        if parsed.problems or not parsed.all:
            return " ".join(parsed.problems) or "There are no decisions in it."
        for decision in parsed.all:
            keep_decision(self._clean, decision)
        return ""


def keep_decision(clean: str, decision: Decision) -> None:
    """Appends a decision to CLEAN's decisions.jsonl, wherever CLEAN is."""
    if not is_remote(clean):
        append_decision(CleanFolder(Path(local_path(clean))).decisions, decision)
        return
    storage, root = filesystem(clean)
    name = f"{root.rstrip('/')}/decisions.jsonl"
    before = storage.cat_file(name) if storage.exists(name) else b""
    border = b"\n" if before and not before.endswith(b"\n") else b""
    storage.pipe_file(name, before + border + decision.as_json().encode("ascii") + b"\n")


def pause_or_none(form: type[Approval], key: str, seconds: float) -> Approval | None:
    """Waits in this process for the form; None when the time is over.

    As `prefect.flow_runs.pause_flow_run`, but a server that restarts meanwhile is waited for, and the end of the time
    does not fail the run: Prefect's own time-out is set later than ours.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("a run can only be paused from within a flow run")
    run_id, deadline = context.flow_run.id, time.monotonic() + seconds
    state: State[Any] = Paused(timeout_seconds=int(seconds) + 3600, reschedule=False, pause_key=key)
    keyset = keyset_from_paused_state(state)
    state.state_details.run_input_keyset = cast("dict[str, str]", keyset)
    with get_client(sync_client=True) as client:
        reached = propose_state_sync(client=client, state=state, flow_run_id=run_id)
    if not reached.is_paused():
        raise RuntimeError(f"the run cannot be paused: the server answered {reached}")
    form.save(keyset)
    get_run_logger().info("Waiting for a person: open this run in the Prefect UI and choose Resume.")
    while time.monotonic() < deadline:
        time.sleep(min(POLL_SECONDS, max(0.1, deadline - time.monotonic())))
        try:
            with get_client(sync_client=True) as client:
                now = client.read_flow_run(run_id).state
            if now is not None and now.is_running():
                return cast("Approval", form.load(keyset))
            if now is not None and now.is_final():
                return None
        except httpx.TransportError:
            get_run_logger().warning("The Prefect server does not answer; waiting for it.")
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run_id, Running(), force=True)
    return None


def discard_expired(flow_name: str) -> list[UUID]:
    """Ends the suspended runs of a flow that nobody answered in time; gives their ids.

    Prefect leaves such a run suspended for ever, and fails it when somebody resumes it after all.
    """
    with get_client(sync_client=True) as client:
        suspended = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow_name])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
            ),
        )
        ended = []
        for run in suspended:
            if run.state is not None and expired(run.state):
                message = "Discarded: nobody answered in time. What was published stays."
                client.set_flow_run_state(run.id, Cancelled(name="Discarded", message=message), force=True)
                ended.append(run.id)
        return ended


def expired(state: State[Any]) -> bool:
    """Whether a suspended run has waited for longer than it was told to."""
    deadline = state.state_details.pause_timeout
    return deadline is not None and bool(state.state_details.pause_reschedule) and deadline < datetime.now(UTC)
