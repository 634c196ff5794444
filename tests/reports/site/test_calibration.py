"""The reliability curve is the one behind the ECE."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from reports.site.records_of_many import make_answer

from vlmbench.metrics.classification import expected_calibration_error
from vlmbench.records import Imported, MetricValue
from vlmbench.reports.site.calibration import Reliability, reliability


def calibration_error(curve: Reliability) -> float:
    """The ECE of the curve: the mean gap between confidence and accuracy, weighted by answers."""
    total = sum(bin.n for bin in curve.bins)
    gaps = [
        bin.n * abs(bin.accuracy - bin.confidence)
        for bin in curve.bins
        if bin.accuracy is not None and bin.confidence is not None
    ]
    return sum(gaps) / total if total else 0.0


def test_the_curve_has_the_metrics_own_bins(tmp_path: Path) -> None:
    record, predictions = make_answer("m", "t", 0.7, rows=500)
    assert record.predictions is not None
    (tmp_path / record.predictions.file).write_bytes(predictions)
    curve = reliability(record, tmp_path)
    assert curve is not None
    table = pq.read_table(io.BytesIO(predictions))
    best = np.asarray([top[0] for top in table["top"].to_pylist()])
    right = best == table["label"].to_numpy()
    expected = expected_calibration_error(table["confidence"].to_numpy(), right)
    assert calibration_error(curve) == pytest.approx(expected.value, abs=1e-9)
    assert sum(bin.n for bin in curve.bins) == 500


def test_a_task_without_confidences_has_no_curve(tmp_path: Path) -> None:
    record, _ = make_answer("m", "t", 0.7)
    plain = record.model_copy(update={"metrics": {"acc1": MetricValue(value=0.7, n=3)}})
    assert reliability(plain, tmp_path) is None


def test_an_imported_record_has_no_curve(tmp_path: Path) -> None:
    source = Imported(program="open_clip", file="results.csv", sha256="0" * 64)
    record, _ = make_answer("m", "t", 0.7, imported=source, predictions=None)
    assert reliability(record, tmp_path) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "not beside the record"), (b"no parquet at all", "cannot be read")],
)
def test_why_there_is_no_curve_is_said(tmp_path: Path, content: bytes | None, reason: str) -> None:
    record, _ = make_answer("m", "t", 0.7)
    assert record.predictions is not None
    if content is not None:
        (tmp_path / record.predictions.file).write_bytes(content)
    curve = reliability(record, tmp_path)
    assert curve is not None and not curve.bins and reason in curve.reason


def test_a_model_without_a_logit_scale_has_no_confidence(tmp_path: Path) -> None:
    undefined = {"ece": MetricValue(value=None, n=3, higher_is_better=False)}
    record, _ = make_answer("m", "t", 0.7, metrics=undefined)
    curve = reliability(record, tmp_path)
    assert curve is not None and "no logit scale" in curve.reason


def test_predictions_are_read_from_the_records_own_folder_alone(tmp_path: Path) -> None:
    record, predictions = make_answer("m", "t", 0.7)
    assert record.predictions is not None
    (tmp_path / "outside.parquet").write_bytes(predictions)
    (tmp_path / "own").mkdir()
    hostile = record.predictions.model_copy(update={"file": "../outside.parquet"})
    curve = reliability(record.model_copy(update={"predictions": hostile}), tmp_path / "own")
    assert curve is not None and not curve.bins and "outside its folder" in curve.reason
