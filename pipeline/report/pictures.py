"""Inline SVG: the flow of documents and the histograms. Colours come from the page's style sheet, by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pipeline.report.display import number, percent

FLOW_HEIGHT = 190.0  # all documents, in user units
LEAST_BAND = 1.5  # a single document among a million still shows
LABEL_HEIGHT = 36.0  # two lines of text beside a node
ENDS = (
    ("kept", "kept"),
    ("exact", "exact duplicates"),
    ("near", "near duplicates"),
    ("overlap", "overlapping"),
    ("rejected", "rejected"),
    ("failed", "failed"),
)


def flow(documents: Mapping[str, Any], narrow: bool = False) -> Markup:
    """The way of the documents: came in → cleaned → kept or dropped, each band as wide as its share."""
    came = int(documents["in"])
    if not came:
        return Markup("")
    counts = {name: int(documents["duplicates"].get(name, documents.get(name, 0))) for name, _ in ENDS}
    ends = [(name, label, counts[name]) for name, label in ENDS if counts[name]]
    cleaned = came - counts["rejected"] - counts["failed"]
    width, first, middle, last, bar = (350, 0, 96, 200, 10) if narrow else (960, 0, 380, 740, 16)
    thick = {name: max(LEAST_BAND, FLOW_HEIGHT * count / came) for name, _, count in ends}
    slots = [max(thick[name], LABEL_HEIGHT) + 8 for name, _, _ in ends]
    height = max(sum(slots) + 44, FLOW_HEIGHT + 60)
    top = 36.0
    parts: list[Markup] = []
    from_first = from_middle = (height + top - FLOW_HEIGHT) / 2
    start_y = from_first
    y = (height + top - sum(slots)) / 2
    if cleaned:
        thickness = sum(thick[name] for name, _, _ in ends if name not in ("rejected", "failed"))
        parts.append(_band("cleaned", first + bar, from_first, middle, from_middle, thickness))
        parts.append(_node("cleaned", middle, from_middle, bar, thickness))
        parts.append(_label(middle, from_middle - 22, "cleaned", cleaned, None, "start"))
        from_first += thickness
    for (name, label, count), slot in zip(ends, slots, strict=True):
        node_y = y + (slot - 8 - thick[name]) / 2
        if name in ("rejected", "failed"):
            parts.append(_band(name, first + bar, from_first, last, node_y, thick[name]))
            from_first += thick[name]
        else:
            parts.append(_band(name, middle + bar, from_middle, last, node_y, thick[name]))
            from_middle += thick[name]
        parts.append(_node(name, last, node_y, bar, thick[name]))
        parts.append(_label(last + bar + 8, node_y + thick[name] / 2 - 3, label, count, came, "start"))
        y += slot
    parts.append(_node("in", first, start_y, bar, from_first - start_y))
    parts.append(_label(first, start_y - 22, "came in", came, None, "start"))
    told = ", ".join(f"{number(count)} {label}" for _, label, count in ends)
    return Markup('<svg class="flow {}" viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        "narrow" if narrow else "wide",
        width,
        height + 8,
        f"Of {number(came)} documents: {told}.",
        Markup("").join(parts),
    )


def _band(name: str, x1: float, y1: float, x2: float, y2: float, thickness: float) -> Markup:
    bend = (x2 - x1) / 2
    path = (
        f"M{x1:.1f} {y1:.2f}C{x1 + bend:.1f} {y1:.2f} {x2 - bend:.1f} {y2:.2f} {x2:.1f} {y2:.2f}V{y2 + thickness:.2f}"
        f"C{x2 - bend:.1f} {y2 + thickness:.2f} {x1 + bend:.1f} {y1 + thickness:.2f} {x1:.1f} {y1 + thickness:.2f}Z"
    )
    return Markup('<path class="band {}" d="{}"/>').format(name, path)


def _node(name: str, x: float, y: float, width: float, height: float) -> Markup:
    rectangle = Markup('<rect class="node {}" x="{:.1f}" y="{:.2f}" width="{}" height="{:.2f}"/>')
    return rectangle.format(name, x, y, width, max(height, 1))


def _label(x: float, y: float, text: str, count: int, whole: int | None, anchor: str) -> Markup:
    share = f" · {percent(count, whole)}" if whole else ""
    return Markup(
        '<text x="{:.1f}" y="{:.1f}" text-anchor="{}"><tspan class="count">{}</tspan>'
        '<tspan class="share">{}</tspan><tspan class="what" x="{:.1f}" dy="15">{}</tspan></text>'
    ).format(x, y, anchor, number(count), share, x, text)


def similarity(
    merged: Sequence[int],
    kept: Sequence[int],
    thresholds: Mapping[str, float],
    name: str,
    relation: str,
    from_share: float = 0.3,
) -> Markup:
    """Histogram over 0..1 of pairs merged and pairs kept apart, the thresholds (label → share) drawn in."""
    bins = len(merged)
    first = int(from_share * bins)
    if not sum(merged) and not sum(kept):
        return Markup("")
    if sum(merged[:first]) + sum(kept[:first]):
        first = 0
    width, height, floor = 460.0, 190.0, 158.0
    step = width / (bins - first)
    tallest = max(a + b for a, b in zip(merged, kept, strict=True))
    parts = []
    for n in range(first, bins):
        y = floor
        for kind, count in (("apart", kept[n]), (relation, merged[n])):
            if count:
                tall = max(1.5, 112 * count / tallest)
                y -= tall
                what = "kept apart" if kind == "apart" else "merged"
                title = f"{name} {n / bins:.2f} to {(n + 1) / bins:.2f}: {number(count)} {what}"
                parts.append(_BAR.format(kind, (n - first) * step + 0.5, y, step - 1, tall, title))
    low = first / bins
    parts.append(Markup('<path class="axis" d="M0 {0}H{1}"/>').format(floor, width))
    for line, (label, threshold) in enumerate(sorted(thresholds.items(), key=lambda item: item[1])):
        at = max(0.0, (threshold - low) / (1 - low)) * width
        top = 8 + 18 * line  # a second label stands lower than the first
        parts.append(Markup('<path class="threshold" d="M{:.1f} {}V{}"/>').format(at, top, floor))
        parts.append(_TEXT.format("threshold", at - 5, top + 9, "end", f"{label} {threshold:.2f}"))
    for tenth in range(0, 11, 2 if first == 0 else 1):
        if tenth / 10 >= low:
            x = (tenth / 10 - low) / (1 - low) * width
            anchor = "start" if x < 1 else "end" if tenth == 10 else "middle"
            parts.append(_TEXT.format("tick", x, floor + 18, anchor, f"{tenth / 10:.1f}"))
    told = f"{name}: {number(sum(merged))} merged, {number(sum(kept))} nearly alike and kept apart."
    return Markup('<svg class="histogram" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        width, height, told, Markup("").join(parts)
    )


_BAR = Markup('<rect class="bar {}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"><title>{}</title></rect>')
_TEXT = Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')


def bar(share: float, kind: str = "") -> Markup:
    """A bar of `share` of the place it is given; for table cells, so without a description of its own."""
    width = 0.0 if share <= 0 else max(0.6, min(100.0, share * 100))
    return Markup(
        '<svg class="share-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="{}" width="{:.2f}" height="8"/></svg>'
    ).format(kind, width)
