"""Documents that hang, crash, exhaust memory: each is one failed row that says where and how; the rest is unharmed."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from tests.run.corpora import article
from tests.torture.harness import check_reader, finished, manifest, settings

ORDERS = [
    {"wrap": "pipeline.stages.garbled:mend_garbled", "marker": "garbled"},
    {"wrap": "pipeline.sources.jsonl:_read_line", "marker": "reading"},
    {"wrap": "pipeline.dedup.sketch:sketch_batch", "marker": "sketch"},
    {"wrap": "pipeline.stages.boilerplate:strip_boilerplate", "marker": "finish"},
]
POISONS = {  # file → (what stands in it, what its reason says)
    "a-hang.txt": ("garbled-hang", r"garbled: took longer than 4 s of the processor"),
    "a-wait.txt": ("garbled-wait", r"garbled: did not end within 40 s on the clock"),
    "b-crash.txt": ("garbled-crash", r"garbled: crashed its worker (SIGSEGV)"),
    "c-kill.txt": ("garbled-kill", r"garbled: crashed its worker (SIGKILL)"),
    "d-eat.txt": ("garbled-eat", r"garbled: needed more than 256 MiB of memory"),
    "e-leave.txt": ("garbled-leave", r"garbled: ended its worker (exit code 7)"),
    "f-raise.txt": ("garbled-raise", r"garbled: RuntimeError: sabotage"),
    "g-sketch.txt": ("sketch-crash", r"sketch: crashed its worker (SIGSEGV)"),
    "h-sketch.txt": ("sketch-eat", r"sketch: needed more than 256 MiB of memory"),
    "i-sketch.txt": ("sketch-raise", r"sketch: RuntimeError: sabotage"),
    "j-finish.txt": ("finish-crash", r"boilerplate: crashed its worker (SIGSEGV)"),
    "k-finish.txt": ("finish-hang", r"boilerplate: took longer than 4 s of the processor"),
    "l-finish.txt": ("finish-eat", r"boilerplate: needed more than 256 MiB of memory"),
}
LIMITS = {"seconds": 4, "wall_seconds": 40, "memory_mb": 256}


def healthy(folder: Path, rng: random.Random, count: int) -> list[str]:
    """Stories of one site, each with the same two lines around it."""
    names = [f"story {number:02d}.txt" for number in range(count)]
    for name in names:
        (folder / name).write_text(site_page(article(rng)), encoding="utf-8")
    return names


def site_page(text: str) -> str:
    return f"Norwick Courier, weekday edition\n\n{text}\nPrinted by the Courier press of Norwick\n"


def test_many_poisons_in_one_batch(tmp_path: Path) -> None:
    """Thirteen ways to fail in a stage, in sketching and in the second pass: a row each, all others kept."""
    raw, clean, rng = tmp_path / "raw", tmp_path / "clean", random.Random(5)
    raw.mkdir()
    good = healthy(raw, rng, 12)
    for name, (marker, _) in POISONS.items():
        story = article(rng).split("\n\n")
        story[2] += f" The password is {marker} as everybody knows by now."
        (raw / name).write_text(site_page("\n\n".join(story)), encoding="utf-8")
    config = settings(tmp_path / "limits.toml", limits=LIMITS)
    finished(raw, clean, "--config", config, "--workers", 1, orders=ORDERS)
    found = manifest(clean)
    assert {name: row["reason"] for name, row in found.items() if row["status"] == "failed"}.keys() == POISONS.keys()
    for name, (_, said) in POISONS.items():
        assert said in found[name]["reason"], name
    assert [name for name in good if found[name]["status"] != "kept"] == []
    check_reader(clean)


@pytest.mark.parametrize("how", ["hang", "kill"])
def test_poison_while_reading(tmp_path: Path, how: str) -> None:
    """A record that stops the reader ends its slice with one row; the records before it and the other files stay."""
    raw, clean, rng = tmp_path / "raw", tmp_path / "clean", random.Random(6)
    raw.mkdir()
    texts = [article(rng, 2) for _ in range(6)]
    texts[3] = f"reading-{how}"
    (raw / "feed.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts), encoding="utf-8")
    (raw / "other.txt").write_text(article(rng), encoding="utf-8")
    config = settings(tmp_path / "limits.toml", limits=LIMITS)
    finished(raw, clean, "--config", config, "--workers", 1, orders=ORDERS)
    found = manifest(clean)
    assert [row["status"] for row in found.values()] == ["kept", "kept", "kept", "failed", "kept"]
    (bad,) = (row for row in found.values() if row["status"] == "failed")
    assert bad["source"].endswith("and after")
    assert bad["reason"].startswith("reading: " + {"hang": "took longer than 4 s", "kill": "crashed"}[how])


def test_poison_while_matching_is_one_clear_error(tmp_path: Path) -> None:
    """Matching looks at all documents at once: a worker that dies there ends the run, and what was published stays."""
    raw, clean, rng = tmp_path / "raw", tmp_path / "clean", random.Random(7)
    raw.mkdir()
    healthy(raw, rng, 3)
    finished(raw, clean, "--workers", 1)
    before = check_reader(clean)
    (raw / "copy.txt").write_text((raw / "story 00.txt").read_text().replace("weekday", "evening"), encoding="utf-8")
    for name, said in (
        ("pipeline.dedup.parts:load_layout", "crashed its worker (SIGKILL)"),
        ("pipeline.run.writing:write_block", "write_block: crashed its worker (SIGKILL)"),
    ):
        orders = [{"wrap": name, "always": "kill"}, {"set": "pipeline.dedup.matching:SMALL_CHARACTERS", "value": 0}]
        done = finished(raw, clean, "--workers", 1, orders=orders, leaves_with=1)
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        assert check_reader(clean) == before
    finished(raw, clean, "--workers", 1)
    assert len(manifest(clean)) == 4


def page(body: str) -> str:
    return f"<html><head><title>t</title></head><body>{body}</body></html>"


def test_real_poisons(tmp_path: Path) -> None:
    """Deep nesting, bombs, endless lines, entity bombs, without sabotage: a row each with a reason, the story kept."""
    import zstandard

    raw, clean, rng = tmp_path / "raw", tmp_path / "clean", random.Random(8)
    raw.mkdir()
    (raw / "story.txt").write_text(article(rng), encoding="utf-8")
    (raw / "deep.html").write_text(page("<div>" * 100_000 + "deep" + "</div>" * 100_000))
    (raw / "deep-inline.html").write_text(page("<b>" * 100_000 + "deep"))
    (raw / "table.html").write_text(page("<table><tr><td>" * 20_000 + "deep"))
    (raw / "attributes.html").write_text(page("<p " + " ".join(f"a{n}='x'" for n in range(50_000)) + ">few words</p>"))
    laugh = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    (raw / "laughs.html").write_text(f'<!DOCTYPE html [<!ENTITY l0 "ha">{laugh}]>' + page("<p>&l9;</p>"))
    (raw / "deep.jsonl").write_text('{"text": ' + "[" * 100_000 + "]" * 100_000 + "}\n" + json.dumps({"text": "[" * 9}))
    (raw / "bomb.txt.gz").write_bytes(gzip.compress(b" " * 60_000_000))
    (raw / "bomb.jsonl.zst").write_bytes(zstandard.compress(b"a" * 80_000_000))
    (raw / "line.txt").write_bytes(b"word " * 12_000_000)
    (raw / "line.jsonl").write_bytes(
        b'{"text": "' + b"word " * 12_000_000 + b'"}\n' + b'{"text": "after the long one"}'
    )
    config = settings(tmp_path / "limits.toml", limits={"seconds": 20, "document_bytes": 20_000_000})
    finished(raw, clean, "--config", config)
    found = manifest(clean)
    assert found["story.txt"]["status"] == "kept"
    assert found["line.jsonl#2"]["status"] in ("kept", "rejected")
    for name in ("deep.html", "deep-inline.html", "table.html", "bomb.txt.gz", "line.txt", "line.jsonl#1"):
        assert found[name]["status"] == "failed", name
        assert found[name]["reason"], name
    sources = {name.partition("#")[0] for name in found}
    assert sources == {path.name for path in raw.iterdir()}
    assert all(row["reason"] for row in found.values() if row["status"] in ("failed", "rejected"))
