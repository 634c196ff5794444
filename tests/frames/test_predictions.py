"""``predictions_frame``: the record is found by file, id, folder or from memory, and errors say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from gate_cases import answers, labels, record_of, table, write

import vlmbench
from vlmbench.errors import RecordError, UsageError
from vlmbench.gate.baselines.store import save_baseline
from vlmbench.gate.sides import side_at
from vlmbench.records import Imported
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_failure, make_record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "runs", table(answers(10, [3]), labels(10)))


def test_the_frame_agrees_with_the_record(path: Path) -> None:
    record = vlmbench.Record.model_validate_json(path.read_text())
    frame = vlmbench.predictions_frame(path)
    assert len(frame) == 10 and frame.correct.mean() == record.main.value == 0.9
    recalls = frame.groupby("class_name").correct.mean()
    assert {each.name: each.values["recall"] for each in record.per_class} == recalls.to_dict()
    assert len(vlmbench.predictions_frame(path, "candidate")) == 50


def test_a_record_is_found_by_file_folder_id_or_itself(path: Path, tmp_path: Path) -> None:
    record, runs = vlmbench.Record.model_validate_json(path.read_text()), tmp_path / "runs"
    baseline = save_baseline("main", side_at(runs).entries, tmp_path / "baselines")
    ways: list[Any] = [
        str(path),
        path,
        path.with_suffix(".parquet"),
        path.parent,
        runs,
        path.stem,
        path.stem[:6],
        record,
    ]
    expected = vlmbench.predictions_frame(path)
    for way in [*ways, baseline.path / "t.json", baseline.path]:
        frame = vlmbench.predictions_frame(way, results=runs)
        assert frame[["sample", "predicted"]].equals(expected[["sample", "predicted"]]), way


def test_a_record_of_a_model_that_tables_rename_is_found(path: Path, tmp_path: Path) -> None:
    record = vlmbench.Record.model_validate_json(path.read_text())
    renamed = record.model_copy(update={"model": record.model.renamed("m (weights 0123abcd)")})
    assert len(vlmbench.predictions_frame(renamed, results=tmp_path / "runs")) == 10


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("0000", "there is no record '0000' in"),
        ("no/such/file.json", "there is no record"),
        ("", "there is no record ''"),
        ("*", "there is no record"),
        (3, "'int'"),
    ],
)
def test_what_is_no_record_is_an_error_with_a_remedy(asked: Any, says: str, path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        vlmbench.predictions_frame(asked, results=tmp_path / "runs")
    assert caught.value.hint


def test_of_several_records_the_message_names_some(path: Path, tmp_path: Path) -> None:
    for task in ("u", "v"):
        write(tmp_path / "runs", table(answers(10), labels(10)), "m", task)
    with pytest.raises(UsageError, match="holds 3 records"):
        vlmbench.predictions_frame(tmp_path / "runs")
    ResultStore(tmp_path / "two").write(make_record(id="abcd1"), None)
    ResultStore(tmp_path / "two").write(make_record(task="u", id="abcd2"), None)
    with pytest.raises(UsageError, match=r"the ids of 2 records in .* begin with 'abcd'") as caught:
        vlmbench.predictions_frame("abcd", results=tmp_path / "two")
    assert caught.value.hint == "Name one of them: abcd1 or abcd2."


def test_an_unknown_view_names_those_that_exist(path: Path) -> None:
    with pytest.raises(UsageError, match="'caption'") as caught:
        vlmbench.predictions_frame(path, "caption")
    assert caught.value.hint == "Known: candidate, sample."


def test_records_without_predictions_and_failures_say_why(tmp_path: Path) -> None:
    imported = Imported.model_validate({"from": "open_clip", "file": "x.csv", "sha256": "s"})
    record = make_record().model_copy(update={"predictions": None, "imported": imported})
    path = ResultStore(tmp_path).write(record, None)
    with pytest.raises(UsageError, match="m on t: the record has no predictions"):
        vlmbench.predictions_frame(path)
    failed = ResultStore(tmp_path).write_failure(make_failure(message="no such folder"), "p")
    with pytest.raises(UsageError, match="m on t failed: no such folder"):
        vlmbench.predictions_frame(failed)


@pytest.mark.parametrize("content", [None, b"not the record's own"])
def test_a_table_that_is_not_the_record_s_own_is_refused(path: Path, content: bytes | None) -> None:
    parquet = path.with_suffix(".parquet")
    parquet.unlink()
    if content is not None:
        parquet.write_bytes(content)
    with pytest.raises(RecordError, match=r"\.parquet"):
        vlmbench.predictions_frame(path)


def _written(root: Path, predictions: pa.Table, **fields: Any) -> Path:
    record, content = record_of(predictions, "m", "t", **fields)
    return ResultStore(root).write(record, content)


def test_a_kind_without_views_shows_its_table_as_it_is(tmp_path: Path) -> None:
    path = _written(tmp_path, table(answers(5), labels(5)), task__plugin="no-such-kind")
    frame = vlmbench.predictions_frame(path)
    assert frame["sample"].dtype == "string" and frame.label.sum() == 10
    assert "object" not in {str(dtype) for dtype in frame.dtypes}
    with pytest.raises(UsageError, match="no view 'candidate'"):
        vlmbench.predictions_frame(path, "candidate")


def test_a_table_that_lacks_what_a_view_needs_is_named(tmp_path: Path) -> None:
    path = _written(tmp_path, table(answers(5), labels(5)), task__plugin="retrieval")
    with pytest.raises(RecordError, match="no column 'text_to_image_ranks'"):
        vlmbench.predictions_frame(path, "caption")


def test_a_record_in_memory_whose_predictions_were_not_kept(tmp_path: Path) -> None:
    record = vlmbench.evaluate("demo-clip", "demo-digits", limit=4, results=None, device="cpu")[0]
    with pytest.raises(UsageError, match=r"has no predictions of this record\nName the folder.*results=DIR keeps none"):
        vlmbench.predictions_frame(record, results=tmp_path)
    with pytest.raises(UsageError, match="results is a folder, and None is a NoneType"):
        vlmbench.predictions_frame(record, results=None)  # type: ignore[arg-type]
