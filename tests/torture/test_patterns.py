"""Every compiled pattern of the product takes time in proportion to its text, whatever the text."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator, Mapping

import pipeline

SIZES = (2_000, 8_000)  # characters
GROWTH = 10.0  # 4 would be linear, 16 quadratic
LEAST = 0.001  # seconds: at the smaller size a quadratic pattern takes ten times as long
SEEDS = (
    ' ', '\t', '\n', 'a', 'A', '0', '-', '_', '.', '*', '#', '<', '>', '[', '(', '{', '&', '"', "'", ',', ':',
    '/', '!', 'é', '一', ' \n', 'a ', 'a.', 'A. ', '1.', 'a\n', 'ab-', '<a', '<a ', '< a=', '<!--', '</', '[a',
    '[[', '[a](', '![', '](', '](a', '((', '&#', '&a', '&#x1', 'a@', 'a.a', 'http://', 'http://a/', '//',
    'www.', '--', '---\n', '| ', '|-', '> ', '* ', '#a ', '``', '~~', '12:', '1:2', '(1', 'Aa ', 'a, ',
    'a b. ', '©', '\xa0', '…', '�', 'Ã', 'â€', '\r\n', '{%', '{{', 'a=', "a='", '= ', 'By A ', 'A|', 'a: ',
)  # fmt: skip


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every compiled text pattern that hangs on a module of the product, also inside containers and dataclasses."""
    for info in pkgutil.walk_packages(pipeline.__path__, "pipeline."):
        module = importlib.import_module(info.name)
        seen: set[int] = set()
        for name, value in vars(module).items():
            for found in inside(value, seen):
                yield f"{info.name}.{name}: {found.pattern[:80]}", found


def inside(value: object, seen: set[int]) -> Iterator[re.Pattern[str]]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, re.Pattern):
        if isinstance(value.pattern, str):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from inside(item, seen)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from inside(item, seen)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from inside(getattr(value, field.name), seen)


def attacks(size: int) -> Iterator[tuple[str, str]]:
    """Texts that make a pattern start over: a piece again and again, with and without an end that fits nothing."""
    for seed in SEEDS:
        text = (seed * (size // len(seed) + 1))[:size]
        yield repr(seed), text
        yield repr(seed) + " end", text + "\x00"


def seconds(pattern: re.Pattern[str], text: str) -> float:
    """Processor seconds to search the whole text, the best of two."""
    best = float("inf")
    for _ in range(2):
        start = time.process_time()
        for _ in pattern.finditer(text):
            pass
        pattern.match(text)
        pattern.fullmatch(text)
        best = min(best, time.process_time() - start)
        if best < LEAST:
            break
    return best


def grows(pattern: re.Pattern[str], sizes: tuple[int, int] = SIZES) -> list[str]:
    """The attacks under which the time grows faster than the text."""
    found = []
    for (name, small), (_, large) in zip(attacks(sizes[0]), attacks(sizes[1]), strict=True):
        quick = seconds(pattern, small)
        if quick < LEAST:
            continue
        slow = seconds(pattern, large)
        ratio = slow / quick
        if ratio > GROWTH and seconds(pattern, large) / seconds(pattern, small) > GROWTH:
            found.append(f"{name}: ×{ratio:.0f} in time for ×{sizes[1] // sizes[0]} in size ({slow:.3f} s)")
    return found


def test_the_measure_tells_a_bad_pattern() -> None:
    """A pattern known to be quadratic is found, one known to be linear is not."""
    assert grows(re.compile(r"(\s+)$"))
    assert not grows(re.compile(r"\s"))


def test_every_pattern_is_linear() -> None:
    """No pattern of the product takes more than linear time on any of the attacks, searched or matched."""
    found = list(patterns())
    assert len(found) > 50
    bad = {name: growth for name, pattern in found if (growth := grows(pattern))}
    assert not bad, "\n".join(f"{name}\n    " + "\n    ".join(growth) for name, growth in bad.items())
