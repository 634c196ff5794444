"""A method that uses a second model: it is loaded once and is in the record; its weights are part of the run's id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_adapter
import yaml

from vlmbench.cards import ModelCard
from vlmbench.errors import UnknownNameError, UsageError
from vlmbench.gate.mismatches import mismatches
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.transfer.every import every_transfer

SEED = [7]
"""The seed of the weights of ``changing:NAME``."""
LOADED: list[str] = []


def load(card: ModelCard, options: LoadOptions) -> toy_adapter.FlawedToy:
    """A toy whose weights change though its card stays."""
    LOADED.append(card.name)
    return toy_adapter.FlawedToy(card, seed=SEED[0])


def weights(seed: int) -> str:
    return toy_adapter.FlawedToy(ModelCard(name="x", adapter="toy"), seed=seed).identity.weights_sha256


@pytest.fixture(autouse=True)
def adapter() -> Iterator[None]:
    before = dict(ADAPTERS._entries), dict(ADAPTERS._origin)
    ADAPTERS.register("changing", load)
    SEED[0] = 7
    LOADED.clear()
    yield
    ADAPTERS._entries, ADAPTERS._origin = before


@pytest.fixture
def request_(make_folder: Callable[..., Path], tmp_path: Path) -> RunRequest:
    test = make_folder({"cat": 4, "dog": 3, "bird": 5}, "test")
    train = make_folder({"cat": 6, "dog": 5, "bird": 7}, "train", seed=1)
    card = {
        "name": "few",
        "sources": [{"kind": "imagefolder", "location": str(test)}],
        "train": [{"kind": "imagefolder", "location": str(train)}],
    }
    (tmp_path / "few.yaml").write_text(yaml.safe_dump(card))
    return RunRequest(("toy:a",), (str(tmp_path / "few.yaml"),), tmp_path / "runs", device="cpu", use_cache=False)


def carried_out(request: RunRequest, other: str, **options: Any) -> list[PairResult]:
    settings = {"other": other, "epochs": 5, **options}
    transfers = every_transfer(("svl-adapter",), (1, 2), (0, 1), track="no-validation", options=settings)
    request = replace(request, transfers=transfers)
    return execute(make_plan(request), request, NotesAsWarnings())


def test_the_other_model_is_loaded_once_and_is_in_the_record(request_: RunRequest) -> None:
    results = carried_out(request_, "changing:b")
    assert [result.status for result in results] == ["done"] * 4 and LOADED == ["changing:b"]
    for result in results:
        assert result.record is not None and result.record.transfer is not None
        told = result.record.transfer
        assert told.cost.other_models == ["changing:b"]
        assert told.other_weights == {"changing:b": weights(7)}
        assert told.options["other"] == "changing:b" and 0 < told.options["alpha"] < 1


def test_other_weights_under_the_same_name_are_another_run(request_: RunRequest) -> None:
    first = carried_out(request_, "changing:b")
    assert [result.status for result in carried_out(request_, "changing:b")] == ["found"] * 4
    SEED[0] = 8
    second = carried_out(request_, "changing:b")
    assert [result.status for result in second] == ["done"] * 4
    ids = {result.record.id for result in (*first, *second) if result.record}
    assert len(ids) == 8
    for results, seed in ((first, 7), (second, 8)):
        told = [r.record.transfer.other_weights for r in results if r.record and r.record.transfer]
        assert told == [{"changing:b": weights(seed)}] * 4
    assert first[0].record and second[0].record
    assert [found.field for found in mismatches(first[0].record, second[0].record)] == ["transfer.other_weights"]
    assert not mismatches(first[0].record, first[0].record)


def test_a_model_can_stand_beside_itself_and_is_loaded_once(request_: RunRequest) -> None:
    results = carried_out(replace(request_, models=("changing:b",)), "changing:b")
    assert [result.status for result in results] == ["done"] * 4 and LOADED == ["changing:b"]


def test_every_model_of_a_run_gets_the_other_model(request_: RunRequest) -> None:
    results = carried_out(replace(request_, models=("toy:a", "toy:bb")), "changing:b")
    assert [result.status for result in results] == ["done"] * 8


def test_a_cache_holds_the_features_of_both(
    request_: RunRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / "cache"))
    cached = replace(request_, use_cache=True, models=("changing:a", "changing:b"))
    first = carried_out(cached, "changing:b")
    again = carried_out(replace(cached, results=tmp_path / "again"), "changing:b")
    for one, other in zip(first, again, strict=True):
        assert one.record and other.record and one.record.metrics == other.record.metrics
        assert one.record.id == other.record.id and not other.record.run.cache.image_misses


def test_a_model_that_is_not_there_is_refused_before_the_run(request_: RunRequest) -> None:
    with pytest.raises(UnknownNameError, match="unknown model 'changing-b'"):
        carried_out(request_, "changing-b")
    with pytest.raises(UsageError, match="option other: name a second model"):
        carried_out(request_, "")
    with pytest.raises(UsageError, match=r"'\*clip\*' names \d+ models, but a method uses one beside"):
        carried_out(request_, "*clip*")


def test_a_model_that_cannot_be_loaded_fails_its_pairs(request_: RunRequest) -> None:
    results = carried_out(request_, "toy:b@missing")
    assert [result.status for result in results] == ["failed"] * 4
    assert all(result.failure and result.failure.message == "the toy has no weights" for result in results)


@pytest.mark.parametrize("other", ["unheard-of", "*"])
def test_a_message_about_the_other_model_names_the_option(request_: RunRequest, other: str) -> None:
    with pytest.raises(UsageError) as told:
        carried_out(request_, other)
    assert told.value.message.startswith("--option other: ") and other in told.value.message
