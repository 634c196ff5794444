"""Divides a plan into shards: parts for runs that know nothing of each other, such as those of a job array.

A shard is a row of pairs that follow each other, models first, so that few of its models are loaded twice. The parts
depend on the names, the cards and the options alone, so they are the same on every machine.
:mod:`vlmbench.run.plan` uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

from vlmbench.cards import ModelCard
from vlmbench.errors import UsageError
from vlmbench.run.names import AskedTask
from vlmbench.transfer.asked import TransferAsked


@dataclass(frozen=True)
class Shard:
    """A part of a plan.

    Attributes:
        number: from 1.
        of: the number of parts.
        pairs: the numbers of its pairs, among the models and tasks of this part.
        of_pairs: the number of pairs of the whole plan.
        of_models: the number of models of the whole plan.
    """

    number: int
    of: int
    pairs: tuple[int, ...]
    of_pairs: int
    of_models: int


def check_shard(shard: tuple[int, int]) -> None:
    """Refuse a shard that no plan has.

    Raises:
        UsageError: it is not (i, N) with whole numbers, 1 ≤ i ≤ N.
    """
    whole = isinstance(shard, tuple) and len(shard) == 2 and all(type(number) is int for number in shard)
    if not whole or not 1 <= shard[0] <= shard[1]:
        said = "/".join(map(str, shard)) if whole else repr(shard)
        raise UsageError(
            f"a shard is i/N, the part i of N parts, counted from 1, not {said}",
            hint="For the first of four parts: --shard 1/4, or shard=(1, 4) in Python.",
        )


def job_order(models: int, transfers: Sequence[TransferAsked]) -> tuple[int, ...]:
    """The numbers of all pairs in the order of their work, models first.

    Tasks that one fit to another task's data answers follow each other, so that it is learnt once.

    Args:
        models: how many models there are.
        transfers: how models are adapted for each task.
    """
    tasks: Sequence[int] = range(len(transfers))
    if any(transfer.source for transfer in transfers):
        first: dict[str, int] = {}
        places = [first.setdefault(repr(transfer), len(first)) for transfer in transfers]
        tasks = sorted(tasks, key=lambda task: places[task])
    return tuple(model * len(transfers) + task for model in range(models) for task in tasks)


def part_of(
    models: Sequence[ModelCard], tasks: Sequence[AskedTask], number: int, of: int
) -> tuple[tuple[ModelCard, ...], tuple[AskedTask, ...], Shard]:
    """The models and tasks of one shard of a plan, and its pairs. A shard may be empty.

    Args:
        number: of the shard, from 1.
        of: the number of shards.
    """
    order = job_order(len(models), [task.options.transfer for task in tasks])
    costs = _costs(tasks)
    parts = max(1, min(of, len(order)))  # the parts after these are empty
    bounds = divided([costs[pair % len(tasks)] for pair in order], parts)
    chosen = order[bounds[number - 1] : bounds[number]] if number <= parts else ()
    own_models = {place: row for row, place in enumerate(sorted({pair // len(tasks) for pair in chosen}))}
    own_tasks = {place: column for column, place in enumerate(sorted({pair % len(tasks) for pair in chosen}))}
    pairs = tuple(own_models[pair // len(tasks)] * len(own_tasks) + own_tasks[pair % len(tasks)] for pair in chosen)
    return (
        tuple(models[place] for place in own_models),
        tuple(tasks[place] for place in own_tasks),
        Shard(number, of, pairs, len(order), len(models)),
    )


def _costs(tasks: Sequence[AskedTask]) -> list[int]:
    """How many samples each task has by its card and the user's limit; if unknown, the median of the known."""
    samples = [task.card.samples for task in tasks]
    known = [number for number in samples if number is not None]
    usual = median_low(known) if known else 1
    found = [usual if number is None else number for number in samples]
    limits = [task.options.limit for task in tasks]
    return [cost if limit is None else max(1, min(cost, limit)) for cost, limit in zip(found, limits, strict=True)]


def divided(costs: Sequence[int], parts: int) -> list[int]:
    """Where to divide a row so that the largest part is as small as possible. No part is empty unless there are fewer
    items than parts.

    Args:
        costs: of each item, at least 1.

    Returns:
        ``parts + 1`` places; the part i is ``costs[places[i] : places[i + 1]]``.

    >>> divided([5, 1, 1, 1], 2), divided([1, 1, 1, 1], 3), divided([9], 3)
    ([0, 1, 4], [0, 2, 3, 4], [0, 1, 1, 1])
    """
    least, most = max(costs, default=0), sum(costs)
    while least < most:  # the smallest size with which the row fits into the parts
        size = (least + most) // 2
        least, most = (least, size) if len(_filled(costs, size, parts)) <= parts + 1 else (size + 1, most)
    places = _filled(costs, least, parts)
    return places + [len(costs)] * (parts + 1 - len(places))


def _filled(costs: Sequence[int], size: int, parts: int) -> list[int]:
    """Fill one part after the other up to a size. A part ends early if the others would otherwise be empty."""
    places, held = [0], 0
    for place, cost in enumerate(costs):
        left = parts - len(places)  # the parts after this one
        if held and (held + cost > size or len(costs) - place <= left):
            places.append(place)
            held = 0
        held += cost
    return [*places, len(costs)] if costs else places
