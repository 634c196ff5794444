"""Places for workers on the nodes of a cluster, from what Ray says of them."""

from __future__ import annotations

from typing import Any

import pytest

from vlmbench.run.pool.arguments import PoolOptions
from vlmbench.run.pool.ray_crew.places import Place, places_of, read_nodes


def row(name: str, host: str, alive: bool = True, **has: float) -> dict[str, Any]:
    return {"NodeID": name, "NodeManagerHostname": host, "Alive": alive, "Resources": has}


def shape(places: list[Place]) -> list[tuple[str, int, float, float]]:
    return [(place.slot.node, place.slot.number, place.cpus, place.gpus) for place in places]


def test_dead_nodes_and_nodes_without_cores_have_no_places() -> None:
    nodes = read_nodes([row("b", "two", CPU=2.0), row("a", "one", alive=False, CPU=8.0), row("c", "head", memory=1.0)])
    assert shape(places_of(nodes, PoolOptions(), "auto")) == [("b", 0, 1.0, 0.0), ("b", 1, 1.0, 0.0)]


def test_each_gpu_is_a_place_and_nodes_without_one_are_left_out() -> None:
    nodes = read_nodes([row("a", "one", CPU=8.0, GPU=2.0), row("b", "two", CPU=64.0)])
    for device in ("auto", "cuda"):
        places = places_of(nodes, PoolOptions(), device)
        assert shape(places) == [("a", 0, 1.0, 1.0), ("a", 1, 1.0, 1.0)]
        assert [place.decoding for place in places] == [4, 4]
    assert len(places_of(nodes, PoolOptions(), "cpu")) == 72
    assert places_of(nodes[1:], PoolOptions(), "cuda") == []


@pytest.mark.parametrize("per_device", [2, 3, 7])
def test_workers_that_share_a_gpu_fit_on_it(per_device: int) -> None:
    nodes = read_nodes([row("a", "one", CPU=2.0, GPU=1.0)])
    places = places_of(nodes, PoolOptions(per_device=per_device), "auto")
    assert len(places) == per_device
    assert 0.99 < sum(place.gpus for place in places) <= 1.0
    assert sum(place.cpus for place in places) <= 2.0
    assert all(round(place.gpus * 10_000) == pytest.approx(place.gpus * 10_000) for place in places)


def test_threads_and_a_number_of_workers() -> None:
    nodes = read_nodes([row("a", "one", CPU=8.0), row("b", "two", CPU=8.0), row("c", "three", CPU=1.0)])
    places = places_of(nodes, PoolOptions(threads=4), "cpu")
    assert shape(places) == [
        ("a", 0, 4.0, 0.0),
        ("a", 1, 4.0, 0.0),
        ("c", 0, 1.0, 0.0),
        ("b", 0, 4.0, 0.0),
        ("b", 1, 4.0, 0.0),
    ]
    more = places_of(nodes, PoolOptions(workers=10), "cpu")
    assert len(more) == 12 and all(place.cpus <= 1.0 for place in more)
    assert sum(place.cpus for place in more if place.slot.node == "c") <= 1.0


def test_two_nodes_of_one_host_have_different_names() -> None:
    nodes = read_nodes([row("abcdefgh", "one", CPU=1.0), row("ijklmnop", "one", CPU=1.0), row("q", "two", CPU=1.0)])
    assert [place.slot.shown for place in places_of(nodes, PoolOptions(), "cpu")] == [
        "one (abcdef)",
        "one (ijklmn)",
        "two",
    ]
