"""Draws charts of a whole task: which classes are confused, and the result of each class.

Runs of classification tasks with ``--save-visuals`` save them. They are drawn with matplotlib but without pyplot, so
that they do not disturb threads or the figures of a caller.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from vlmbench.errors import MissingDependencyError
from vlmbench.visuals.canvas import framed
from vlmbench.visuals.text import class_label, fitting, font, font_path, legible
from vlmbench.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.text import Text

MATRIX_CLASSES = 40
"""With more classes than this, the most confused pairs are shown instead of a matrix."""
PAIRS = 30
EXTREMES = 20
"""With more than twice this number of classes, only this number of the worst and of the best classes have a bar."""

_LEFT_TO_RIGHT = "\u200e"
_DPI = 100
_PAD = 0.04
"""Inches between a chart and the picture's edge."""
_NUMBERED_CLASSES = 24
"""A matrix of more classes has no room for counts in its cells."""
_BLUE, _GREY, _ORANGE, _INK = "#0072B2", "#ADB5BD", "#D55E00", "#212529"


def check_charts() -> None:
    """Check that charts can be drawn, before any work starts.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        UsageError: the file that the user chose is not a font.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "charts are drawn with matplotlib, which is not installed", hint="pip install 'vlmbench[visuals]'"
        ) from error
    font_path()


def confusion_matrix(counts: NDArray[np.integer], class_names: Sequence[str], *, title: str = "") -> bytes:
    """Which classes are confused, as PNG. Each row shows shares of its own samples; the cells have counts.

    With more than :data:`MATRIX_CLASSES` classes, bars show the :data:`PAIRS` most frequent confusions instead.

    Args:
        counts: (C, C) samples, rows true, columns predicted.
        class_names: C names.
        title: over it.

    Raises:
        ValueError: counts and names do not fit together.
        MissingDependencyError: matplotlib is not installed.
    """
    classes = len(class_names)
    if counts.shape != (classes, classes) or not classes:
        raise ValueError(f"counts of shape {counts.shape} for {classes} classes")
    if classes > MATRIX_CLASSES:
        true, predicted = np.nonzero(counts)
        return confused_pairs(true, predicted, counts[true, predicted], class_names, title=title)
    check_charts()
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, counts / np.maximum(totals, 1), np.nan)
    cell = 0.62 if classes <= 12 else 0.42
    names = _labels(class_names, 190)
    figure, axes = _figure(3.2 + cell * classes, 2.9 + cell * classes)
    axes.set_facecolor(_GREY)  # rows without a sample
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    for side, ticks in (("x", axes.set_xticks), ("y", axes.set_yticks)):
        ticks(range(classes), names, fontproperties=_face(10), parse_math=False)
        axes.tick_params(axis=side, length=0)  # type: ignore[arg-type]
    for label in axes.get_xticklabels():
        label.set(rotation=45, ha="right", rotation_mode="anchor")
    axes.set_xticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    if classes <= _NUMBERED_CLASSES:
        for row, column in zip(*np.nonzero(counts), strict=True):
            dark = shares[row, column] > 0.55
            text = _short(int(counts[row, column]))
            axes.text(
                column, row, text, ha="center", va="center", color="white" if dark else _INK, fontproperties=_face(9)
            )
    _word(axes.set_xlabel("predicted (colour: share of the row; empty: none)"), 11)
    _word(axes.set_ylabel("true"), 11)
    return _drawn(figure, title)


def confused_pairs(
    true: NDArray[np.integer],
    predicted: NDArray[np.integer],
    counts: NDArray[np.integer],
    class_names: Sequence[str],
    *,
    title: str = "",
) -> bytes:
    """The most frequent confusions, as PNG: a bar each, with how many of the true class's samples it took.

    Args:
        true: (P,) true classes of P different pairs.
        predicted: (P,) what they were taken for; equal ones are right answers, and count for the shares.
        counts: (P,) samples.
        class_names: C names.
        title: over it.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    check_charts()
    totals = np.bincount(true, weights=counts, minlength=len(class_names))
    wrong = np.flatnonzero((true != predicted) & (counts > 0))
    shares = counts[wrong] / totals[true[wrong]]
    order = np.lexsort((predicted[wrong], true[wrong], -shares, -counts[wrong]))[:PAIRS]
    chosen = wrong[order]
    figure, axes = _figure(10.5, 1.4 + 0.3 * max(1, len(chosen)))
    places = np.arange(len(chosen))
    axes.barh(places, counts[chosen], color=_ORANGE, height=0.62)
    arrow = " → " if legible("→") == "→" else " > "
    short = _labels(class_names, 190, only=[*true[chosen].tolist(), *predicted[chosen].tolist()])
    names = [
        _pair(short[t], arrow, short[p]) for t, p in zip(true[chosen].tolist(), predicted[chosen].tolist(), strict=True)
    ]
    axes.set_yticks(places, names, fontproperties=_face(10), parse_math=False)
    for place, pair in zip(places.tolist(), chosen.tolist(), strict=True):
        text = f" {counts[pair]:,} of {totals[true[pair]]:,.0f}"
        axes.text(counts[pair], place, text, va="center", color=_INK, fontproperties=_face(9))
    _plain(axes, len(chosen))
    axes.set_xlim(0, 1.2 * (counts[chosen].max() if len(chosen) else 1))
    _whole_numbers(axes)
    _word(axes.set_xlabel(f"samples, of {len(wrong):,} different confusions (true{arrow}predicted)"), 10)
    return _drawn(figure, title)


def per_class_bars(
    names: Sequence[str],
    values: Sequence[float | None],
    intervals: Sequence[tuple[float, float] | None],
    chance: float | None = None,
    *,
    title: str = "",
    measure: str = "",
) -> bytes:
    """The result of each class, as PNG: bars from worst to best with 95% intervals, and a line at chance.

    With more than twice :data:`EXTREMES` classes, only the worst and the best are shown.

    Args:
        names: C class names.
        values: fractions; None if a class has no value: it is left out, and the chart says how many.
        intervals: the interval of each; None if it has no interval.
        chance: the value of random answers.
        title: over it.
        measure: the name of the values.

    Raises:
        ValueError: lengths that differ.
        MissingDependencyError: matplotlib is not installed.
    """
    if not len(names) == len(values) == len(intervals):
        raise ValueError(f"{len(names)} names, {len(values)} values and {len(intervals)} intervals")
    check_charts()
    known = [(value, place) for place, value in enumerate(values) if value is not None and np.isfinite(value)]
    ranked = sorted(known)
    rows: list[tuple[float, int] | None] = list(ranked)
    if len(ranked) > 2 * EXTREMES:
        rows = [*ranked[:EXTREMES], None, *ranked[-EXTREMES:]]
    figure, axes = _figure(9, 1.6 + 0.28 * max(1, len(rows)))
    short = _labels(names, 260, only=[row[1] for row in rows if row])
    ticks = []
    for place, row in enumerate(rows):
        if row is None:
            ticks.append(f"{len(ranked) - 2 * EXTREMES:,} classes between")
            axes.axhline(place, color=_GREY, linewidth=1, linestyle=":")
            continue
        value, index = row
        ticks.append(short[index])
        axes.barh(place, value, color=_BLUE, height=0.62)
        interval = intervals[index]
        end = value
        if interval is not None:
            low, high = interval
            axes.plot([low, high], [place, place], color=_INK, linewidth=1.2, marker="|", markersize=6)
            end = max(value, high)
        axes.text(end, place, f"  {100 * value:.1f}", va="center", color=_INK, fontproperties=_face(9))
    axes.set_yticks(range(len(rows)), ticks, fontproperties=_face(10), parse_math=False)
    _plain(axes, len(rows))
    axes.set_xlim(0, 1.08)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"], fontproperties=_face(9))
    said = [f"{fitting(legible(measure), 300, font(14)) or 'value'} (%)"]
    if any(intervals):
        said.append("whiskers: 95% intervals")
    if chance is not None and np.isfinite(chance):
        axes.axvline(chance, color=_ORANGE, linewidth=1.5, linestyle="--")
        said.append(f"dashed: chance, {100 * chance:.1f}")
    if left_out := len(values) - len(known):
        said.append(f"{counted(left_out, 'class', 'classes')} without a value left out")
    _word(axes.set_xlabel("; ".join(said)), 10)
    return _drawn(figure, title)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=_PAD, h_pad=_PAD)
    return figure, figure.add_subplot()


def _drawn(figure: Figure, title: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return framed(PIL.Image.fromarray(pixels).convert("RGB"), title)


def _plain(axes: Axes, rows: int) -> None:
    axes.set_ylim(max(1, rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color="#DEE2E6", linewidth=0.8)
    axes.set_axisbelow(True)


def _whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    for label in axes.get_xticklabels():
        label.set_fontproperties(_face(9))


def _face(size: float) -> FontProperties:
    from matplotlib.font_manager import FontProperties

    return FontProperties(fname=str(font_path()), size=size)


def _word(text: Text, size: float) -> None:
    text.set(fontproperties=_face(size), parse_math=False, color=_INK)


def _labels(names: Sequence[str], width: int, only: Sequence[int] | None = None) -> list[str]:
    """Names that the font can write, at most ``width`` pixels wide. Names at other places than ``only`` are empty."""
    drawn = range(len(names)) if only is None else set(only)
    face = font(14)
    return [fitting(class_label(names, place), width, face) if place in drawn else "" for place in range(len(names))]


def _pair(true: str, arrow: str, predicted: str) -> str:
    """One class, then the other, from left to right even if the names are written from right to left."""
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in true + predicted):
        return f"{_LEFT_TO_RIGHT}{true}{_LEFT_TO_RIGHT}{arrow}{_LEFT_TO_RIGHT}{predicted}"
    return f"{true}{arrow}{predicted}"


def _short(count: int) -> str:
    """A count in about four characters.

    >>> [_short(n) for n in (7, 9999, 12345, 3_000_000)]
    ['7', '9999', '12k', '3M']
    """
    if count < 10_000:
        return str(count)
    return f"{count / 1000:.0f}k" if count < 999_500 else f"{count / 1e6:.0f}M"
