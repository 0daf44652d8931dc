"""The command line: `clean-corpus RAW CLEAN`, `clean-corpus review CLEAN`, `clean-corpus show CLEAN SOURCE`.

What is heavy is imported by the command that needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import pipeline
from pipeline.errors import CleanCorpusError, UsageError
from pipeline.terminal import visible

if TYPE_CHECKING:
    from pipeline.config import Config

CONFIG_NAME = "clean-corpus.toml"
SECTION_OF = {  # options that stand in a section of the configuration
    "text_field": "reading",
    "html_field": "reading",
    "id_field": "reading",
    "recall": "near",
    "max_duplicate_share": "gates",
    "max_failed_share": "gates",
    "max_removed_share": "gates",
}


class DefaultCommand(click.Group):
    """A group whose command `run` need not be named: `clean-corpus RAW CLEAN` is `clean-corpus run RAW CLEAN`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts `run` in front unless a command is named, or the group itself is asked for help or its version."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h", "--version"):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click calls it
        """The ways to call it, spelled out."""
        formatter.write_usage("clean-corpus", "RAW CLEAN [OPTIONS]")
        formatter.write_usage("clean-corpus", "review CLEAN", "       ")
        formatter.write_usage("clean-corpus", "show CLEAN SOURCE", "       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of a run, then the commands: what a newcomer looks for stands on the first page."""
        run_command = self.commands["run"]
        with formatter.section("Options"):
            options = [parameter for parameter in run_command.params if isinstance(parameter, click.Option)]
            rows = [row for row in (option.get_help_record(ctx) for option in options) if row is not None]
            rows += [("--version", "Show the version and leave."), ("--help", "Show this and leave.")]
            formatter.write_dl(rows)
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str()) for name, command in self.commands.items() if name != "run"]
            )


@click.group(cls=DefaultCommand, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(pipeline.__version__, prog_name="clean-corpus")
def main() -> None:
    """Scraped documents in, a clean canonical corpus and a report of everything removed out.

    RAW is a folder (or one file, or an fsspec URL) with HTML, text, Markdown, JSONL, Parquet or WARC; it is never
    written. CLEAN gets the documents, manifest.parquet, edits.parquet, report.html and report.json.
    """


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a run, in the order in which `--help` shows them."""
    options = [
        click.option(
            "--format",
            type=click.Choice(["markdown", "jsonl", "parquet"]),
            help="How kept documents are written (default: markdown, one file each).",
        ),
        click.option(
            "--threshold", type=float, metavar="FLOAT", help="Near-duplicate: least exact Jaccard (default: 0.8)."
        ),
        click.option(
            "--coverage",
            type=float,
            metavar="FLOAT",
            help="Overlapping: least share of each document that the other covers (default: 0.8).",
        ),
        click.option(
            "--recall",
            type=float,
            metavar="FLOAT",
            help="Wanted probability that a pair exactly at the threshold is found (default: 0.99).",
        ),
        click.option(
            "--keep",
            type=click.Choice(["best", "longest", "newest", "oldest", "first"]),
            help="Which document of a cluster stays (default: best: covers the others best, then longest).",
        ),
        click.option(
            "--stages",
            metavar="LIST",
            help="Cleaning stages to run, by comma: extract, encoding, markup, boilerplate, repeats, garbled;"
            " an empty string for none (default: all).",
        ),
        click.option("--no-dedup", is_flag=True, help="Clean only."),
        click.option(
            "--extractor",
            type=click.Choice(["trafilatura", "resiliparse"]),
            help="For HTML (default: trafilatura; resiliparse is quicker and finds less).",
        ),
        click.option("--text-field", metavar="NAME", help='JSONL and Parquet: where the text is (default: "text").'),
        click.option("--html-field", metavar="NAME", help='JSONL and Parquet: where the HTML is (default: "html").'),
        click.option("--id-field", metavar="NAME", help='JSONL and Parquet: what names a record (default: "id").'),
        click.option(
            "--max-duplicate-share",
            type=float,
            metavar="FLOAT",
            help="Do not publish if more documents are duplicates.",
        ),
        click.option(
            "--max-failed-share", type=float, metavar="FLOAT", help="Do not publish if more documents failed."
        ),
        click.option(
            "--max-removed-share", type=float, metavar="FLOAT", help="Do not publish if more characters were removed."
        ),
        click.option(
            "--config",
            "config_file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help=f"TOML with these and all other settings (default: {CONFIG_NAME} beside RAW, if there).",
        ),
        click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes (default: the free cores)."),
        click.option("--dry-run", is_flag=True, help="Do everything but write kept documents."),
        click.option("--strict", is_flag=True, help="Leave with 3 if any document failed."),
        click.option("--quiet", is_flag=True, help="No progress."),
        click.option("--verbose", is_flag=True, help="One line for each document."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@main.command("run", hidden=True)
@click.argument("raw", metavar="RAW")
@click.argument("clean", metavar="CLEAN")
@run_options
def run_command(
    raw: str,
    clean: str,
    config_file: Path | None,
    workers: int | None,
    dry_run: bool,
    strict: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Clean RAW, deduplicate it, write CLEAN and a report."""
    with plain_errors():
        leave_on_sigterm()
        from pipeline.workers import start_fork_server

        start_fork_server()  # it imports what the workers need, while this process imports what it needs
        config = settle(raw, config_file, options)
        from pipeline.console import Console
        from pipeline.run import run

        console = Console(quiet=quiet)
        with console.watching() as progress:
            result = run(raw, clean, config, workers=workers, progress=progress, dry_run=dry_run)
        if verbose:
            console.documents(result)
        console.summary(result)
        sys.exit(3 if strict and result.failed else 0)


def settle(raw: str, config_file: Path | None, options: dict[str, Any]) -> Config:
    """The configuration of this run: the TOML file, overridden by the options that were given."""
    from pipeline.config import make_config, read_toml

    origin, values = "options", {}
    if config_file is None and "://" not in raw:
        beside = Path(raw).absolute().parent / CONFIG_NAME
        config_file = beside if beside.is_file() else None
    if config_file is not None:
        values, origin = read_toml(config_file), str(config_file)
        make_config(values, origin)  # a fault in the file is told as one of the file
    if options.pop("no_dedup"):
        values["dedup"] = False
    for name, value in options.items():
        if value is None:
            continue
        if name in SECTION_OF:
            values[SECTION_OF[name]] = {**values.get(SECTION_OF[name], {}), name: value}
        else:
            values[name] = value
    return make_config(values, origin if origin == "options" else f"{origin} and options")


@main.command("review")
@click.argument("clean", metavar="CLEAN", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="Port on 127.0.0.1 (default: a free one).")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def review_command(clean: Path, port: int | None, no_browser: bool) -> None:
    """Look at the report in a browser and decide."""
    with plain_errors():
        from pipeline.review.app import serve

        serve(clean, port, not no_browser)


@main.command("show")
@click.argument("clean", metavar="CLEAN", type=click.Path(path_type=Path))
@click.argument("source", metavar="SOURCE")
def show_command(clean: Path, source: str) -> None:
    """One document: what came in, what changed and why, what it duplicates."""
    with plain_errors():
        from rich.console import Console

        from pipeline.review.show import show

        sys.exit(show(clean, source, Console()))


class plain_errors:  # noqa: N801 - reads as a statement
    """Turns the errors of this project into one message on stderr and the exit code of the contract."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, CleanCorpusError):
            label = "Usage error" if isinstance(error, UsageError) else "Error"
            click.echo(f"{label}: {visible(str(error))}", err=True)
            sys.exit(error.exit_code)
        if isinstance(error, KeyboardInterrupt):
            click.echo("Stopped. What was published stays as it was; run again to go on.", err=True)
            sys.exit(130)


def leave_on_sigterm() -> None:
    """SIGTERM ends the run as an exception does, so that workers and lock are let go."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


if __name__ == "__main__":
    main()
