"""Classes: a floor under each, and those that changed most."""

from __future__ import annotations

from collections.abc import Sequence

from vlmbench.gate.comparison import Check, ClassChange
from vlmbench.gate.policy import Amount, Evidence
from vlmbench.metrics.difference import Difference, holm
from vlmbench.records import ClassResult

SHOWN = 10
"""Classes that are shown of each direction."""
LEAST = 0.0005
"""A change that is not shown as 0.0 points."""
_NAMED = 3


def class_changes(before: Sequence[ClassResult], after: Sequence[ClassResult]) -> list[ClassChange]:
    """Each class's change, from the records' own class results; classes that one side cannot measure have none."""
    measured = {result.name: _first(result) for result in after}
    return [
        ClassChange(name=result.name, n=result.n, baseline=old, candidate=new, change=new - old)
        for result in before
        if (old := _first(result)) is not None and (new := measured.get(result.name)) is not None
    ]


def against_floor(
    classes: Sequence[tuple[str, int, Difference]],
    floor: Amount,
    evidence: Evidence,
    significance: float,
) -> list[ClassChange]:
    """Each class's change, and whether it lost more than the floor allows.

    Args:
        classes: names, samples and differences (candidate - baseline, higher is better).
        floor: what a class may lose.
        evidence: "significant": a class has lost more only where that is no chance, over all classes together (Holm);
            "observed": where it has in these samples.
        significance: of the first kind.
    """
    p_values = holm([difference.p_below(-floor.of(difference.baseline)) for _, _, difference in classes])
    return [
        ClassChange(
            name=name,
            n=n,
            baseline=difference.baseline,
            candidate=difference.candidate,
            change=difference.value,
            p_worse=p,
            broken=difference.value < -floor.of(difference.baseline) and (evidence == "observed" or p <= significance),
        )
        for (name, n, difference), p in zip(classes, p_values, strict=True)
    ]


def floor_check(changes: Sequence[ClassChange], floor: Amount) -> Check:
    """Whether every class kept to the floor."""
    broken = sorted((change for change in changes if change.broken), key=lambda change: change.change)
    limit = _amount(floor)
    if not broken:
        return Check(demand="max_class_drop", met=True, message=f"no class lost more than {limit}")
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
    """Those that broke a floor, and those that lost and gained most; the greatest loss first, gains last."""
    moved = [change for change in changes if abs(change.change) >= LEAST]
    ordered = sorted(moved, key=lambda change: (change.change, change.name))
    losses = [change for change in ordered if change.change < 0]
    gains = [change for change in ordered if change.change > 0]
    broken = {change.name for change in losses if change.broken}
    kept = [change for place, change in enumerate(losses) if place < SHOWN or change.name in broken]
    return kept + gains[-SHOWN:]


def _first(result: ClassResult) -> float | None:
    return next(iter(result.values.values()), None)


def _amount(amount: Amount) -> str:
    parts = [f"{100 * amount.absolute:g} points"] if amount.absolute or not amount.relative else []
    if amount.relative:
        parts.append(f"{100 * amount.relative:g}% of the baseline")
    return " or ".join(parts)
