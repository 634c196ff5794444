"""Plans, runs and resumption, with the toy model on folders of noise."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pyarrow.parquet as pq
import pytest
import toy_adapter
from data.layouts import image_bytes, write_folder
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.cards import ModelCard
from vlmbench.data import SOURCES
from vlmbench.data.base import fingerprint
from vlmbench.errors import StoreError, UnknownNameError, UsageError, VlmbenchWarning
from vlmbench.records import Failure, Record
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.store import ResultStore
from vlmbench.tasks.base import TaskOptions


@pytest.fixture
def folder(make_folder: Callable[..., Path]) -> Path:
    return make_folder({"cat": 4, "dog": 3, "bird": 5, "fish": 4, "horse": 3})


@pytest.fixture
def request_(folder: Path, tmp_path: Path) -> RunRequest:
    return RunRequest(models=("toy:a",), tasks=(f"imagefolder:{folder}",), results=tmp_path / "runs", device="cpu")


def run(request: RunRequest) -> list[PairResult]:
    toy_adapter.LOADED.clear()
    return execute(make_plan(request), request, NotesAsWarnings())


def only(request: RunRequest) -> PairResult:
    (result,) = run(request)
    return result


def encoded() -> int:
    return sum(model.image_calls for model in toy_adapter.LOADED)


def test_the_same_files_read_for_other_labels_are_other_data(tmp_path: Path) -> None:
    """The index goes by names, sizes and times, which are the same for another column of a table."""
    import datasets

    features = datasets.Features({"img": datasets.Image(), "a": datasets.Value("int32"), "b": datasets.Value("int32")})
    cells = [{"bytes": image_bytes(i), "path": None} for i in range(4)]
    columns = {"img": cells, "a": [0, 1, 0, 1], "b": [1, 1, 0, 0]}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(str(tmp_path / "set" / "test.parquet"))
    found = []
    for column in ("a", "b", "a"):
        source = {"kind": "hub", "location": str(tmp_path / "set"), "options": {"label_column": column}}
        card = {"name": "t", "sources": [source], "classes": ["x", "y"]}
        (tmp_path / "t.yaml").write_text(json.dumps(card))
        request = RunRequest(("toy:a",), (str(tmp_path / "t.yaml"),), tmp_path / "runs", device="cpu")
        found.append(only(request))
    assert [result.status for result in found] == ["done", "done", "found"]
    assert found[0].record and found[1].record
    assert found[0].record.task.dataset.fingerprint != found[1].record.task.dataset.fingerprint


def test_own_prompts_need_a_task_that_has_prompts(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", {"a.png": image_bytes(0), "captions.txt": b"image,caption\na.png,one\n"})
    retrieval = f"captions:{tmp_path / 'set'}"
    with pytest.raises(UsageError, match=r"none of these tasks has class names or templates[\s\S]*--set template="):
        make_plan(RunRequest(("toy:a",), (retrieval,), tmp_path, options=TaskOptions(templates=("a {}", "the {}"))))
    (result,) = run(
        RunRequest(("toy:a",), (retrieval,), tmp_path, device="cpu", options=TaskOptions(protocol={"template": "a {}"}))
    )
    assert result.record is not None and result.record.run.settings == {"template": "a {}"}
    with pytest.raises(UsageError, match=r"none of these tasks has 'templat' to set[\s\S]*'template'"):
        make_plan(RunRequest(("toy:a",), (retrieval,), tmp_path, options=TaskOptions(protocol={"templat": "a {}"})))


def test_a_pair_becomes_a_record_with_its_predictions(request_: RunRequest) -> None:
    result = only(request_)
    record = result.record
    assert result.status == "done" and record is not None and result.path is not None
    assert json.loads(result.path.read_text())["schema"] == "vlmbench.record/2"
    assert ResultStore(request_.results).find("toy:a", record.task.name, record.id) == record
    table = pq.read_table(result.path.with_suffix(".parquet"))
    assert json.loads(table.schema.metadata[b"vlmbench"])["run_id"] == record.id
    assert table.num_rows == record.predictions.rows == record.task.dataset.samples == 19
    samples = [
        (content, label)
        for content, label in zip(table["content"].to_pylist(), table["label"].to_pylist(), strict=True)
    ]
    assert record.task.dataset.fingerprint == fingerprint(samples)
    assert len(record.model.weights_sha256) == 64 and record.run.precision == "fp32"
    assert set(record.run.seconds) >= {"text", "images", "image_forward", "metrics", "total"}
    assert record.task.protocol["templates"] == ["a photo of a {}."]


def test_many_models_and_tasks_load_each_model_once(request_: RunRequest, make_folder: Callable[..., Path]) -> None:
    other = make_folder({"x": 3, "y": 3}, name="other", seed=7)
    request = replace(request_, models=("toy:a", "toy:bb"), tasks=(*request_.tasks, f"imagefolder:{other}"))
    results = run(request)
    assert [(r.model, r.status) for r in results] == [("toy:a", "done")] * 2 + [("toy:bb", "done")] * 2
    assert len(toy_adapter.LOADED) == 2


def test_a_second_run_finds_the_record(request_: RunRequest) -> None:
    first = only(request_)
    again = only(request_)
    assert again.status == "found" and again.record == first.record and encoded() == 0
    forced = only(replace(request_, force=True, use_cache=False))
    assert forced.status == "done" and encoded() == 19
    assert forced.record is not None and first.record is not None
    assert forced.record.id == first.record.id and forced.record.metrics == first.record.metrics
    assert len(list(ResultStore(request_.results))) == 1


def test_batch_size_and_workers_do_not_make_another_run(request_: RunRequest) -> None:
    first = only(replace(request_, batch_size=2, workers=1))
    assert only(replace(request_, batch_size=7, workers=3)).status == "found"
    fresh = only(replace(request_, batch_size=7, use_cache=False, force=True))
    assert fresh.record is not None and first.record is not None
    for name, metric in fresh.record.metrics.items():
        assert metric.value == pytest.approx(first.record.metrics[name].value, abs=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"options": TaskOptions(templates=("{}!",))},
        {"options": TaskOptions(class_names=("a", "b", "c", "d", "e"))},
        {"options": TaskOptions(limit=10)},
        {"options": TaskOptions(seed=1)},
        {"precision": "bf16"},
    ],
)
def test_whatever_can_change_a_number_makes_another_run(request_: RunRequest, change: dict[str, object]) -> None:
    first = only(request_)
    second = only(replace(request_, **change))  # type: ignore[arg-type]
    assert second.status == "done"
    assert second.record is not None and first.record is not None and second.record.id != first.record.id


def test_one_changed_image_makes_another_run(request_: RunRequest, folder: Path) -> None:
    only(request_)
    PIL.Image.new("RGB", (8, 8), "red").save(folder / "cat" / "000.png")
    changed = only(request_)
    assert changed.status == "done" and encoded() == 1  # the other eighteen come from the cache


def test_one_moved_label_makes_another_run(request_: RunRequest, folder: Path) -> None:
    only(request_)
    (folder / "cat" / "000.png").rename(folder / "dog" / "zzz.png")
    assert only(request_).status == "done"


def test_a_new_cache_finds_the_record_by_reading_the_data(
    request_: RunRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(request_)
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / "another"))
    assert only(request_).status == "found"


def test_a_failed_pair_is_recorded_and_the_rest_goes_on(request_: RunRequest) -> None:
    request = replace(request_, models=("toy:a@missing", "toy:b@nan", "toy:c@crash", "toy:d"))
    results = run(request)
    assert [r.status for r in results] == ["failed", "failed", "failed", "done"]
    failures = [entry for entry in ResultStore(request.results) if isinstance(entry, Failure)]
    reasons = {failure.model: (failure.error, failure.message, failure.hint) for failure in failures}
    assert reasons["toy:a@missing"] == ("ModelError", "the toy has no weights", "Buy another toy.")
    assert reasons["toy:b@nan"][0] == "NonFiniteFeaturesError"
    assert "unexpected RuntimeError: the toy broke" in reasons["toy:c@crash"][1]


def test_a_success_clears_the_earlier_failure(request_: RunRequest, folder: Path) -> None:
    good = (folder / "cat" / "001.png").read_bytes()
    (folder / "cat" / "001.png").write_bytes(good[:40])
    assert only(request_).status == "failed"
    (folder / "cat" / "001.png").write_bytes(good)
    assert only(request_).status == "done"
    assert [type(entry) for entry in ResultStore(request_.results)] == [Record]


def test_bad_samples_fail_by_default_and_are_counted_on_request(request_: RunRequest, folder: Path) -> None:
    (folder / "cat" / "002.png").write_bytes(b"")
    failed = only(request_)
    assert failed.failure is not None and "cat/002.png" in failed.failure.message
    skipped = only(replace(request_, skip_bad=True))
    assert skipped.record is not None
    assert [bad.id for bad in skipped.record.bad_samples] == ["cat/002.png"]
    assert skipped.record.task.dataset.samples == 18 and skipped.record.main.n == 18
    assert any("could not be used" in warning for warning in skipped.record.warnings)
    assert only(replace(request_, skip_bad=True)).status == "found"
    assert only(request_).status == "failed"  # a record with samples left out does not answer for a strict run


def test_missing_data_fails_its_pairs_only(request_: RunRequest) -> None:
    request = replace(request_, tasks=("imagenet1k", *request_.tasks), offline=True)
    results = run(request)
    assert [r.status for r in results] == ["failed", "done"]
    assert results[0].failure is not None and "imagenet/val" in results[0].failure.message


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"models": ("toyy:a",)}, UnknownNameError, "unknown model adapter 'toyy'"),
        ({"models": ("demo-clup",)}, UnknownNameError, "demo-clup"),
        ({"tasks": ("imagefoldr:x",)}, UnknownNameError, "unknown data source"),
        ({"data_root": Path("/no/such/folder")}, UsageError, "not a folder"),
        ({"models": ()}, UsageError, "nothing to run"),
    ],
)
def test_wrong_requests_are_refused_before_any_work(
    request_: RunRequest, change: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        make_plan(replace(request_, **change))  # type: ignore[arg-type]
    assert not request_.results.exists()


@pytest.mark.parametrize("change", [{"device": "cuda:99"}, {"device": "gpu"}, {"precision": "fp8"}])
def test_impossible_devices_and_precisions(request_: RunRequest, change: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        run(replace(request_, **change))  # type: ignore[arg-type]


def test_results_that_cannot_be_written_are_said_before_any_work(request_: RunRequest) -> None:
    request_.results.write_text("a file")
    with pytest.raises(StoreError):
        run(request_)
    assert toy_adapter.LOADED == []


def test_a_full_disk_stops_the_run_with_nothing_half_written(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    plan = make_plan(request_)
    request_.results.mkdir()
    monkeypatch.setattr(ResultStore, "check_writable", lambda store: None)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match="disk is full"):
        execute(plan, request_, NotesAsWarnings())
    assert [path for path in request_.results.rglob("*") if path.is_file()] == []
    monkeypatch.undo()


def test_another_sample_count_than_the_cards_is_said(request_: RunRequest, folder: Path, tmp_path: Path) -> None:
    card = tmp_path / "mine.yaml"
    card.write_text(f"name: mine\nsamples: 1000\nsources: [{{kind: imagefolder, location: {folder}}}]\n")
    record = only(replace(request_, tasks=(str(card),))).record
    assert record is not None and any("1,000 samples" in warning for warning in record.warnings)


def test_two_cards_of_one_name_are_refused(request_: RunRequest, tmp_path: Path) -> None:
    path = tmp_path / "cifar10.yaml"
    path.write_text("name: cifar10\nsources: [{kind: imagefolder, location: x}]\n")
    with pytest.raises(UsageError, match="two different tasks are named 'cifar10'"):
        make_plan(replace(request_, tasks=("cifar10", str(path))))


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 3)), max_size=6), st.randoms())
def test_fingerprints_ignore_order_and_know_every_label(pairs: list[tuple[str, int]], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(pairs)
    random.shuffle(shuffled)
    assert fingerprint(pairs) == fingerprint(shuffled)
    if pairs:
        changed = [(pairs[0][0], pairs[0][1] + 1), *pairs[1:]]
        assert fingerprint(changed) != fingerprint(pairs)


def test_the_toy_is_what_a_plugin_author_writes() -> None:
    model = toy_adapter.load(ModelCard(name="x", adapter="toy"), toy_adapter.LoadOptions())
    assert model.encode_text(["a"]).shape == (1, model.embedding_dim)


def test_a_repaired_sample_is_looked_at_again(request_: RunRequest, folder: Path) -> None:
    request = replace(request_, skip_bad=True)
    good = (folder / "cat" / "002.png").read_bytes()
    (folder / "cat" / "002.png").write_bytes(b"hello")
    broken = only(request)
    assert broken.record is not None and broken.record.bad_samples[0].content is not None
    assert only(request).status == "found"
    (folder / "cat" / "002.png").write_bytes(good)
    repaired = only(request)
    assert repaired.status == "done" and repaired.record is not None and repaired.record.task.dataset.samples == 19
    again = only(request)
    assert again.status == "found" and again.record == repaired.record


def test_a_sample_that_can_no_longer_be_read_is_left_out_not_fatal(request_: RunRequest, folder: Path) -> None:
    request = replace(request_, skip_bad=True)
    only(request)
    (folder / "cat" / "001.png").unlink()
    (folder / "cat" / "001.png").symlink_to(folder / "gone.png")
    result = only(request)
    assert result.status == "done" and result.record is not None
    assert [bad.id for bad in result.record.bad_samples] == ["cat/001.png"]


def test_data_that_changes_during_a_run_is_read_again(
    request_: RunRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = toy_adapter.ToyModel.encode_image

    def replacing(model, pixels):  # type: ignore[no-untyped-def]
        PIL.Image.new("RGB", (8, 8), "blue").save(folder / "bird" / "000.png")
        return real(model, pixels)

    monkeypatch.setattr(toy_adapter.ToyModel, "encode_image", replacing)
    only(replace(request_, batch_size=32, workers=1))
    monkeypatch.undo()
    assert only(request_).status == "done"


def test_another_main_metric_or_adapter_source_makes_another_run(
    request_: RunRequest, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / "mine.yaml"
    text = f"name: mine\nsources: [{{kind: imagefolder, location: {folder}}}]\n"
    card.write_text(text)
    request = replace(request_, tasks=(str(card),))
    only(request)
    card.write_text(text + "main_metric: ece\n")
    other = only(request)
    assert other.status == "done" and other.record is not None and other.record.main_metric == "ece"
    monkeypatch.setattr("vlmbench.run.identity.source_sha256", lambda kind: "edited")
    assert only(request).status == "done"


def test_a_limit_above_the_count_is_no_limit(request_: RunRequest) -> None:
    record = only(replace(request_, options=TaskOptions(limit=1000))).record
    assert record is not None and record.run.limit is None
    assert only(request_).status == "found"


def test_a_source_with_a_bug_fails_its_task_only(request_: RunRequest, tmp_path: Path) -> None:
    def broken(spec: object, context: object) -> None:
        raise ValueError("a bug")

    SOURCES.register("broken", broken)
    results = run(replace(request_, tasks=("broken:x", *request_.tasks)))
    assert [result.status for result in results] == ["failed", "done"]
    assert results[0].failure is not None and "unexpected ValueError: a bug" in results[0].failure.message


def test_warnings_reach_the_record_and_the_caller(request_: RunRequest) -> None:
    with pytest.warns(VlmbenchWarning, match="did not fit into memory"):
        result = only(replace(request_, models=("toy:a@memory",), use_cache=False))
    assert result.record is not None and any("did not fit into memory" in said for said in result.record.warnings)


@pytest.mark.parametrize("wrong", [{"batch_size": -1}, {"batch_size": "auto"}, {"workers": 0}])
def test_impossible_settings(request_: RunRequest, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        replace(request_, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 2.5},
        {"seed": -1},
        {"class_names": ()},
        {"templates": ("no place",)},
        {"class_names": ("a", "")},
        {"class_names": ("a", "\u200b")},
        {"class_names": ("a", 3)},
        {"class_names": (None,)},
        {"templates": ()},
        {"templates": ("{}", None)},
    ],
)
def test_impossible_options(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        TaskOptions(**wrong)  # type: ignore[arg-type]
