"""A transfer method from outside: found by name, used by a whole run, named in the record, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import toy_adapter
import yaml

from vlmbench.answers.paired_metric import measured
from vlmbench.answers.tables import read_answers
from vlmbench.asked import remarks_of
from vlmbench.errors import UnknownNameError, UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.models.base import DenseEncoder
from vlmbench.prompts import PromptSet
from vlmbench.reports.entries import newest
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.base import FewShot, LinearClassifier, Reads
from vlmbench.transfer.methods.zero_shot import METHOD

assert toy_adapter.LOADED is not None


@dataclass(frozen=True)
class LastClass:
    """Zero-shot, but the last class always wins."""

    name: str = "last-class"
    version: int = 1
    needs: frozenset[type] = frozenset()
    reads: Reads = "features"
    scores_new_classes: bool = False

    def fit(self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: Mapping[str, Any]) -> Biased:
        assert support == FewShot() and not options
        return Biased(METHOD.fit(engine, support, prompts, options))


@dataclass(frozen=True)
class Biased:
    head: LinearClassifier
    scale: float = 5.0

    def logits(self, inputs):  # type: ignore[no-untyped-def]
        found = self.head.logits(inputs)
        found[:, -1] += 10
        return found


@pytest.fixture(autouse=True)
def methods() -> Iterator[None]:
    before = dict(METHODS._entries), dict(METHODS._origin)
    for method in (
        LastClass(),
        LastClass(name="of-sounds", reads="sounds"),  # type: ignore[arg-type]
        LastClass(name="dense", needs=frozenset({DenseEncoder})),
    ):
        METHODS.register(method.name, method)
    yield
    METHODS._entries, METHODS._origin = before


@pytest.fixture
def request_(make_folder: Callable[..., Path], tmp_path: Path) -> RunRequest:
    folder = make_folder({"cat": 4, "dog": 3, "bird": 5})
    return RunRequest(("toy:a",), (f"imagefolder:{folder}",), tmp_path / "runs", device="cpu", use_cache=False)


def with_method(request: RunRequest, name: str) -> RunRequest:
    return replace(request, options=TaskOptions(transfer=TransferAsked(name)))


def only(request: RunRequest) -> PairResult:
    (result,) = execute(make_plan(request), request, NotesAsWarnings())
    return result


def test_the_method_answers_and_is_in_the_record(request_: RunRequest) -> None:
    plain, biased = only(request_), only(with_method(request_, "last-class"))
    assert plain.record is not None and biased.record is not None and biased.path is not None
    assert "transfer" not in plain.record.task.protocol
    asked = {"shots": 0, "draw": 0, "track": "no-validation", "method_options": {}}
    own = {"transfer": "last-class", "head": "last-class", "confidence": "softmax of logits", **asked}
    assert biased.record.task.protocol == {**plain.record.task.protocol, **own}
    assert biased.record.id != plain.record.id
    top = pq.read_table(biased.path.with_suffix(".parquet"))["top"].to_pylist()
    assert {row[0] for row in top} == {2} and biased.record.metrics["acc1"].value == pytest.approx(3 / 12)
    assert only(with_method(request_, "last-class")).status == "found"


def test_another_version_of_a_method_is_another_run(request_: RunRequest) -> None:
    first = only(with_method(request_, "last-class"))
    METHODS._entries["last-class"] = LastClass(version=2)
    second = only(with_method(request_, "last-class"))
    assert second.status == "done" and first.record and second.record and first.record.id != second.record.id


def test_no_zero_shot_table_ranks_a_transfer_record(request_: RunRequest) -> None:
    plain, biased = only(request_), only(with_method(request_, "last-class"))
    assert plain.record is not None and biased.record is not None
    assert [remark.brief for remark in remarks_of(biased.record) if remark.unranked] == ["transfer last-class"]
    assert not [remark for remark in remarks_of(plain.record) if remark.text.startswith("transfer")]
    assert newest([plain.record, biased.record]) == [plain.record, biased.record], "both are shown"


def test_a_classifiers_own_scale_is_kept_for_comparisons(request_: RunRequest, tmp_path: Path) -> None:
    folder = request_.tasks[0].partition(":")[2]
    card = {"name": "auc", "sources": [{"kind": "imagefolder", "location": folder}], "metrics": ["roc_auc"]}
    (tmp_path / "auc.yaml").write_text(yaml.safe_dump(card))
    found = only(with_method(replace(request_, tasks=(str(tmp_path / "auc.yaml"),)), "last-class"))
    assert found.record is not None and found.path is not None
    answers = read_answers(found.record, found.path.parent)
    assert measured(answers, "roc_auc").value == pytest.approx(found.record.metrics["roc_auc"].value, abs=1e-9)


@dataclass(frozen=True)
class Returns:
    """A method whose classifier gives these logits, whatever it sees."""

    give: Callable[[int], torch.Tensor]
    name: str = "returns"
    version: int = 1
    needs: frozenset[type] = frozenset()
    reads: Reads = "features"
    scores_new_classes: bool = False
    scale: float = 1.0

    def fit(self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: Mapping[str, Any]) -> Returns:
        return self

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.give(len(inputs))


@pytest.mark.parametrize(
    "give, said",
    [
        (lambda n: torch.full((n, 3), float("nan")), "logits that are NaN or infinite"),
        (lambda n: torch.zeros(n, 4), r"logits of shape \(\d+, 4\), not \(\d+, 3\)"),
    ],
)
def test_logits_are_checked(request_: RunRequest, give: Callable[[int], torch.Tensor], said: str) -> None:
    METHODS.register("returns", Returns(give))
    result = only(with_method(request_, "returns"))
    assert result.failure is not None and re.search(said, result.failure.message)


def test_zero_shot_is_the_method_of_no_name(request_: RunRequest) -> None:
    first = only(request_)
    again = only(with_method(request_, "zero-shot"))
    assert again.status == "found" and again.record == first.record


def test_an_unknown_method_is_guessed_at(request_: RunRequest) -> None:
    with pytest.raises(UnknownNameError, match="unknown transfer method 'zero_shot'") as caught:
        make_plan(with_method(request_, "zero_shot"))
    assert caught.value.hint and "'zero-shot'" in caught.value.hint


def test_a_kind_without_methods_refuses_them(request_: RunRequest) -> None:
    request = replace(request_, tasks=("demo-retrieval",))
    with pytest.raises(UsageError, match="retrieval tasks support no transfer method, but 'last-class' was given"):
        make_plan(with_method(request, "last-class"))


def test_a_method_that_reads_what_the_task_does_not_give_is_refused(request_: RunRequest) -> None:
    with pytest.raises(
        UsageError,
        match="'of-sounds' needs sounds of the images, but classification tasks give a method only features, patches",
    ):
        make_plan(with_method(request_, "of-sounds"))


def test_a_model_that_lacks_what_the_method_needs_is_unsupported(request_: RunRequest) -> None:
    result = only(with_method(request_, "dense"))
    assert result.status == "unsupported" and result.failure is not None
    assert "the transfer method dense needs DenseEncoder" in result.failure.message
