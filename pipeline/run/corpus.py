"""The passes of a run, in their order: plan, clean, learn, finish, match, write, report, publish."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.compute as pc
import pyarrow.parquet as pq

import pipeline
from pipeline.allocator import give_back
from pipeline.config import Config
from pipeline.corpus.folder import CleanFolder, read_json, storage_errors
from pipeline.corpus.parts import read_batch, remove_parts, write_json
from pipeline.decisions import Decisions, read_decisions
from pipeline.errors import GateError, RunError, UsageError
from pipeline.executors import Executor, LocalExecutor
from pipeline.progress import Progress, Silent
from pipeline.run.changes import Changes, changes_since
from pipeline.run.compacting import compact
from pipeline.run.finishing import finish
from pipeline.run.learning import learn, nothing_learned
from pipeline.run.planning import Plan, batches, fingerprint, known_units
from pipeline.run.reasons import made_with, reasons
from pipeline.run.remote import RemoteClean
from pipeline.run.rows import Rows
from pipeline.run.tasks import clean_task, digest
from pipeline.sources.storage import filesystem, is_remote, local_path
from pipeline.workers import rest_shared_pools

T = TypeVar("T")

LATER = ("pipeline.run.matching", "pipeline.run.writing", "pipeline.run.reporting")
PASSES = ("clean", "learn", "finish", "match", "write", "report", "publish")


@dataclass(frozen=True)
class RunResult:
    """What a run did. Counts are of documents; `seconds` by pass, `stage_seconds` by stage, summed over workers."""

    clean: Path
    documents: int
    by_status: Mapping[str, int]
    by_relation: Mapping[str, int]
    characters_in: int
    characters_out: int
    files: int
    reused_units: int
    new_units: int
    published: bool
    dry_run: bool
    changes: Changes | None
    reasons: tuple[str, ...]  # why more was done again than RAW asked for
    seconds: Mapping[str, float]
    stage_seconds: Mapping[str, float]
    report_path: Path | str  # str: a URL

    @property
    def failed(self) -> int:
        """Documents that could not be processed."""
        return self.by_status.get("failed", 0)


@dataclass(frozen=True)
class Proposal:
    """A corpus that is ready to be published: its folder, its report, what it would change."""

    folder: Path
    report: Mapping[str, Any]
    changes: Changes | None


@dataclass
class Clock:
    """Seconds by pass, told to whoever watches."""

    progress: Progress
    executor: Executor
    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[None]:
        """Times one pass."""
        self.progress.begin(name, total)
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
        self.progress.end(name, self.seconds[name])

    def run(self, name: str, call: Callable[[], T]) -> T:
        """What `call` gives: one pass over the whole corpus, timed, as a step of the executor's."""
        with self.step(name):
            return self.executor.step(name, call)


def run(
    raw: str,
    clean: str,
    config: Config,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    dry_run: bool = False,
    approve: Callable[[Proposal], bool] | None = None,
) -> RunResult:
    """Cleans and deduplicates RAW into CLEAN and publishes the result in one step.

    `approve` is asked before publishing; if it says no, CLEAN stays as it was. Raises UsageError for what is wrong
    before anything was read, RunError when the run cannot be done, GateError when a gate stops it.
    """
    progress = progress or Silent()
    with contextlib.ExitStack() as stack:
        if is_remote(clean):
            remote = RemoteClean(clean)
            remote.check()
            stack.enter_context(remote.lock())
            remote.pull()
            folder = remote.folder
        else:
            folder, remote = CleanFolder(Path(local_path(clean))), None
            check_places(raw, folder.path)
            folder.check()
        stack.enter_context(folder.lock())
        if executor is None:
            executor = stack.enter_context(LocalExecutor(workers))
        result = _run(raw, folder, config, executor, progress, dry_run, approve)
        if remote is not None:
            if result.published or result.new_units:
                remote.push()
            result = replace(result, report_path=remote.report_url())
    return result


def check_places(raw: str, clean: Path) -> None:
    """Raises UsageError when RAW is missing, or one of RAW and CLEAN lies in the other."""
    if is_remote(raw):
        return
    place = Path(local_path(raw))
    if not place.exists():
        raise UsageError(f"{raw}: no such file or folder. Name the folder with the scraped documents as RAW.")
    inner, outer = place.resolve(), clean.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise UsageError(f"{clean}: RAW and CLEAN lie in each other. Name a CLEAN outside of {raw}.")


def _run(
    raw: str,
    folder: CleanFolder,
    config: Config,
    executor: Executor,
    progress: Progress,
    dry_run: bool,
    approve: Callable[[Proposal], bool] | None,
) -> RunResult:
    folder.prepare()
    if raw.startswith("memory://"):
        raw = spooled(raw, folder.scratch / "raw")
    clock, stages = Clock(progress, executor), Counter[str]()
    decisions = read_decisions(folder.decisions)
    published = folder.generation()
    made, last = made_with(config, decisions), read_json(folder.state / "last.json")
    because = reasons(last, made)
    for reason in because:
        progress.note(reason)
    import_ahead()
    with storage_errors(folder.path):
        plan, rows = clock.run("clean", lambda: clean_all(raw, folder, config, decisions, executor, progress, stages))
    if not len(rows):
        raise RunError(f"{raw}: no documents in it. Put files there that end in .txt, .md, .html, .jsonl, .warc, ….")
    with storage_errors(folder.path):
        if published is not None and last.get("mark") == run_mark(plan, config, decisions, published.name, dry_run):
            return nothing_new(folder, plan, clock, stages)
        from pipeline.run.matching import fates  # imported ahead, while the workers cleaned
        from pipeline.run.reporting import report
        from pipeline.run.writing import write_corpus

        cleaned, scratch = rows, folder.scratch
        learned = clock.run("learn", lambda: learn(cleaned) if learns(config) else nothing_learned())
        rows = clock.run("finish", lambda: finish(cleaned, plan, learned, config, executor, decisions))
        rest()
        decided = clock.run("match", lambda: fates(rows, config, executor, scratch, decisions, published))
        rest()
        clock.run(
            "write",
            lambda: write_corpus(
                rows, decided, learned.table, config, executor, folder.next, scratch, published, dry_run
            ),
        )
        rest()
        changes = changes_since(published, folder.next)
        summary = clock.run("report", lambda: report(folder.next, rows, config, decided, changes, decisions))
        result = result_of(folder, plan, changes, because, clock, stages, dry_run)
        check_gates(summary, folder)
        if approve is not None and not approve(Proposal(folder.next, summary, changes)):
            return result
        if dry_run and has_documents(published):
            return replace(result, report_path=folder.next / "report.html")  # a corpus is not replaced by a rehearsal
        final = not pc.any(rows.column("passing")).as_py()

        def mark(generation: str) -> str:
            """What tells the next run that it has nothing to do: nothing, where it has something to try again."""
            return run_mark(plan, config, decisions, generation, dry_run) if final else ""

        new = clock.run(
            "publish", lambda: folder.publish(lambda generation: remember(folder, mark(generation), result, made))
        )
        after(folder, {*rows.parts, *cleaned.parts}, clock, stages)
    return RunResult(**{**vars(result), "published": new, "seconds": dict(clock.seconds)})


def rest() -> None:
    """Between two passes: gives the memory back that the first one needed, here and in the workers."""
    rest_shared_pools()
    give_back()


def spooled(url: str, folder: Path) -> str:
    """A local copy of a `memory://` folder, which only this process can see, for the worker processes."""
    files, root = filesystem(url)
    if not files.exists(root):
        raise UsageError(f"{url}: no such file or folder. Name the folder with the scraped documents as RAW.")
    files.get(root, str(folder), recursive=True)
    return str(folder)


def import_ahead() -> None:
    """Imports what the passes after cleaning need, while worker processes clean and this one would wait."""

    def work() -> None:
        for name in LATER:
            importlib.import_module(name)

    threading.Thread(target=work, daemon=True).start()


def has_documents(published: Path | None) -> bool:
    """Whether a generation holds documents: one that a dry run made does not."""
    return published is not None and any((published / name).exists() for name in ("documents", "documents.jsonl"))


def learns(config: Config) -> bool:
    """Whether boilerplate is learned from the corpus."""
    return config.boilerplate.learn and "boilerplate" in config.stages


def clean_all(
    raw: str,
    folder: CleanFolder,
    config: Config,
    decisions: Decisions,
    executor: Executor,
    progress: Progress,
    stages: Counter[str],
) -> tuple[Plan, Rows]:
    """Cleans what no earlier run has; gives every document of this run, in source order."""
    plan = Plan(known_units(folder.parts))
    arguments = (
        (task, str(folder.parts), config, decisions, executor.workers) for task in batches(raw, config, decisions, plan)
    )
    done = 0
    for name, documents, seconds in executor.map(clean_task, arguments, inline=True):
        batch = read_batch(folder.parts / f"{name}.json")
        if batch is None:
            raise RunError(f"{folder.parts}: batch {name} is not whole. Free some space and run again.")
        plan.known.add(batch)
        stages.update(seconds)
        done += documents
        progress.advance("clean", done)
    compact(folder.parts, plan.units, plan.known, executor)
    return plan, Rows.of_spans(folder.parts, (span for key in plan.units for span in plan.known.units.get(key, ())))


def run_mark(plan: Plan, config: Config, decisions: Decisions, generation: str, dry_run: bool) -> str:
    """A digest of everything the output depends on: equal to the last run's, there is nothing to do."""
    settings = config.model_dump_json()
    return digest(
        fingerprint(config, decisions), settings, "".join(plan.units), decisions.digest, generation, str(dry_run)
    )


def nothing_new(folder: CleanFolder, plan: Plan, clock: Clock, stages: Counter[str]) -> RunResult:
    """The last result again: the same documents, settings and decisions."""
    last = read_json(folder.state / "last.json")
    return RunResult(
        clean=folder.path,
        documents=int(last["documents"]),  # type: ignore[call-overload]
        by_status=last["by_status"],  # type: ignore[arg-type]
        by_relation=last["by_relation"],  # type: ignore[arg-type]
        characters_in=int(last["characters_in"]),  # type: ignore[call-overload]
        characters_out=int(last["characters_out"]),  # type: ignore[call-overload]
        files=plan.files,
        reused_units=plan.reused,
        new_units=plan.new,
        published=False,
        dry_run=bool(last["dry_run"]),
        changes=None,
        reasons=(),
        seconds=dict(clock.seconds),
        stage_seconds=dict(stages),
        report_path=folder.path / "report.html",
    )


def result_of(
    folder: CleanFolder,
    plan: Plan,
    changes: Changes | None,
    because: tuple[str, ...],
    clock: Clock,
    stages: Counter[str],
    dry_run: bool,
) -> RunResult:
    """The result, before it is published."""
    from pipeline.report.summary import counts  # imported ahead, with the report

    table = pq.read_table(
        folder.next / "manifest.parquet", columns=["status", "relation", "characters_in", "characters_out"]
    )
    statuses, relations = counts(table.column("status")), counts(table.column("relation"))
    return RunResult(
        clean=folder.path,
        documents=table.num_rows,
        by_status={name: statuses.get(name, 0) for name in ("kept", "duplicate", "rejected", "failed")},
        by_relation=dict(sorted(relations.items())),
        characters_in=pc.sum(table.column("characters_in")).as_py(),
        characters_out=pc.sum(table.column("characters_out")).as_py(),
        files=plan.files,
        reused_units=plan.reused,
        new_units=plan.new,
        published=False,
        dry_run=dry_run,
        changes=changes,
        reasons=because,
        seconds=dict(clock.seconds),
        stage_seconds=dict(stages),
        report_path=folder.path / "report.html",
    )


def check_gates(summary: Mapping[str, Any], folder: CleanFolder) -> None:
    """Raises GateError when a share is larger than its gate lets through."""
    what = {"duplicate": "documents are duplicates", "failed": "documents failed", "removed": "the text was removed"}
    for name, gate in summary["gates"].items():
        if gate["value"] > gate["limit"]:
            said = what[name.split("_")[1]]
            raise GateError(
                f"--{name.replace('_', '-')}: {gate['value']:.1%} of {said}, {gate['limit']:.1%} are allowed."
                f" Nothing was published. Look at {folder.next / 'report.html'}, then mend the input or raise the gate."
            )


def remember(folder: CleanFolder, mark: str, result: RunResult, made: Mapping[str, Any]) -> None:
    """What the next run needs to know that it has nothing to do, or why it has."""
    last = {
        **made,
        "mark": mark,
        "documents": result.documents,
        "by_status": dict(result.by_status),
        "by_relation": dict(result.by_relation),
        "characters_in": result.characters_in,
        "characters_out": result.characters_out,
        "dry_run": result.dry_run,
    }
    write_json(last, folder.state / "last.json")


def after(folder: CleanFolder, parts: Collection[str], clock: Clock, stages: Counter[str]) -> None:
    """The times of this run for whoever wants to see them; what the next run cannot build on is deleted."""
    from pipeline.report import write_times

    times = {"version": pipeline.__version__, "seconds": clock.seconds, "stage_seconds": dict(stages)}
    write_json(times, folder.state / "run.json")
    write_times(folder.state, times)
    remove_parts(folder.parts, parts)
    shutil.rmtree(folder.scratch, ignore_errors=True)
