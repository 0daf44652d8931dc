"""Deployments: the flow on a schedule. `python -m flows.deploy --cron "0 3 * * *" raw/ clean/`.

Without a pool this process serves the deployment: it waits for the schedule and runs the flow on this machine. With
`--pool` it only registers the deployment; workers of that pool run it.
"""

import re
from pathlib import Path
from typing import Any

import click
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.schedules import Cron, Schedule
from prefect.settings import PREFECT_API_URL

from flows.clean import PLACES, clean_corpus
from pipeline.cli import plain_errors, settle
from pipeline.config import Config
from pipeline.errors import RunError, UsageError
from pipeline.sources.storage import is_remote

ROOT = Path(__file__).resolve().parent.parent
ENTRYPOINT = "flows/clean.py:clean_corpus"
# One run at a time for each CLEAN; a run that comes too early is not wanted at all, for the next one does its work.
ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)


def deployment_name(clean: str) -> str:
    """The deployment's name, from CLEAN.

    >>> deployment_name("/srv/News clean/")
    'srv-news-clean'
    """
    return re.sub(r"[^a-z0-9]+", "-", clean.lower()).strip("-") or "corpus"


def parameters(raw: str, clean: str, config: Config, **more: Any) -> dict[str, Any]:
    """The parameters of every scheduled run. Folders become absolute: a worker has a folder of its own."""
    places = {"raw": raw, "clean": clean}
    absolute = {name: place if is_remote(place) else str(Path(place).resolve()) for name, place in places.items()}
    told = {name: value for name, value in more.items() if value is not None}
    return {**absolute, "config": config.model_dump(mode="json"), **told}


def check_cron(cron: str, timezone: str) -> Schedule:
    """The schedule. Raises UsageError when it is none."""
    try:
        return Cron(cron, timezone=timezone)
    except ValueError as error:
        raise UsageError(f'--cron: {error}. Five fields, as in "0 3 * * *": every night at three.') from None


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("raw", metavar="RAW")
@click.argument("clean", metavar="CLEAN")
@click.option("--cron", default="0 3 * * *", show_default=True, help="When to run.")
@click.option("--timezone", default="UTC", show_default=True, help="Whose clock, as in Europe/Berlin.")
@click.option("--name", metavar="NAME", help="Of the deployment (default: from CLEAN).")
@click.option("--pool", metavar="NAME", help="Register for the workers of this work pool, do not serve.")
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="TOML with all settings."
)
@click.option("--where", type=click.Choice(PLACES), default=PLACES[0], show_default=True, help="Where tasks run.")
@click.option("--address", metavar="URL", help="Address of an existing Dask or Ray cluster.")
@click.option("--approve", is_flag=True, help="Ask a person, in the Prefect UI, before publishing.")
@click.option("--approval-hours", type=float, metavar="FLOAT", help="No answer in so many hours is discard.")
def main(
    raw: str,
    clean: str,
    cron: str,
    timezone: str,
    name: str | None,
    pool: str | None,
    config_file: Path | None,
    **flow_parameters: Any,
) -> None:
    """Run RAW into CLEAN on a schedule, one run at a time."""
    with plain_errors():
        if not PREFECT_API_URL.value():
            raise RunError(
                "No Prefect server is set, and a schedule needs one that stays."
                " In another terminal: prefect server start. Here: export PREFECT_API_URL=http://127.0.0.1:4200/api"
            )
        given = parameters(raw, clean, settle(raw, config_file, {"no_dedup": False}), **flow_parameters)
        schedule, called = check_cron(cron, timezone), name or deployment_name(given["clean"])
        if pool is None:
            clean_corpus.serve(
                name=called,
                schedule=schedule,
                parameters=given,
                global_limit=ONE_AT_A_TIME,
                limit=1,
                pause_on_shutdown=False,  # stopping this process must not switch the schedule off for the next
            )
            return
        loaded = clean_corpus.from_source(source=str(ROOT), entrypoint=ENTRYPOINT)
        loaded.deploy(  # type: ignore[union-attr]
            name=called,
            work_pool_name=pool,
            schedule=schedule,
            parameters=given,
            concurrency_limit=ONE_AT_A_TIME,
            print_next_steps=False,
        )
        click.echo(f"{clean_corpus.name}/{called} is registered. A worker runs it: prefect worker start --pool {pool}")


if __name__ == "__main__":
    main()
