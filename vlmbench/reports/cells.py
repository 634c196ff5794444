"""The cells of a table: text, or a number that knows where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Origin = Literal["measured", "published", "imported"]
Status = Literal["", "failed", "unsupported"]
Unit = Literal["fraction", "rank", "points"]

DASH = "–"
"""What is not known. Never a zero."""
SIGNS: dict[Origin, str] = {"measured": "●", "published": "○", "imported": "◇"}
"""How origins are told apart, with and without colours."""
ORIGINS: dict[Origin, str] = {
    "measured": "measured here",
    "published": "published",
    "imported": "imported from another program's file",
}


@dataclass(frozen=True)
class Label:
    """Text with what belongs to it.

    Attributes:
        text: what is shown.
        notes: footnotes.
        origin: where its row's numbers come from; shown as a sign before the text.
        tone: "quiet" recedes, "bad" warns, "good" is what one hopes for, "open" is neither.
    """

    text: str
    notes: tuple[str, ...] = ()
    origin: Origin | None = None
    tone: Literal["", "quiet", "bad", "good", "open"] = ""


@dataclass(frozen=True)
class Score:
    """One number of one model, or why there is none.

    Attributes:
        value: a fraction in [0, 1], a rank from 1, or percentage points; None where there is none.
        interval: its 95% interval.
        origin: measured, published or imported.
        unit: of the value.
        source: of a number that is not measured.
        notes: what a reader must know; shown as footnotes.
        question: only numbers of one question are ranked together.
        comparable: it may be ranked and averaged with its column; where not, a note says why.
        status: why there is no value: the pair failed, or the model cannot be asked.
        place: 1 for the best of its column, 2 for the second, 0 for others and where nothing was compared.
        higher_is_better: the direction.
        digits: decimals shown.
        spread_shown: the interval's half-width stands beside the value.
        signed: a difference, with its sign.
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
        """The number as people read it: percent, or a rank that says so; a word or a dash where there is none."""
        if self.value is None:
            return self.status or DASH
        return number(self.value, self.unit, self.digits, signed=self.signed)

    @property
    def spread(self) -> str:
        """ "±0.4": the larger half of the interval, so that value ± spread always covers it; "" without one."""
        if self.value is None or self.interval is None or not self.spread_shown:
            return ""
        half = max(self.interval[1] - self.value, self.value - self.interval[0], 0.0)
        return f"±{number(half, 'fraction' if self.unit == 'fraction' else 'points', self.digits)}"


Cell: TypeAlias = str | Label | Score


def plain(cell: Cell) -> str:
    """A cell's words without its marks."""
    return cell if isinstance(cell, str) else cell.text


def signed(cell: Cell) -> str:
    """A cell's words with the sign of its origin, where it has one."""
    if isinstance(cell, Label) and cell.origin:
        return f"{SIGNS[cell.origin]} {cell.text}"
    return plain(cell)


def number(value: float, unit: Unit = "fraction", digits: int = 1, *, signed: bool = False) -> str:
    """A value in its unit: percent without its sign, a rank that says it is one, or points as they are.

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
    """A fraction as percent, a dash where there is none."""
    return DASH if value is None else number(value, "fraction", digits)
