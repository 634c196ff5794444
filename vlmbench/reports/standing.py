"""Says whether the numbers of an adapted model may be ranked, and what a reader must know beside them.

All tables of adapted models use it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vlmbench.asked import remarks_of
from vlmbench.records import Summary
from vlmbench.remarks.codes import TRANSFER
from vlmbench.wording import counted, listed

LEAKY = "its settings were chosen on the test images"
"""A footnote of the leaky track, beside its name."""
LEAKY_TRACK = "leaky"


@dataclass(frozen=True)
class Standing:
    """How a number stands among others.

    Attributes:
        comparable: it may be ranked with numbers of the same model, task and track.
        notes: its footnotes.
    """

    comparable: bool
    notes: tuple[str, ...] = ()


def standing(track: str, draws: int, unranked: tuple[str, ...] = ()) -> Standing:
    """Whether a mean over draws is ranked.

    Args:
        unranked: see :func:`unranked_of`.

    >>> standing("no-validation", 3), standing("leaky", 3).comparable
    (Standing(comparable=True, notes=()), False)
    >>> standing("no-validation", 1, ("4 of 10 samples",)).notes
    ('1 draw: the interval covers samples only', 'not ranked: 4 of 10 samples')
    """
    few = () if draws > 1 else (f"{counted(1, 'draw')}: the interval covers samples only",)
    why = (f"not ranked: {listed(unranked, most=3)}",) if unranked else ()
    return Standing(track != LEAKY_TRACK and not unranked, (*few, *why))


def unranked_of(records: Iterable[Summary]) -> tuple[str, ...]:
    """Remarks that leave records out of rankings, beyond the one that says that the model was adapted."""
    found = (remark for record in records for remark in remarks_of(record))
    return tuple(dict.fromkeys(each.brief for each in found if each.unranked and each.code != TRANSFER.name))
