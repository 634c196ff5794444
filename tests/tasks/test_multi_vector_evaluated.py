"""A model of several vectors through a whole run: its record, its place in the gate, and in memory."""

from __future__ import annotations

import pytest

import vlmbench
from vlmbench.gate.mismatches import mismatches
from vlmbench.records import Record
from vlmbench.testing import ToyVectors, toy_model


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Record]]:
    folder = tmp_path_factory.mktemp("runs")
    tasks = ["demo-scenes", "demo-retrieval"]
    found = {}
    for model in (
        ToyVectors(),
        ToyVectors(similarity="max over image vectors", ensemble="mean of vectors"),
        toy_model(),
    ):
        name = getattr(model, "similarity", "one vector")
        given = vlmbench.as_model(model)
        found[name] = list(vlmbench.evaluate(given, tasks, limit=12, results=folder / name))
    return found


def test_records_say_how_vectors_are_compared(records: dict[str, list[Record]]) -> None:
    for record in records["token-wise"]:
        assert record.task.protocol["similarity"] == "token-wise"
        assert (record.model.embedding_dim, record.model.logit_scale, record.model.logit_bias) == (8, 20.0, None)
        assert record.model.capabilities == ["MultiVectorEncoder"]
    assert all("similarity" not in record.task.protocol for record in records["one vector"])


def test_the_gate_compares_it_with_every_other_model(records: dict[str, list[Record]]) -> None:
    """The similarity belongs to the model, as its scale does; the question is the same."""
    for one in records.values():
        for other in records.values():
            for before, after in zip(one, other, strict=True):
                assert mismatches(before, after) == []
