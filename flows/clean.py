"""The flow `clean-corpus`: what the command line does, scheduled, observed, and approved where wanted.

`python -m flows.clean raw/ clean/` runs it with nothing else running.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

import click
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed, Failed
from pydantic import Field

from flows.approval import Asked, discard_expired
from flows.artifacts import FlowProgress, publish_artifacts, summary_markdown
from flows.executors import PrefectExecutor, Where, check_server
from pipeline.cli import plain_errors, run_options, settle
from pipeline.config import Config
from pipeline.corpus.folder import read_json
from pipeline.errors import UsageError
from pipeline.report.display import many
from pipeline.run import Proposal, RunResult, run

NAME = "clean-corpus"
APPROVAL_HOURS = 24.0  # a nightly run that nobody answered makes way for the next

DEFAULTS = Config()
RUN_ONLY = ("where", "address", "workers", "approve", "approval_hours", "dry_run", "strict")  # not in the configuration
PLACES = get_args(Where)


@flow(name=NAME, flow_run_name="{raw} → {clean}", persist_result=False)
def clean_corpus(
    raw: str,
    clean: str,
    config: Config = DEFAULTS,
    where: Where = "processes",
    address: str | None = None,
    workers: Annotated[int | None, Field(ge=1)] = None,
    approve: bool = False,
    approval_hours: Annotated[float, Field(gt=0)] = APPROVAL_HOURS,
    dry_run: bool = False,
    strict: bool = False,
) -> State[Any]:
    """Clean and deduplicate RAW into CLEAN, publish it in one step, and show the report as artifacts.

    Raises UsageError, RunError or GateError, which fail the run before anything is published.

    Args:
        raw: Folder, file or fsspec URL of the scraped documents; never written.
        clean: Folder or fsspec URL that gets the clean corpus and the report.
        config: Every setting, as in the TOML file.
        where: Where tasks run.
        address: Address of an existing Dask or Ray cluster.
        workers: Tasks at a time (default: every core).
        approve: Ask a person before publishing.
        approval_hours: No answer in so many hours is discard.
        dry_run: Do everything but write kept documents.
        strict: Fail the run if any document failed.
    """
    check_server(where, PREFECT_API_URL.value())
    for ended in discard_expired(NAME):
        get_run_logger().info("Ended run %s, which waited for an answer for too long.", ended)
    asked = Asked(clean, approval_hours, lambda proposal: show(proposal, clean))
    with PrefectExecutor(where, address, workers) as executor, light_children():
        progress = FlowProgress(clean)

        def once(ask: Asked | None) -> RunResult:
            return run(raw, clean, config, executor=executor, progress=progress, dry_run=dry_run, approve=ask)

        result = once(asked if approve else None)
        if approve and asked.answer == "publish with these decisions":
            result = once(None)
    return outcome(result, clean, asked if approve else None, strict)


def show(proposal: Proposal, clean: str) -> str:
    """Puts a proposal's report into Prefect; gives its summary."""
    publish_artifacts(proposal.report, clean, proposal.folder)
    return summary_markdown(proposal.report, f"{proposal.folder}/report.html")


def outcome(result: RunResult, clean: str, asked: Asked | None, strict: bool) -> State[Any]:
    """The final state: what was done, with a warning where documents failed."""
    if asked is not None and asked.answer == "discard" and asked.why:
        return Completed(name="Discarded", message=f"Nothing was published: {asked.why}.")
    publish_artifacts(read_json(result.clean / "report.json"), clean)
    kept, duplicates = result.by_status.get("kept", 0), result.by_status.get("duplicate", 0)
    message = f"{result.documents:,} documents in, {kept:,} kept, {duplicates:,} duplicates."
    if result.failed:
        message += f" Warning: {many(result.failed, 'document')} failed; see the artifact of failed documents."
        if strict:
            return Failed(message=message)
    return Completed(message=message)


@contextlib.contextmanager
def light_children() -> Iterator[None]:
    """Keeps worker processes from importing the program that started the flow, and with it Prefect (1.5 s each).

    multiprocessing imports the parent's main module into each child, in case a function stands there. Ours never do.
    """
    main = sys.modules["__main__"]
    spec, file = main.__spec__, getattr(main, "__file__", None)
    main.__spec__ = None
    if file is not None:
        del main.__file__
    try:
        yield
    finally:
        main.__spec__ = spec
        if file is not None:
            main.__file__ = file


def leave_no_server() -> None:
    """Killed by SIGTERM, Python would leave the server that Prefect started for this run behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("raw", metavar="RAW")
@click.argument("clean", metavar="CLEAN")
@run_options
@click.option("--where", type=click.Choice(PLACES), default=PLACES[0], show_default=True, help="Where tasks run.")
@click.option("--address", metavar="URL", help="Address of an existing Dask or Ray cluster.")
@click.option("--approve", is_flag=True, help="Ask a person, in the Prefect UI, before publishing.")
@click.option("--approval-hours", type=float, default=APPROVAL_HOURS, show_default=True, metavar="FLOAT")
def main(raw: str, clean: str, config_file: Path | None, quiet: bool, verbose: bool, **options: Any) -> None:
    """Run the flow once, here: RAW into CLEAN, as clean-corpus does, observed by Prefect."""
    del verbose  # the log has every pass; the manifest every document
    kept = {name: options.pop(name) for name in RUN_ONLY}
    with plain_errors():
        config = settle(raw, config_file, options)
        api = PREFECT_API_URL.value()
        check_server(kept["where"], api)
        if kept["approve"] and not api:
            raise UsageError("--approve needs a server with a UI: prefect server start, then set PREFECT_API_URL.")
        leave_no_server()
        if not quiet and not api:
            click.echo(
                "No Prefect server is set, so one runs for the length of this run."
                " For the UI: prefect server start, then PREFECT_API_URL=http://127.0.0.1:4200/api",
                err=True,
            )
        state = clean_corpus(raw, clean, config, return_state=True, **kept)
        if state.is_failed() or state.is_crashed():
            if kept["strict"] and " failed; see the artifact" in (state.message or ""):
                click.echo(state.message)
                sys.exit(3)
            state.result()  # raises what went wrong
        if not quiet:
            click.echo(state.message)
            click.echo(f"report: {clean.rstrip('/')}/report.html")


if __name__ == "__main__":
    main()
