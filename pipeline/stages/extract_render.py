"""Blocks → Markdown: headings, lists, tables, code and quotes; links and emphasis as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from pipeline.stages.extract_blocks import Block

_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
_FENCE = re.compile(r"^`{3,}", re.MULTILINE)


def render(blocks: Iterable[Block]) -> str:
    r"""The Markdown of `blocks`, an empty line between any two; none between items of a list or rows of a table.

    >>> item = Block("one", "li", 0, 1, 0, level=2)
    >>> render([Block("Rain", "h2", 0, 1, 0), item, Block("two", "li", 0, 1, 0, level=3)])
    '## Rain\n\n- one\n  - two'
    >>> print(render([Block("a 1", "tr", 0, 2, 0, ("a", "1")), Block("b|c 2", "tr", 0, 2, 0, ("b|c", "2"))]))
    | a | 1 |
    | --- | --- |
    | b\|c | 2 |
    """
    parts = []
    for kind, run in groupby(blocks, key=lambda block: block.kind):
        if kind == "li":
            parts.append(_list(list(run)))
        elif kind == "tr":
            parts += [_table(list(rows)) for _, rows in groupby(run, key=lambda block: len(block.cells))]
        else:
            parts += [_single(block) for block in run]
    return "\n\n".join(parts)


def _single(block: Block) -> str:
    """A block that stands for itself."""
    if block.kind in _HEADINGS:
        return f"{_HEADINGS[block.kind]} {block.text}"
    if block.kind == "pre":
        longest = max((len(fence) for fence in _FENCE.findall(block.text)), default=2)
        fence = "`" * (longest + 1)
        return f"{fence}\n{block.text}\n{fence}"
    if block.kind == "blockquote":
        return f"> {block.text}"
    return block.text


def _list(items: Sequence[Block]) -> str:
    """A list; two blanks for each level below the outermost that is there."""
    outermost = min(item.level for item in items)
    return "\n".join(f"{'  ' * (item.level - outermost)}- {item.text}" for item in items)


def _table(rows: Sequence[Block]) -> str:
    """A table of rows with one number of cells; the first row is its head, as Markdown wants one."""
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row.cells)} |" for row in rows]
    lines.insert(1, f"|{' --- |' * len(rows[0].cells)}")
    return "\n".join(re.sub(r" {2,}", " ", line) for line in lines)
