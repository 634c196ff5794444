"""Models that learn from one task's train data and answer others: cross-dataset, and the same classes elsewhere."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import toy_adapter
import yaml

from vlmbench.catalogue import find_tasks
from vlmbench.data.base import Chosen, SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.errors import UnknownNameError, UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.gate.record_pairs import pair_entries
from vlmbench.gate.sides import side_at
from vlmbench.prompts import PromptSet
from vlmbench.records import Record
from vlmbench.reports.entries import gather
from vlmbench.reports.registry import TableRequest, make_table
from vlmbench.reports.table_view import TableView
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.store import ResultStore
from vlmbench.tasks.classification import adapted
from vlmbench.transfer.asked import Track
from vlmbench.transfer.encoded import encoded
from vlmbench.transfer.every import every_transfer
from vlmbench.transfer.methods.features.tip_adapter import METHOD as TIP_ADAPTER
from vlmbench.transfer.support import Pools, draw_support

assert toy_adapter.LOADED is not None
OPTIONS = {"epochs": 5}


@pytest.fixture
def request_(make_folder: Callable[..., Path], tmp_path: Path) -> RunRequest:
    """A source of three classes; a task of two of them under other spellings; and a task of other classes."""
    folders = {
        "source": make_folder({"cat": 2, "dog": 2, "sea lion": 2}, "source-test", seed=1),
        "source-train": make_folder({"cat": 6, "dog": 6, "sea lion": 6}, "source-train", seed=2),
        "same": make_folder({"Sea_Lion": 4, "dog": 3}, "same", seed=3),
        "others": make_folder({"hen": 3, "fish": 4}, "others", seed=4),
    }
    for name in ("source", "same", "others"):
        train = {"train": [{"kind": "imagefolder", "location": str(folders["source-train"])}]}
        card = {"name": name, "sources": [{"kind": "imagefolder", "location": str(folders[name])}]}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({**card, **(train if name == "source" else {})}))
    return RunRequest(
        ("toy:a",),
        (str(tmp_path / "same.yaml"), str(tmp_path / "others.yaml")),
        tmp_path / "runs",
        device="cpu",
        use_cache=False,
        learn_from=str(tmp_path / "source.yaml"),
    )


def asked(
    *methods: str, shots: Sequence[int] = (2,), draws: Sequence[int] = (0, 1), track: Track = "no-validation"
) -> Any:
    options = OPTIONS if "clip-adapter" in methods else {}
    return every_transfer(methods, shots, draws, track=track, options=options)


def carried_out(request: RunRequest, transfers: Any) -> list[PairResult]:
    request = replace(request, transfers=transfers)
    return execute(make_plan(request), request, NotesAsWarnings())


def records(results: Sequence[PairResult]) -> list[Record]:
    found = [result.record for result in results]
    assert all(found), [result.failure for result in results if result.failure]
    return [record for record in found if record]


def test_a_record_names_its_source_and_what_was_learnt(request_: RunRequest) -> None:
    found = records(carried_out(request_, asked("clip-adapter")))
    assert [(r.task.name, r.transfer.draw) for r in found if r.transfer] == [
        *(("same", draw) for draw in (0, 1)),
        *(("others", draw) for draw in (0, 1)),
    ]
    for record in found:
        assert record.transfer is not None and record.transfer.source == "source"
        protocol = record.task.protocol
        assert (protocol["source"], protocol["source_classes"], protocol["classes"]) == ("source", 3, 2)
        assert record.task.other_data["train"].location.endswith("source-train")
        assert record.main_metric == "acc1" and record.asked.endswith(", no-validation, learnt from source")
    assert [result.status for result in carried_out(request_, asked("clip-adapter"))] == ["found"] * 4


def test_what_is_learnt_once_answers_every_task(request_: RunRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt = []

    def counted(*arguments: Any) -> Any:
        learnt.append(len(arguments[2]))
        return real(*arguments)

    real = adapted.fit_draws
    monkeypatch.setattr(adapted, "fit_draws", counted)
    together = records(carried_out(request_, asked("clip-adapter", shots=(1, 2), draws=(0, 1, 2))))
    assert learnt == [3, 3], "two numbers of shots, three draws at once"
    apart = replace(request_, tasks=request_.tasks[1:], results=None)
    alone = records(carried_out(apart, asked("clip-adapter", shots=(1, 2), draws=(0, 1, 2))))
    assert [r.id for r in together[6:]] == [r.id for r in alone]
    assert [r.metrics for r in together[6:]] == [r.metrics for r in alone]


def test_the_support_set_is_that_of_the_source_itself(request_: RunRequest, tmp_path: Path) -> None:
    elsewhere = records(carried_out(request_, asked("clip-adapter", draws=(3,))))
    own = replace(request_, tasks=(str(tmp_path / "source.yaml"),), learn_from=None)
    (at_home,) = records(carried_out(own, asked("clip-adapter", draws=(3,))))
    assert [record.support for record in elsewhere] == [at_home.support] * 2
    generator = random.Random(3)
    pools = [[f"{name}/{number:03}.png" for number in range(6)] for name in ("cat", "dog", "sea lion")]
    assert at_home.support["train"] == [image for pool in pools for image in generator.sample(pool, 2)]


def test_a_support_image_that_is_a_test_image_of_the_task_is_not_drawn(request_: RunRequest, tmp_path: Path) -> None:
    plain = records(carried_out(request_, asked("clip-adapter", draws=(0,))))
    drawn = plain[1].support["train"][0]
    (tmp_path / "others" / "hen" / "copy.png").write_bytes((tmp_path / "source-train" / drawn).read_bytes())
    again = records(carried_out(replace(request_, force=True), asked("clip-adapter", draws=(0,))))
    assert again[0].support == plain[0].support, "it is no test image of the other task"
    assert drawn not in again[1].support["train"]
    assert any(remark.code == "support-overlap" for remark in again[1].remarks)


def test_learnt_classes_are_columns_of_the_source_by_name(request_: RunRequest, tmp_path: Path) -> None:
    """A cache of images has no keys for new classes, but the same classes elsewhere are its columns."""
    request = replace(request_, tasks=(str(tmp_path / "same.yaml"),))
    (result,) = carried_out(request, asked("tip-adapter", draws=(1,)))
    assert result.record is not None and result.path is not None
    assert result.record.task.protocol["classes_scored"] == "by their names in the source"
    (card,) = find_tasks(str(tmp_path / "source.yaml"))
    train = open_dataset(card.train or [], SourceContext(data_root=None))
    support = draw_support(asked("tip-adapter", draws=(1,))[0], Pools.of(train, 3), None, (), task="source")
    engine = FeatureEngine(toy_adapter.LOADED[-1], EngineSettings(batch_size=8))
    prompts = PromptSet(("cat", "dog", "sea lion"), ("a photo of a {}.",), "data", "default")
    whole = TIP_ADAPTER.fit(engine, support, prompts, {})
    (same,) = find_tasks(str(tmp_path / "same.yaml"))
    test = open_dataset(same.sources, SourceContext(data_root=None))
    images = encoded(engine, Chosen(test, range(len(test.samples)))).features
    assert test.classes == ("Sea Lion", "dog")
    logits = whole.logits(images)[:, [2, 1]]
    table = pq.read_table(result.path.with_suffix(".parquet"))
    assert table["top"].to_pylist() == logits.argsort(dim=1, descending=True).tolist()
    found = [score for row in table["top_scores"].to_pylist() for score in row]
    assert found == pytest.approx(logits.sort(dim=1, descending=True).values.flatten().tolist(), abs=1e-5)


def test_classes_that_were_not_learnt_need_a_method_that_scores_them(request_: RunRequest) -> None:
    same, others = carried_out(request_, asked("tip-adapter", draws=(0,)))
    assert same.record is not None and others.failure is not None
    message = others.failure.message
    assert "'tip-adapter' cannot score new classes" in message and "2 classes of 'others': fish and hen" in message


@pytest.mark.parametrize("methods", [("zero-shot",), ("zero-shot", "clip-adapter")])
def test_zero_shot_has_no_source(request_: RunRequest, methods: tuple[str, ...]) -> None:
    if methods == ("zero-shot",):
        with pytest.raises(UsageError, match="no method that learns from images was given"):
            carried_out(request_, asked(*methods, shots=(0,), draws=(0,)))
        return
    found = records(carried_out(request_, asked(*methods, draws=(0,))))
    assert ["source" in record.task.protocol for record in found] == [False, True, False, True]


@pytest.mark.parametrize(
    "source, error, said",
    [
        ("same.yaml", UsageError, "--learn-from names 'same', which is the task itself"),
        ("nowhere", UnknownNameError, "unknown task or suite 'nowhere'"),
        ("demo", UsageError, "--learn-from 'demo' means 8 tasks; name one task"),
        ("demo-photos", UsageError, "--learn-from demo-photos: the task names no train data"),
        ("demo-detection", UsageError, "--learn-from demo-detection: it is a detection task"),
        ("demo-objects", UsageError, "--learn-from demo-objects: it is multi-label"),
    ],
)
def test_a_wrong_source_is_refused_before_any_work(
    request_: RunRequest, tmp_path: Path, source: str, error: type[Exception], said: str
) -> None:
    place = str(tmp_path / source) if source.endswith(".yaml") else source
    with pytest.raises(error, match=said):
        make_plan(replace(request_, learn_from=place, transfers=asked("clip-adapter")))


def test_tables_and_comparisons_keep_it_apart(request_: RunRequest, tmp_path: Path) -> None:
    carried_out(request_, asked("clip-adapter"))
    own = replace(request_, tasks=(str(tmp_path / "source.yaml"),), learn_from=None)
    carried_out(own, asked("clip-adapter"))
    assert request_.results is not None
    store = ResultStore(request_.results)
    request = TableRequest("", gather(store.summaries()), TableView(), store)
    assert {datum["task"] for datum in make_table("fewshot", request).data} == {"source"}
    table = make_table("cross-dataset", request)
    numbers = {(datum["task"], datum["method"]): datum for datum in table.data}
    assert set(numbers) == {(task, method) for task in ("same", "others") for method in ("zero-shot", "clip-adapter")}
    measured = numbers["others", "clip-adapter"]
    assert (measured["learnt_from"], measured["draws"]) == ("source", 2)
    assert measured["zero_shot"] == pytest.approx(numbers["others", "zero-shot"]["value"])
    side = side_at(request_.results)
    names = [pair.task for pair in pair_entries(side.entries, side.entries)]
    assert sum(name.endswith(", learnt from source") for name in names) == 4 and len(set(names)) == len(names) == 6
