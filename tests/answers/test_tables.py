"""Tables read back and brought to the same samples: any order, names that differ, samples that occur twice."""

from __future__ import annotations

import io
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from answers.made import answers, classified, detected, retrieved, segmented
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmbench.answers.columns import row_bytes
from vlmbench.answers.paired_metric import same_behaviour
from vlmbench.answers.tables import align, read_answers, read_table
from vlmbench.errors import RecordError, UnpairableError
from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth
from vlmbench.records import Predictions, Record

PLUGIN = "classification"


def table_of(labels: list[int], seed: int = 0) -> pa.Table:
    return classified(np.array(labels), np.random.default_rng(seed).normal(size=(len(labels), 4)))


def with_column(table: pa.Table, name: str, values: pa.Array | list[str]) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, [values])


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(6)), st.lists(st.booleans(), min_size=6, max_size=6))
def test_samples_are_paired_whatever_their_order(order: list[int], kept: list[bool]) -> None:
    before, after = table_of([0, 1, 2, 0, 1, 2]), table_of([0, 1, 2, 0, 1, 2], seed=1)
    shown = [row for row in order if kept[row]]
    if not shown:
        with pytest.raises(UnpairableError, match="have none in common"):
            align(before, after.take(pa.array(shown, pa.int64())), PLUGIN)
        return
    aligned = align(before, after.take(shown), PLUGIN)
    wanted = sorted(shown)
    assert aligned.baseline.equals(before.take(wanted)) and aligned.candidate.equals(after.take(wanted))
    assert aligned.only_baseline == tuple(f"{row}.png" for row in range(6) if row not in wanted)
    assert aligned.only_candidate == ()


def test_a_table_that_fits_is_left_as_it_is() -> None:
    table = table_of([0, 1, 2])
    aligned = align(table, table, PLUGIN)
    assert aligned.baseline is table and aligned.candidate is table


def test_a_sample_that_occurs_twice_is_paired_by_id_then_in_order() -> None:
    before = table_of([0, 0, 0, 1])
    before = with_column(before, "content", ["same", "same", "same", "other"])
    before = with_column(before, "sample", ["a", "b", "b", "z"])
    after = before.take([2, 3, 1, 0])
    aligned = align(before, after, PLUGIN)
    assert aligned.candidate["sample"].to_pylist() == ["a", "b", "b", "z"]
    fewer = align(before, before.take([3, 1]), PLUGIN)
    assert fewer.baseline["sample"].to_pylist() == ["b", "z"] and fewer.only_baseline == ("a", "b")
    more = align(before.take([3, 1]), before, PLUGIN)
    assert more.only_candidate == ("a", "b")


def test_the_same_files_under_other_names_are_the_same_samples() -> None:
    before = table_of([0, 1])
    aligned = align(before, with_column(before, "sample", ["shard/7", "shard/3"]), PLUGIN)
    assert aligned.baseline.num_rows == 2 and aligned.only_candidate == ()


def test_another_truth_is_another_sample() -> None:
    aligned = align(table_of([0, 1, 2]), table_of([0, 1, 3]), PLUGIN)
    assert aligned.only_baseline == ("2.png",) and aligned.only_candidate == ("2.png",)
    ranks, captions = np.array([1, 2]), [[1], [2]]
    reworded = with_column(retrieved(ranks, captions), "captions", pa.array([["0 0"], ["new"]]))
    assert align(retrieved(ranks, captions), reworded, "retrieval").only_candidate == ("1.png",)
    pixels = np.ones((2, 3), dtype=int)
    larger = np.array([[1, 1, 1], [2, 2, 2]])
    assert align(
        segmented(pixels, pixels, pixels), segmented(pixels, pixels, larger), "segmentation"
    ).only_candidate == ("1.png",)
    clips = table_of([0, 1]).append_column("annotation", [[1, 0]])
    assert align(clips, with_column(clips, "annotation", pa.array([1, 2])), "rare_actions").only_baseline == ("1.png",)
    truth = BoxTruth(2, 1, np.array([0, 1]), np.array([0, 0]), np.ones((2, 4)), np.ones(2), np.array([False, False]))
    found = BoxPredictions(truth.image, truth.label, truth.xywh, truth.area)
    crowded = detected(replace(truth, crowd=np.array([False, True])), found)
    assert align(detected(truth, found), crowded, "detection").only_candidate == ("1.png",)


def test_numbers_are_the_same_however_they_are_stored() -> None:
    floats = np.array([[0.1, 0.2], [0.3, 0.4]], dtype=np.float32)
    narrow = pa.table(
        {"x": pa.FixedSizeListArray.from_arrays(pa.array(floats.ravel()), 2), "n": pa.array([1, 2], pa.int8())}
    )
    wide = pa.table({"x": pa.array(floats.astype(float).tolist(), pa.large_list(pa.float64())), "n": pa.array([1, 2])})
    assert row_bytes(narrow, "x") == row_bytes(wide, "x") and row_bytes(narrow, "n") == row_bytes(wide, "n")
    assert len(set(row_bytes(narrow, "x"))) == 2
    sliced = pa.concat_tables([narrow, narrow]).slice(1, 2)
    assert row_bytes(sliced, "x") == [row_bytes(narrow, "x")[1], row_bytes(narrow, "x")[0]]


def test_identical_means_every_answer_and_score() -> None:
    table = table_of([0, 1, 2])

    def same(other: pa.Table) -> bool:
        return same_behaviour(align(table, other, PLUGIN), PLUGIN)

    assert same(table.take([2, 0, 1]))
    surer = with_column(table, "confidence", pa.array([0.5, 0.5, 0.5], pa.float32()))
    assert not same(surer)
    assert not same(table.drop_columns(["confidence"])), "nothing to tell it by"
    assert same(table.drop_columns(["scores"])) and not same(
        with_column(table, "scores", table["scores"].take([1, 0, 2]))
    )
    assert not same(table.take([0, 1]))
    unsure = table.drop_columns(["confidence"])
    assert same_behaviour(align(unsure, unsure, PLUGIN), PLUGIN), "both lack it"
    silent = unsure.drop_columns(["top"])
    assert not same_behaviour(align(silent, silent, PLUGIN), PLUGIN)


def kept(folder: Path, table: pa.Table) -> Record:
    file = io.BytesIO()
    pq.write_table(table, file)
    (folder / "x.parquet").write_bytes(file.getvalue())
    beside = Predictions(file="x.parquet", rows=table.num_rows, sha256=sha256(file.getvalue()).hexdigest())
    return answers(table, {}).record.model_copy(update={"predictions": beside})


def test_answers_are_read_from_beside_their_record(tmp_path: Path) -> None:
    table = table_of([0, 1, 2])
    found = read_answers(kept(tmp_path, table), tmp_path)
    assert found.table.equals(table) and found.where == str(tmp_path / "x.parquet")
    some = read_table(tmp_path / "x.parquet", found.record, columns=("label", "content", "absent"))
    assert some.equals(table.select(["content", "label"]))


def test_a_table_that_is_not_the_records_is_refused(tmp_path: Path) -> None:
    record = kept(tmp_path, table_of([0, 1, 2]))
    stated = record.predictions
    assert stated is not None
    with pytest.raises(RecordError, match="3 rows, but its record states 4"):
        read_answers(record.model_copy(update={"predictions": stated.model_copy(update={"rows": 4})}), tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(RecordError, match="do not belong to the record beside them"):
        read_answers(record, tmp_path)
    broken = stated.model_copy(update={"sha256": sha256(b"PAR1 broken").hexdigest()})
    with pytest.raises(RecordError, match="cannot be read as a Parquet file"):
        read_answers(record.model_copy(update={"predictions": broken}), tmp_path)
    (tmp_path / "x.parquet").unlink()
    with pytest.raises(RecordError, match="cannot be read: No such file"):
        read_answers(record, tmp_path)
    with pytest.raises(UnpairableError, match="imported"):
        read_answers(record.model_copy(update={"predictions": None}), tmp_path)


def test_a_table_without_contents_is_no_table_of_ours() -> None:
    table = table_of([0, 1])
    with pytest.raises(RecordError, match="no column 'content'"):
        align(table, table.drop_columns(["content"]), PLUGIN)
