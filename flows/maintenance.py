"""The flow `clean-corpus-maintenance`: is the published corpus whole, what would other settings change, old state away.

`python -m flows.maintenance clean/` runs it with nothing else running.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import click
from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed
from pydantic import Field

from flows.approval import discard_expired
from flows.artifacts import ROWS, artifact_key, cell
from flows.clean import NAME, leave_no_server, light_children
from flows.executors import PrefectExecutor
from pipeline.cli import plain_errors
from pipeline.config import Config
from pipeline.run import Proposal, run
from pipeline.upkeep import drop_state, verify


@flow(name="clean-corpus-maintenance", flow_run_name="{clean}", persist_result=False)
def maintain(
    clean: str,
    pairs: Annotated[int | None, Field(ge=0)] = None,
    raw: str | None = None,
    config: Config | None = None,
    drop: bool = False,
) -> State[Any]:
    """Verify a published corpus, list what a change of settings would alter, drop old state.

    Args:
        clean: Folder of a published corpus, on this machine or a shared mount.
        pairs: Prove so many duplicates again (default: all).
        raw: With it: what would `config` change? Nothing is published.
        config: The settings to try on `raw`.
        drop: Delete .state; the next run cleans everything again.
    """
    logger = get_run_logger()
    ended = discard_expired(NAME)
    problems = list(verify(Path(clean), pairs))
    create_table_artifact(
        [{"problem": cell(problem)} for problem in problems[:ROWS]],
        artifact_key(clean, "problems"),
        f"{len(problems):,} problems in {clean}",
    )
    for problem in problems[:ROWS]:
        logger.error(cell(problem))
    done = [f"{len(problems):,} problems"]
    if raw is not None:
        done.append(what_if(raw, clean, config or Config()))
    if drop:
        done.append(f"{drop_state(Path(clean)):,} bytes of state dropped")
    if ended:
        done.append(f"{len(ended):,} runs ended that nobody answered")
    message = "; ".join(done) + "."
    return Failed(message=message) if problems else Completed(message=message)


def what_if(raw: str, clean: str, config: Config) -> str:
    """Does everything but publish, and lists what would be different."""
    seen: list[Proposal] = []

    def look(proposal: Proposal) -> bool:
        seen.append(proposal)
        return False

    with PrefectExecutor() as executor, light_children():
        run(raw, clean, config, executor=executor, approve=look)
    changes = asdict(seen[0].changes) if seen and seen[0].changes else {}
    lines = [f"What these settings would change in `{cell(clean)}`. Nothing was published."]
    for name, sources in changes.items():
        lines += ["", f"**{name.replace('_', ' ')}**: {len(sources):,}"]
        lines += [f"- `{cell(source)}`" for source in sources[:ROWS]]
    create_markdown_artifact(
        "\n".join(lines), artifact_key(clean, "what-if"), f"What other settings would change in {clean}"
    )
    counts = ", ".join(f"{len(sources):,} {name.replace('_', ' ')}" for name, sources in changes.items() if sources)
    return f"these settings would change: {counts or 'nothing'}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("clean", metavar="CLEAN")
@click.option("--pairs", type=click.IntRange(min=0), metavar="N", help="Prove so many duplicates again (default: all).")
@click.option("--drop-state", "drop", is_flag=True, help="Delete .state: the next run cleans everything again.")
def main(clean: str, pairs: int | None, drop: bool) -> None:
    """Verify the corpus in CLEAN. Leaves with 1 if anything is wrong."""
    with plain_errors():
        leave_no_server()
        state = maintain(clean, pairs, drop=drop, return_state=True)
        if state.is_failed() and state.message and "problems" not in state.message:
            state.result()
        click.echo(state.message)
        raise SystemExit(0 if state.is_completed() else 1)


if __name__ == "__main__":
    main()
