"""A seeded CLEAN folder of any size, with the tables of docs/architecture.md, for the report and the review app.

Sentences are made from word lists of our own; documents are sentence numbers, so that Jaccard (here over sentences)
and coverage are known exactly, and a million of them cost seconds. Edits are true ones: undoing them gives the text
that came in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SITES = ("harbour-post.example", "northern-gazette.example", "kitchen-table.example", "le-phare.example", None)
LANGUAGES = ("en", "en", "en", "fr", "en")
JUNK = (
    ("boilerplate", "ad-marker", "Advertisement"),
    ("boilerplate", "share-line", "Share this story on every network you have"),
    ("boilerplate", "also-read", "Also Read: Ten harbours to see before the ferries stop"),
    ("boilerplate", "newsletter", "Sign up for our morning letter and never miss a tide"),
    ("boilerplate", "learned", "The editors welcome letters at the desk by the lift"),
    ("repeats", "paragraph-again", "The council met on Tuesday and put the matter off again."),
    ("garbled", "debris", "became. are or can Do not make"),
)
_SUBJECTS = (
    "The ferry",
    "A harbour pilot",
    "The council",
    "Mrs Oyelaran",
    "The old mill",
    "Our reporter",
    "Captain Lind",
)
_VERBS = ("left", "reported on", "repaired", "voted against", "photographed", "was late for", "paid for", "measured")
_OBJECTS = ("the eastern quay", "a crate of lemons", "the new timetable", "two small engines", "the lighthouse roof")
_TAILS = ("before noon", "in spite of the fog", "for the third time", "while the choir sang", "at a cost nobody named")

HOSTILE = (
    "<script>window.pwned=1</script>",
    '"><img src=x onerror="window.pwned=1">',
    "javascript:window.pwned=1",
    "</script><script>window.pwned=1</script>",
    "<!--<script>",
    "\u202egnp.exe\u202c reversed",
    "' onmouseover='window.pwned=1' x='",
    "{{7*7}} {% raw %} ${7*7} <%= 7*7 %>",
    "zero\u200bwidth \ufeff bom \x00nul \x1b[31mred\x07 bell\x7f",
    "<svg/onload=window.pwned=1>",
    "<style>*{display:none}</style>",
    '<a href="javascript:window.pwned=1">click</a>',
    "<iframe src='https://evil.example/'></iframe><link rel=stylesheet href=//evil.example/x.css>",
    "Z̸̢̛͎͙͖a̵̛̙l̶̳͠g̷̙͝o̸ " * 3,
    "line\u2028separator\u2029paragraph\x85next",
    "; DROP TABLE manifest; -- ../../../../etc/passwd %2e%2e%2f",
    "مرحبا بالعالم and \u2067isolated\u2069 text",
    "<base href=https://evil.example/><form action=https://evil.example/><button>",
)


@dataclass
class Corpus:
    """What was generated: the tables, and the final text of each document that has one."""

    tables: dict[str, pa.Table]
    texts: Callable[[int], str]
    sources: list[str]
    facts: dict[str, Any] = field(default_factory=dict)

    def text_of(self, source: str) -> str:
        """The cleaned text of a document."""
        return self.texts(self.sources.index(source) if len(self.sources) < 5000 else _number(source))


def _number(source: str) -> int:
    return int(source.rsplit("-", 1)[1].split(".")[0])


def _pool(random: np.random.Generator, size: int) -> list[str]:
    made = []
    for number in range(size):
        subject, verb, thing, tail = (
            words[random.integers(len(words))] for words in (_SUBJECTS, _VERBS, _OBJECTS, _TAILS)
        )
        made.append(f"{subject} {verb} {thing} {tail}, {int(random.integers(2, 9000))} people said, note {number}.")
    return made


def make_corpus(rows: int, seed: int = 1, hostile: bool = False, sentences: int = 12) -> Corpus:
    """`rows` documents: about 70 % kept, the rest duplicates of each relation, some rejected and failed."""
    random = np.random.default_rng(seed)
    pool = _pool(random, max(200, min(rows * 4, 40_000)))
    picks = random.integers(0, len(pool), (rows, sentences))
    folders = ("harbour", "north", "kitchen", "phare")
    sources = [f"news/{folders[i % 4]}/{i % 97:02d}/story-{i:07d}.txt" for i in range(rows)]
    status = np.full(rows, "kept", dtype=object)
    relation = np.full(rows, None, dtype=object)
    canonical = np.arange(rows)
    evidence: list[dict[str, Any]] = []
    kinds = random.random(rows)
    last_kept = 0
    for i in range(rows):
        if i % 211 == 17:
            status[i] = "rejected"
        elif i % 499 == 33:
            status[i] = "failed"
        elif kinds[i] < 0.27 and i > 0 and (i % 3 or kinds[i] < 0.15):
            kept = last_kept
            status[i], canonical[i] = "duplicate", kept
            changed = 0 if kinds[i] < 0.09 else 1 if kinds[i] < 0.2 else (2 if i % 4 else 1)
            relation[i] = "exact" if changed == 0 else "near" if kinds[i] < 0.2 else "overlap"
            fresh = picks[i][:changed].copy()
            picks[i] = picks[kept]
            picks[i][sentences - changed :] = fresh[: changed or 0]
            evidence.append(_evidence(i, kept, relation[i], picks, pool, sources))
        else:
            last_kept = i
    if hostile:
        for i, text in enumerate(HOSTILE):
            pool[int(picks[i % rows][0])] = text
        renamed = {i: f"evil/{i} {HOSTILE[i // 2 % len(HOSTILE)]}.txt".replace("\x00", "") for i in range(0, rows, 2)}
        for i, name in renamed.items():
            sources[i] = name
        for row in evidence:
            row["source"], row["canonical_source"] = sources[row["i"]], sources[row["k"]]
            row["lost_sentences"] = [*row["lost_sentences"], HOSTILE[row["i"] % len(HOSTILE)]]
            row["why"] = f"{row['why']} {HOSTILE[(row['i'] + 3) % len(HOSTILE)]}"
            row["cluster_id"] = _document_id(row["canonical_source"])

    def text(i: int) -> str:
        lines = [pool[n] for n in picks[i]]
        return "\n\n".join(" ".join(lines[at : at + 3]) for at in range(0, len(lines), 3)) + "\n"

    edits = _edits(rows, text, sources, status, random, hostile)
    tables = {"edits": edits[0]}
    tables["manifest"] = _manifest(rows, text, sources, status, relation, canonical, evidence, edits[1], hostile)
    tables["evidence"] = _evidence_table(evidence)
    tables["dropped"] = _dropped(text, sources, status, relation, hostile)
    tables["related"] = _related(rows, sources, status, random)
    tables["learned"] = pa.table(
        {
            "site": [SITES[0], SITES[1]],
            "line": [JUNK[4][2], HOSTILE[0] if hostile else "Back to the front page"],
            "documents": pa.array([rows // 5, 3], pa.int64()),
            "example_source": [sources[0], sources[-1]],
        }
    )
    return Corpus(tables, text, sources)


def _document_id(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def _evidence(i: int, kept: int, relation: str, picks: Any, pool: list[str], sources: list[str]) -> dict[str, Any]:
    mine, theirs = set(picks[i].tolist()), set(picks[kept].tolist())
    shared = len(mine & theirs)
    lost = [pool[n] for n in picks[i] if n not in theirs]
    numbers = sorted({word.strip(".,") for text in lost for word in text.split() if word.strip(".,").isdigit()})
    return {
        "i": i,
        "k": kept,
        "source": sources[i],
        "canonical_source": sources[kept],
        "relation": relation,
        "jaccard": shared / len(mine | theirs),
        "coverage": shared / len(mine),
        "coverage_back": shared / len(theirs),
        "containment": shared / min(len(mine), len(theirs)),
        "shared_shingles": shared * 8,
        "lost_sentences": lost[:20],
        "lost_sentence_count": len(lost),
        "lost_numbers": numbers[: 6 if i % 2 else 0],
        "lost_names": ["Captain Lind"] if any("Captain Lind" in text for text in lost) and i % 3 == 0 else [],
        "cluster_id": _document_id(sources[kept]),
        "why": {
            "exact": "the same text once white space and case are set aside",
            "near": "Jaccard of 5-word shingles reaches the threshold",
            "overlap": "each covers the other",
        }[relation],
    }


def _evidence_table(rows: list[dict[str, Any]]) -> pa.Table:
    strings = pa.list_(pa.string())
    schema = pa.schema(
        [
            ("source", pa.string()),
            ("canonical_source", pa.string()),
            ("relation", pa.string()),
            ("jaccard", pa.float64()),
            ("coverage", pa.float64()),
            ("coverage_back", pa.float64()),
            ("containment", pa.float64()),
            ("shared_shingles", pa.int64()),
            ("lost_sentences", strings),
            ("lost_sentence_count", pa.int64()),
            ("lost_numbers", strings),
            ("lost_names", strings),
            ("cluster_id", pa.string()),
            ("why", pa.string()),
        ]
    )
    return pa.Table.from_pylist([{k: v for k, v in row.items() if k not in "ik"} for row in rows], schema=schema)


def _edits(
    rows: int, text: Callable[[int], str], sources: list[str], status: Any, random: Any, hostile: bool
) -> tuple[pa.Table, np.ndarray]:
    columns: dict[str, list[Any]] = {
        name: [] for name in ("source", "stage", "rule", "action", "start", "before", "after", "step")
    }
    removed = np.zeros(rows, dtype=np.int64)
    counts = random.integers(0, 5, rows)
    chosen = random.integers(0, len(JUNK), (rows, 5))

    def add(*values: Any) -> None:
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)

    for i in range(rows):
        if status[i] in ("rejected", "failed"):
            continue
        final = text(i)
        gap = final.find("\n\n") + 2
        # Step 0 removed junk lines after the first paragraph; step 1 mended a doubled stop at the very end.
        for stage, rule, line in sorted({JUNK[n] for n in chosen[i][: counts[i]]}, key=lambda junk: junk[1]):
            before = f"{HOSTILE[i % len(HOSTILE)] if hostile and rule == 'debris' else line}\n\n"
            rule_name = f"{rule}{HOSTILE[1]}" if hostile and rule == "newsletter" else rule
            add(sources[i], stage, rule_name, "removed", gap + int(removed[i]), before, "", 0)
            removed[i] += len(before)
        if i % 5 == 0:
            add(sources[i], "garbled", "double-stop", "replaced", len(final) - 2, "..", ".", 1)
            removed[i] += 1
        if i % 7 == 0:
            word = final[:9]
            add(sources[i], "garbled", "ocr-noise", "flagged", 0, word, word, 1)
    table = pa.table(columns).set_column(4, "start", pa.array(columns["start"], pa.int64()))
    return table.set_column(7, "step", pa.array(columns["step"], pa.int32())), removed


def _manifest(
    rows: int,
    text: Callable[[int], str],
    sources: list[str],
    status: Any,
    relation: Any,
    canonical: Any,
    evidence: list[dict[str, Any]],
    removed: Any,
    hostile: bool,
) -> pa.Table:
    by_row = {row["i"]: row for row in evidence}
    clustered = {row["k"] for row in evidence}
    gone = {"rejected": "no text left after cleaning", "failed": "not valid UTF-16: truncated data"}
    made: dict[str, list[Any]] = {name: [] for name in MANIFEST.names}
    for i in range(rows):
        usable = status[i] in ("kept", "duplicate")
        final = text(i) if usable else ""
        odd = HOSTILE[i % len(HOSTILE)] if hostile else None
        row = by_row.get(i, {})
        reason = gone.get(status[i]) or ("covers the others best" if i in clustered else None)
        values = {
            "source": sources[i],
            "record_id": odd,
            "document_id": _document_id(sources[i]),
            "status": status[i],
            "reason": f"{reason} {odd}" if hostile and reason else reason,
            "canonical_source": sources[canonical[i]] if status[i] == "duplicate" else None,
            "relation": relation[i],
            "jaccard": row.get("jaccard"),
            "coverage": row.get("coverage"),
            "cluster_id": _document_id(sources[canonical[i]]) if i in clustered or row else None,
            "title": odd or final[:40].strip() or None,
            "language": LANGUAGES[i % 5] if usable else None,
            "url": odd or f"https://{SITES[i % 4]}/{i}",
            "date": f"2024-{i % 12 + 1:02d}-{i % 28 + 1:02d}",
            "characters_in": len(final) + int(removed[i]) if usable else 40 + i % 900,
            "characters_out": len(final),
            "raw_sha256": None,
            "clean_sha256": None,
            "output": f"documents/{i}.md" if status[i] == "kept" else None,
            "author": odd,
            "site": SITES[i % 5],
            "kind": "text",
            "charset": "utf-8",
            "newlines": "\n",
            "format": "txt",
            "output_sha256": None,
        }
        for name, value in values.items():
            made[name].append(value)
    return pa.table(made, schema=MANIFEST)


MANIFEST = pa.schema(
    [
        (name, {"j": pa.float64(), "n": pa.int64()}.get(kind, pa.string()))
        for name, kind in (
            ("source", ""),
            ("record_id", ""),
            ("document_id", ""),
            ("status", ""),
            ("reason", ""),
            ("canonical_source", ""),
            ("relation", ""),
            ("jaccard", "j"),
            ("coverage", "j"),
            ("cluster_id", ""),
            ("title", ""),
            ("language", ""),
            ("url", ""),
            ("date", ""),
            ("characters_in", "n"),
            ("characters_out", "n"),
            ("raw_sha256", ""),
            ("clean_sha256", ""),
            ("output", ""),
            ("author", ""),
            ("site", ""),
            ("kind", ""),
            ("charset", ""),
            ("newlines", ""),
            ("format", ""),
            ("output_sha256", ""),
        )
    ]
)


def _dropped(text: Callable[[int], str], sources: list[str], status: Any, relation: Any, hostile: bool) -> pa.Table:
    rows = [i for i in range(len(sources)) if status[i] != "kept"]
    return pa.table(
        {
            "source": [sources[i] for i in rows],
            "status": [status[i] for i in rows],
            "title": [HOSTILE[i % len(HOSTILE)] if hostile else None for i in rows],
            "text": pa.array(
                [None if relation[i] == "exact" or status[i] != "duplicate" else text(i) for i in rows], pa.string()
            ),
            "url": pa.nulls(len(rows), pa.string()),
            "date": pa.nulls(len(rows), pa.string()),
            "author": pa.nulls(len(rows), pa.string()),
            "language": pa.nulls(len(rows), pa.string()),
            "metadata": ["{}"] * len(rows),
        }
    )


def _related(rows: int, sources: list[str], status: Any, random: Any) -> pa.Table:
    kept = [i for i in range(rows) if status[i] == "kept"]
    pairs = [(kept[n], kept[n + 1]) for n in range(0, len(kept) - 1, 9)]
    jaccard = random.uniform(0.4, 0.79, len(pairs))
    return pa.table(
        {
            "source_a": pa.array([sources[a] for a, _ in pairs], pa.string()),
            "source_b": pa.array([sources[b] for _, b in pairs], pa.string()),
            "jaccard": pa.array(jaccard, pa.float64()),
            "coverage_a": pa.array(random.uniform(0.5, 0.79, len(pairs)), pa.float64()),
            "coverage_b": pa.array(random.uniform(0.3, 0.79, len(pairs)), pa.float64()),
            "why": pa.array(["Jaccard below the threshold"] * len(pairs), pa.string()),
        }
    )


def write_generation(clean: Path, corpus: Corpus, name: str = "g1", rows_in_group: int = 16_384) -> Path:
    """Write tables and documents as generation `name` of `clean` and publish it; returns its folder."""
    folder = clean / ".generations" / name
    (folder / "documents").mkdir(parents=True)
    manifest = corpus.tables["manifest"]
    if len(corpus.sources) <= 5000:
        rows = zip(manifest["status"].to_pylist(), manifest["output"].to_pylist(), strict=True)
        for i, (status, output) in enumerate(rows):
            if status == "kept":
                front = json.dumps({"title": "t", "source": corpus.sources[i]}, ensure_ascii=False)
                (folder / output).write_text(f"---\n{front}\n---\n\n{corpus.texts(i)}", encoding="utf-8", newline="")
    else:
        _write_parts(folder, corpus)
    for table_name, table in corpus.tables.items():
        order = "source_a" if table_name == "related" else "site" if table_name == "learned" else "source"
        sorted_table = table.sort_by([(order, "ascending")]) if table_name != "edits" else _stable(table)
        pq.write_table(sorted_table, folder / f"{table_name}.parquet", row_group_size=rows_in_group)
    publish(clean, name)
    return folder


def _stable(edits: pa.Table) -> pa.Table:
    return edits.sort_by([("source", "ascending"), ("step", "ascending"), ("start", "ascending")])


def _write_parts(folder: Path, corpus: Corpus) -> None:
    status = corpus.tables["manifest"]["status"].to_pylist()
    kept = sorted((source, i) for i, source in enumerate(corpus.sources) if status[i] == "kept")
    outputs: dict[int, str] = {}
    for part, at in enumerate(range(0, len(kept), 100_000)):
        block = kept[at : at + 100_000]
        name = f"documents/part-{part:05d}.parquet"
        table = pa.table({"source": [source for source, _ in block], "text": [corpus.texts(i) for _, i in block]})
        pq.write_table(table, folder / name, row_group_size=4096)
        outputs |= {i: name for _, i in block}
    column = pa.array([outputs.get(i) for i in range(len(corpus.sources))], pa.string())
    manifest = corpus.tables["manifest"]
    at = manifest.schema.get_field_index("output")
    corpus.tables["manifest"] = manifest.set_column(at, "output", column)


def publish(clean: Path, name: str) -> None:
    """Point CLEAN at generation `name`, as a run does: one atomic rename of `.current`."""
    fresh = clean / ".current.new"
    fresh.symlink_to(Path(".generations") / name)
    fresh.replace(clean / ".current")
    for path in sorted((clean / ".generations" / name).iterdir()):
        link = clean / path.name
        if not link.is_symlink():
            link.symlink_to(Path(".current") / path.name)
    for late in ("report.json", "report.html"):
        if not (clean / late).is_symlink():
            (clean / late).symlink_to(Path(".current") / late)
