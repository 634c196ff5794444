"""Divides the nodes of a Ray cluster into places for workers: one for each GPU, or else one for each processor core."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any

from vlmbench.run.pool.arguments import PoolOptions
from vlmbench.run.pool.crew import Slot


@dataclass(frozen=True)
class RayNode:
    """A node of a cluster that is alive.

    Attributes:
        cpus: the processor cores that Ray gives to actors.
        gpus: the GPUs that Ray gives to actors.
    """

    id: str
    host: str
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Place:
    """What the worker of a slot gets.

    Attributes:
        cpus: what its actor takes of its node's cores. Other users of the cluster do not get them.
        gpus: what its actor takes of its node's GPUs; below 1 if workers share one.
        decoding: the threads that decode images.
    """

    slot: Slot
    cpus: float
    gpus: float
    decoding: int


def read_nodes(table: Iterable[Mapping[str, Any]]) -> list[RayNode]:
    """The nodes that are alive, in a fixed order.

    Args:
        table: what ``ray.nodes()`` returns.
    """
    nodes = []
    for row in table:
        if row["Alive"]:
            has = row["Resources"]
            nodes.append(
                RayNode(row["NodeID"], row["NodeManagerHostname"], float(has.get("CPU", 0)), float(has.get("GPU", 0)))
            )
    return sorted(nodes, key=lambda node: (node.host, node.id))


def places_of(nodes: Sequence[RayNode], options: PoolOptions, device: str) -> list[Place]:
    """The places for workers.

    If a node has GPUs and the device may be one, nodes without GPUs get no workers.

    >>> nodes = [RayNode("ab12", "one", 8, 2), RayNode("cd34", "two", 4, 0)]
    >>> [(place.slot.shown, place.gpus, place.decoding) for place in places_of(nodes, PoolOptions(), "auto")]
    [('one', 1.0, 4), ('one', 1.0, 4)]
    >>> len(places_of(nodes, PoolOptions(threads=4), "cpu"))
    3
    """
    on_gpus = device.startswith("cuda") or (device == "auto" and any(node.gpus >= 1 for node in nodes))
    used = [node for node in nodes if (node.gpus >= 1 if on_gpus else node.cpus > 0)]
    named = Counter(node.host for node in used)
    places = []
    for node in used:
        shown = node.host if named[node.host] == 1 else f"{node.host} ({node.id[:6]})"
        count = int(node.gpus) * options.per_device if on_gpus else _by_cores(node, len(used), options)
        for number in range(count):
            places.append(
                Place(
                    slot=Slot(node.id, number, shown),
                    cpus=_share(min(options.threads, node.cpus / count)),
                    gpus=_share(1 / options.per_device) if on_gpus else 0.0,
                    decoding=max(options.threads, int(node.cpus) // count),
                )
            )
    return places


def _by_cores(node: RayNode, nodes: int, options: PoolOptions) -> int:
    """The number of workers of a node without GPUs."""
    if options.workers is not None:
        return -(-options.workers // nodes)
    return max(1, int(node.cpus) // options.threads)


def _share(amount: float) -> float:
    """An amount that Ray accepts: it counts in ten-thousandths, and takes whole numbers above 1."""
    return float(int(amount)) if amount >= 1 else floor(amount * 10_000) / 10_000
