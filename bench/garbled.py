"""What each rule of the garbled stage fires on in edited text, and what it finds in text that was garbled on purpose.

    python bench/garbled.py TEXTS.jsonl [--field gold] [--sentences 20000] [--examples 5] [--language en]

TEXTS.jsonl holds well-edited texts, one JSON object a line. Everything fires wrongly there, or on a slip the editor
missed: the examples (on the screen only) are for a person to tell which. Then a piece of each kind of damage is planted
in prose paragraphs of the same texts: recall is the share of planted places that an edit or flag covers.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from pipeline.config import Garbled
from pipeline.document import Document
from pipeline.stages.garbled import mend_garbled
from pipeline.stages.garbled_text import Passage

SENTENCE_END = re.compile(r"[.!?…。！？][”\"’')\]]*(?=\s|$)")
SEED = 4


def sentence_count(text: str) -> int:
    """Sentences with a stop, and lines without one."""
    return sum(max(1, len(SENTENCE_END.findall(line))) for line in text.splitlines() if line.strip())


def read_texts(path: Path, field: str, sentences: int) -> list[str]:
    """Texts of a JSONL file in a fixed random order, until they hold that many sentences."""
    with path.open(encoding="utf-8") as lines:
        texts = [json.loads(line)[field] for line in lines]
    random.Random(SEED).shuffle(texts)
    taken, count = [], 0
    for text in texts:
        taken.append(text)
        count += sentence_count(text)
        if count >= sentences:
            break
    return taken


def measure_clean(texts: list[str], language: str | None, examples: int) -> None:
    """Print how often each rule fires."""
    total = sum(map(sentence_count, texts))
    fired: Counter[tuple[str, str]] = Counter()
    shown: dict[tuple[str, str], list[str]] = defaultdict(list)
    acted: Counter[str] = Counter()
    for text in texts:
        done = mend_garbled(Document("a.txt", text, language=language), Garbled())
        for edit in done.edits:
            key = (edit.rule, edit.action)
            fired[key] += 1
            acted[edit.action] += 1
            around = edit.before
            if edit.action != "flagged" and edit.step == 0:
                around = text[max(0, edit.start - 40) : edit.start + len(edit.before) + 25]
            shown[key].append(" ".join(around.split())[:160])
    print(f"{len(texts)} texts, {total} sentences")
    print(f"{'rule':20} {'action':9} {'fired':>6} {'per 1,000 sentences':>20}")
    for (rule, action), count in sorted(fired.items(), key=lambda item: -item[1]):
        print(f"{rule:20} {action:9} {count:6} {1000 * count / total:20.2f}")
        for example in random.Random(SEED).sample(shown[rule, action], min(examples, count)):
            print(f"    {example}")
    for action, count in sorted(acted.items()):
        print(f"{action:30} {count:6} {1000 * count / total:20.2f}")


def plant_joined(sentence: str) -> str | None:
    """Two words run together."""
    return re.sub(r" (of|in|to|for|with) the ", r" \1the ", sentence, count=1) if " of the " in sentence else None


def plant_misread(sentence: str) -> str | None:
    """OCR reads h as b."""
    return sentence.replace(" which ", " wbich ", 1) if " which " in sentence else sentence.replace(" the ", " tbe ", 1)


def plant_split(sentence: str) -> str | None:
    """A word split by a space."""
    return sentence.replace(" of ", " o f ", 1)


def plant_doubled(sentence: str) -> str | None:
    """A word printed twice."""
    return sentence.replace(" the ", " the the ", 1)


def plant_stop(sentence: str) -> str | None:
    """Two stops."""
    return sentence + "." if sentence.endswith(".") else None


def plant_space(sentence: str) -> str | None:
    """The space a link left before a comma."""
    return sentence.replace(", ", " , ", 1)


def plant_lost(sentence: str) -> str | None:
    """A character that could not be read."""
    return re.sub(r"[’']", "\ufffd", sentence, count=1)


def plant_beginning(sentence: str) -> str | None:
    """The first half of a sentence lost: its rest begins small."""
    words = sentence.split()
    for at in range(4, len(words) - 3):
        if words[at] in ("is", "are", "was", "were", "has", "have", "can", "will", "and", "that", "to", "in", "with"):
            return " ".join(words[at:])
    return None


def plant_end(sentence: str) -> str | None:
    """The end of a sentence lost after an article."""
    found = re.search(r"^.{20,}? (?:the|an|and|or)(?= )", sentence)
    return found[0] + "." if found else None


def plant_merged(sentence: str) -> str | None:
    """A sentence cut short, the next one begun in it."""
    words = sentence.split()
    for at in range(4, len(words) - 3):
        if words[at].islower() and words[at].isalpha() and words[at] not in ("the", "a", "an"):
            return " ".join([*words[:at], "There are", *words[at + 1 :]])
    return None


def plant_debris(_: str) -> str | None:
    """A verb alone between two sentences."""
    return "became."


DAMAGE: dict[str, Callable[[str], str | None]] = {
    "words run together": plant_joined,
    "misread word": plant_misread,
    "split word": plant_split,
    "doubled word": plant_doubled,
    "doubled stop": plant_stop,
    "space before comma": plant_space,
    "lost character": plant_lost,
    "beginning lost": plant_beginning,
    "end lost": plant_end,
    "two sentences merged": plant_merged,
    "verb alone": plant_debris,
}


def measure_recall(texts: list[str], language: str | None) -> None:
    """Print the share of planted damage that is mended, removed or flagged."""
    choose = random.Random(SEED)
    print(f"\n{'planted':24} {'places':>6} {'told':>6} {'mended':>7}")
    for name, plant in DAMAGE.items():
        planted = told = mended = 0
        for text in texts:
            passage = Passage(text, language)
            lines = [line for line in map(passage.line_at, passage.line_starts) if line.is_prose]
            lines = [line for line in lines if len(line.sentences) > 2]
            if not lines:
                continue
            line = choose.choice(lines)
            start, end = choose.choice(line.sentences[1:-1])
            sentence = text[start:end]
            damaged = plant(sentence)
            if damaged is None or damaged == sentence or not passage.english:
                continue
            planted += 1
            garbled = text[:start] + damaged + text[end:]
            done = mend_garbled(Document("a.txt", garbled, language=language), Garbled())
            near = [
                edit
                for edit in done.edits
                if edit.start < start + len(damaged) and edit.start + len(edit.before) >= start
            ]
            told += bool(near)
            mended += any(edit.action != "flagged" for edit in near)
        if planted:
            print(f"{name:24} {planted:6} {told / planted:6.2f} {mended / planted:7.2f}")


def measure_time(texts: list[str], language: str | None) -> None:
    """Print microseconds for 2,000 characters of text that keeps every character."""
    clean = []
    for text in texts:
        piece = text[:2000]
        document = Document("a.txt", piece, language=language)
        if len(piece) == 2000 and not mend_garbled(document, Garbled()).edits:
            clean.append(document)
    took = []
    for document in clean:
        best = float("inf")
        for _ in range(5):
            start = time.process_time()
            mend_garbled(document, Garbled())
            best = min(best, time.process_time() - start)
        took.append(best * 1e6)
    start = time.process_time()
    for document in clean:
        document.text.split()
    peer = (time.process_time() - start) / max(1, len(clean)) * 1e6
    if took:
        middle, high = statistics.median(took), statistics.quantiles(took, n=10)[-1]
        print(f"\n{len(took)} clean texts of 2,000 characters: median {middle:.0f} µs, nine tenths under {high:.0f} µs")
        print(f"str.split() on the same texts: {peer:.0f} µs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--field", default="gold")
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--examples", type=int, default=5)
    parser.add_argument("--language", default=None)
    options = parser.parse_args()
    texts = read_texts(options.texts, options.field, options.sentences)
    measure_clean(texts, options.language, options.examples)
    measure_recall(texts, options.language)
    measure_time(texts, options.language)


if __name__ == "__main__":
    main()
