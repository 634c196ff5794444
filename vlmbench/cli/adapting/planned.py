"""Prints a plan without running it: pairs, data, and what adapting models takes. ``run --dry-run`` uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vlmbench.cli.console import print_line, print_table
from vlmbench.errors import LONGEST_IN_TABLE, first_line
from vlmbench.reports.table_data import Column, Table
from vlmbench.wording import counted

if TYPE_CHECKING:
    from vlmbench.run.opened import OpenedTask
    from vlmbench.run.plan import Plan
    from vlmbench.run.shards import Shard


def plan_table(plan: Plan) -> Table:
    """One row for each pair."""
    adapts = any(task.options.transfer.adapts for task in plan.tasks)
    columns = [Column("model"), Column("task"), *([Column("adapted with")] if adapts else [])]
    columns += [Column("samples", "right"), Column("data")]
    rows = [
        [model.name, task.card.name, *([_adapted(task)] if adapts else []), *_data(task)]
        for model, task in map(plan.pair, sorted(plan.pairs))
    ]
    return Table("Plan", columns, rows, [])


def shard_line(shard: Shard) -> str:
    """Says which part of the plan is run."""
    which = f"shard {shard.number:,} of {shard.of:,}"
    if not shard.pairs:
        return f"{which} is empty: the plan has {counted(shard.of_pairs, 'pair')}; nothing to do"
    return f"{which}: {len(shard.pairs):,} of the plan's {counted(shard.of_pairs, 'pair')}"


def show_transfer_cost(plan: Plan) -> None:
    """Print how many models would be adapted, and how many support images would be encoded for it at most."""
    adapted = [task for task in plan.tasks if task.options.transfer.adapts and task.question is not None]
    if not adapted:
        return
    fits = {(_learnt_from(task), repr(task.options.transfer)) for task in adapted}
    images = {
        (_learnt_from(task), task.options.transfer.shots, task.options.transfer.draw): _support_images(task)
        for task in adapted
    }
    print_line(
        f"{counted(len(fits) * len(plan.models), 'model')} to adapt; at most "
        f"{counted(sum(images.values()), 'support image')} to encode with each of "
        f"{counted(len(plan.models), 'model')}. Features in the cache are not encoded again.",
        style="dim",
    )
    if (table := _cost_table(adapted)).rows:
        print_line("")
        print_table(table)


def _cost_table(adapted: Sequence[OpenedTask]) -> Table:
    """About what methods that work with the towers take, for each model. Methods on features have no row."""
    from vlmbench.transfer import METHODS
    from vlmbench.transfer.base import PlannedCost, PlansCost

    found: dict[str, list[PlannedCost]] = {}
    for task in adapted:
        asked, question = task.options.transfer, task.question
        method = METHODS.get(asked.method)
        if isinstance(method, PlansCost) and question is not None:
            images, test, classes = _support_images(task), len(question.indices), _learnt_classes(task)
            cost = method.planned(images, test, classes, asked.shots, asked.options)
            found.setdefault(asked.method, []).append(cost)
    columns = [Column("method"), *(Column(name, "right") for name in ("runs", "steps", "images", "texts"))]
    rows = [
        [name, f"{len(costs)}", *(f"{sum(getattr(cost, part) for cost in costs):,}" for part in _PARTS)]
        for name, costs in found.items()
    ]
    return Table("About what methods send through the towers, for each model", columns, rows, [])


_PARTS = ("steps", "images", "texts")


def _learnt_classes(task: OpenedTask) -> int:
    """C, the number of classes that are learnt or scored."""
    from vlmbench.tasks.classification.adapted import AdaptedQuestion

    question: object = task.question
    return len(question.learnt.class_names) if isinstance(question, AdaptedQuestion) else 0


def _learnt_from(task: OpenedTask) -> str:
    """The task whose train data is learnt. Tasks that learn from the same one share what is learnt."""
    source = task.options.transfer.source
    return task.card.name if source is None else source.name


def _support_images(task: OpenedTask) -> int:
    """K images of each class, at most."""
    from vlmbench.tasks.classification.adapted import AdaptedQuestion

    question: object = task.question
    if not isinstance(question, AdaptedQuestion) or question.data is None:
        return 0
    shots = task.options.transfer.shots
    return sum(min(shots, len(pool)) for pool in question.data.train.by_class.values())


def _adapted(task: OpenedTask) -> str:
    from vlmbench.record_parts.transfer import USUAL_SETTING, USUAL_TRACK

    asked = task.options.transfer
    shots = f", {asked.shots}-shot, draw {asked.draw}" if asked.shots else ""
    track = "" if asked.track == USUAL_TRACK else f", {asked.track}"
    setting = "" if asked.setting == USUAL_SETTING else f", {asked.setting}"
    source = "" if asked.source is None else f", from {asked.source.name}"
    return f"{asked.method}{shots}{track}{setting}{source}" if asked.adapts else "–"


def _data(task: OpenedTask) -> list[str]:
    """How many samples are scored, and where they are; or why not."""
    from vlmbench.tasks.subset import drawn

    if task.question is None:
        return ["–", first_line(task.problem.message, most=LONGEST_IN_TABLE) if task.problem else ""]
    info, scored = task.question.dataset.info, len(task.question.indices)
    there = len(task.question.dataset.samples)
    how = drawn(task.question.dataset.samples, task.options)
    return [f"{scored:,} of {there:,} {how}" if how else f"{scored:,}", f"{info.kind}: {info.location}"]
