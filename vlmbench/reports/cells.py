"""Defines the cells of a table: text, or a number with its origin, interval and notes.

The builders of tables make them, and the formats, the site and the data frames write them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Origin = Literal["measured", "published", "imported"]
Status = Literal["", "failed", "unsupported"]
Unit = Literal["fraction", "rank", "points"]

DASH = "–"
"""Stands for a value that is not known. It is never a zero."""
SIGNS: dict[Origin, str] = {"measured": "●", "published": "○", "imported": "◇"}
"""The sign of each origin; it works without colours."""
ORIGINS: dict[Origin, str] = {
    "measured": "measured here",
    "published": "published",
    "imported": "imported from another program's file",
}


@dataclass(frozen=True)
class Label:
    """A text with its footnotes.

    Attributes:
        text: the text.
        notes: its footnotes.
        origin: the origin of its row's numbers, shown as a sign before the text.
        tone: how it is coloured: "quiet" for less important text, "bad" for a warning, "good" for a good result, "open"
            for an undecided one.
    """

    text: str
    notes: tuple[str, ...] = ()
    origin: Origin | None = None
    tone: Literal["", "quiet", "bad", "good", "open"] = ""


@dataclass(frozen=True)
class Score:
    """One number of one model, or the reason why it is missing.

    Attributes:
        value: a fraction in [0, 1], a rank from 1, or percentage points; None if it is missing.
        interval: its 95% interval.
        origin: measured, published or imported.
        unit: the unit of the value.
        source: where a published or imported number is from.
        notes: what a reader must know; shown as footnotes.
        question: only numbers with the same question are ranked together.
        comparable: whether it may be ranked and averaged with its column; if not, a note says why.
        status: why the value is missing: the pair failed, or the model cannot be asked.
        place: 1 for the best of its column, 2 for the second, 0 for all others.
        higher_is_better: the metric's direction.
        digits: how many decimals are shown.
        spread_shown: whether the interval's half-width is shown beside the value.
        signed: whether a plus sign is shown, as for a difference.
    """

    value: float | None
    interval: tuple[float, float] | None = None
    origin: Origin = "measured"
    unit: Unit = "fraction"
    source: str = ""
    notes: tuple[str, ...] = ()
    question: str = ""
    comparable: bool = True
    status: Status = ""
    place: Literal[0, 1, 2] = 0
    higher_is_better: bool = True
    digits: int = 1
    spread_shown: bool = True
    signed: bool = False

    @property
    def text(self) -> str:
        """The number as people read it: percent, or "rank 3.0"; without a value the status or a dash."""
        if self.value is None:
            return self.status or DASH
        return number(self.value, self.unit, self.digits, signed=self.signed)

    @property
    def spread(self) -> str:
        """ "±0.4": the larger half of the interval, so that value ± spread always covers it; "" without an interval."""
        if self.value is None or self.interval is None or not self.spread_shown:
            return ""
        half = max(self.interval[1] - self.value, self.value - self.interval[0], 0.0)
        return f"±{number(half, 'fraction' if self.unit == 'fraction' else 'points', self.digits)}"


Cell: TypeAlias = str | Label | Score


def plain(cell: Cell) -> str:
    """A cell's text without marks."""
    return cell if isinstance(cell, str) else cell.text


def signed(cell: Cell) -> str:
    """A cell's text, after the sign of its origin if it has one."""
    if isinstance(cell, Label) and cell.origin:
        return f"{SIGNS[cell.origin]} {cell.text}"
    return plain(cell)


def number(value: float, unit: Unit = "fraction", digits: int = 1, *, signed: bool = False) -> str:
    """A value in its unit: percent without the % sign, a rank with the word "rank", or plain points.

    >>> number(0.7626), number(31.95, "rank"), number(-0.012, signed=True)
    ('76.3', 'rank 31.9', '-1.2')
    """
    sign_wanted = "+" if signed else ""
    if unit == "fraction":
        return f"{100 * value:{sign_wanted}.{digits}f}"
    if unit == "rank":
        return f"rank {value:{sign_wanted},.{digits}f}"
    return f"{value:{sign_wanted},.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as percent; a dash for None."""
    return DASH if value is None else number(value, "fraction", digits)
