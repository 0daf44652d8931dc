"""What well-edited texts lose: words that survive all stages, and sentences removed or flagged as garbled.

    python bench/survival.py TEXTS.jsonl [--field gold]

TEXTS.jsonl holds well-edited texts, one JSON object a line. The command line cleans them as plain text, duplicates left
in; a word survives if it stands in the title or the text that comes out (counted with its repetitions). Whatever goes
was removed wrongly, or is a slip the editor missed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.garbled import sentence_count
from bench.idempotence import clean, documents

WORD = re.compile(r"\w+")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--field", default="gold")
    options = parser.parse_args()
    with options.texts.open(encoding="utf-8") as lines:
        given = [text for line in lines if (text := json.loads(line)[options.field])]
    with tempfile.TemporaryDirectory() as folder:
        raw, into = Path(folder) / "raw.jsonl", Path(folder) / "clean"
        raw.write_text("".join(json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(given)))
        number = {row["source"]: int(row["record_id"]) for row in clean(raw, into, "jsonl")}
        left = {number[source]: Counter(WORD.findall(" ".join(said))) for source, said in documents(into).items()}
        edits = pq.read_table(into / "edits.parquet", columns=["stage", "rule", "action", "before"]).to_pylist()
    words = survived = 0
    for i, text in enumerate(given):
        had = Counter(WORD.findall(text))
        words += had.total()
        survived += (had & left.get(i, Counter())).total()
    sentences = sum(map(sentence_count, given))
    garbled = Counter(edit["action"] for edit in edits if edit["stage"] == "garbled")
    print(f"{len(given):,} texts, {words:,} words, {survived / words:.3%} survive; {sentences:,} sentences,", end=" ")
    print(*(f"{1_000 * garbled[action] / sentences:.2f} {action}" for action in ("removed", "flagged")), "in 1,000")
    lost: Counter[str] = Counter()
    for edit in edits:
        if edit["action"] == "removed":
            lost[f"{edit['stage']}/{edit['rule']}"] += len(WORD.findall(edit["before"] or ""))
    print("words by rule (a headline goes into the title):", dict(lost.most_common(10)))


if __name__ == "__main__":
    main()
