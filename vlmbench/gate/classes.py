"""Finds changes of single classes: the floor (`max_class_drop`) under each class, and the classes that changed most.

``vlmbench compare`` uses it for every task with classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from vlmbench.gate.outcome import Check, ClassChange
from vlmbench.gate.policy import Amount, Evidence
from vlmbench.metrics.difference import Difference, holm
from vlmbench.metrics.tango import ROUNDING
from vlmbench.records import ClassResult
from vlmbench.wording import counted

SHOWN = 10
"""The number of classes to show in each direction."""
LEAST = 0.0005
"""The smallest change that is shown: smaller ones would print as 0.0 points."""
_NAMED = 3


def class_changes(before: Sequence[ClassResult], after: Sequence[ClassResult]) -> list[ClassChange]:
    """Each class's change, from the class tables of the records. Classes without a value on one side are left out.

    Two classes may have one name ("crane"), so classes are matched by index if both sides have the same number.
    """
    by_name = {result.name: result for result in after}
    partners = after if len(before) == len(after) else [by_name.get(result.name) for result in before]
    return [
        ClassChange(name=result.name, n=result.n, baseline=old, candidate=new, change=new - old)
        for result, partner in zip(before, partners, strict=True)
        if (old := _first(result)) is not None and partner is not None and (new := _first(partner)) is not None
    ]


def against_floor(
    classes: Sequence[tuple[str, int, Difference]],
    floor: Amount,
    evidence: Evidence,
    significance: float,
    *,
    tasks: int = 1,
) -> list[ClassChange]:
    """Each class's change, and whether it lost more than the floor allows.

    Args:
        classes: names, samples and differences (candidate - baseline, higher is better).
        floor: the largest allowed loss of a class.
        evidence: "significant": a class breaks the floor only if chance does not explain its loss, over all classes and
            tasks; "observed": it breaks the floor if it lost more in these samples.
        significance: for "significant".
        tasks: the number of tasks with a floor. Each gets an equal share of the significance (Bonferroni).
    """
    p_values = holm([difference.p_below(-floor.of(difference.baseline)) for _, _, difference in classes])
    return [
        ClassChange(
            name=name,
            n=n,
            baseline=difference.baseline,
            candidate=difference.candidate,
            change=difference.value,
            p_worse=min(1.0, tasks * p),
            broken=not difference.rounding
            and _is_beyond(difference.value, difference.baseline, floor)
            and (evidence == "observed" or tasks * p <= significance),
        )
        for (name, n, difference), p in zip(classes, p_values, strict=True)
    ]


def floor_check(changes: Sequence[ClassChange], floor: Amount) -> Check:
    """Whether every class stayed above the floor."""
    broken = sorted((change for change in changes if change.broken), key=lambda change: change.change)
    limit = _amount(floor)
    if not changes:
        return Check(demand="max_class_drop", met=True, message="the task has no classes with results")
    if not broken:
        unsure = sum(_is_beyond(change.change, change.baseline, floor) for change in changes)
        lost = f" beyond chance; {counted(unsure, 'class', 'classes')} did, but with too few samples to exclude chance"
        but = lost if unsure else ""
        return Check(demand="max_class_drop", met=True, message=f"no class lost more than {limit}{but}")
    named = ", ".join(f"{change.name} ({100 * change.change:+.1f})" for change in broken[:_NAMED])
    more = f" and {len(broken) - _NAMED:,} more" if len(broken) > _NAMED else ""
    return Check(
        demand="max_class_drop",
        met=False,
        message=f"{len(broken):,} of {len(changes):,} classes lost more than {limit}: {named}{more}",
        limit=floor.absolute or floor.relative,
        found=-broken[0].change,
    )


def most_changed(changes: Sequence[ClassChange]) -> list[ClassChange]:
    """The classes that broke a floor, and those that lost or gained most: the largest loss first, gains last."""
    moved = [change for change in changes if abs(change.change) >= LEAST]
    ordered = sorted(moved, key=lambda change: (change.change, change.name))
    losses = [change for change in ordered if change.change < 0]
    gains = [change for change in ordered if change.change > 0]
    kept = [change for place, change in enumerate(losses) if place < SHOWN or change.broken]
    return kept + gains[-SHOWN:]


def _is_beyond(change: float, baseline: float, floor: Amount) -> bool:
    """Whether the loss in these samples exceeds the floor, apart from rounding (0.7 - 0.75 is a loss of 0.05)."""
    return change < -floor.of(baseline) - ROUNDING


def _first(result: ClassResult) -> float | None:
    return next(iter(result.values.values()), None)


def _amount(amount: Amount) -> str:
    parts = [f"{100 * amount.absolute:g} points"] if amount.absolute or not amount.relative else []
    if amount.relative:
        parts.append(f"{100 * amount.relative:g}% of the baseline")
    return " or ".join(parts)
