"""``results_frame``: columns that stay, rows that mean what records mean, and input of every kind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from broken_records import mixed_folder
from gate_cases import answers, labels, table, write
from repository import REPOSITORY

import vlmbench
from vlmbench import store as store_module
from vlmbench.asked import remarks_of
from vlmbench.errors import UsageError, VlmbenchWarning
from vlmbench.frames import results as results_module
from vlmbench.frames.result_columns import _ZERO_SHOT, OF_FAILURE, OF_PUBLISHED, RESULT_COLUMNS
from vlmbench.gate.baselines.store import save_baseline
from vlmbench.gate.sides import side_at
from vlmbench.records import Record, Summary
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_failure, make_record
from vlmbench.transfer import ZERO_SHOT

SCHEMA = """
model string, task string, kind string, transfer string, shots Int64, draw Int64,
track string, setting string, learnt_from string, transfer_options string, metric string, value float64, ci95_low
float64,
ci95_high float64, n Int64, chance float64, unit string, higher_is_better boolean, main bool, comparable bool,
status string, origin string, reason string, remarks string, remark_codes string, task_version string, split string,
samples Int64, standard_samples Int64, bad_samples Int64, limit Int64, seed Int64, data_source string,
data_location string, data_fingerprint string, train_samples Int64, train_fingerprint string, prompts_sha256 string,
protocol string, settings string, adapter string, spec string, weights_sha256 string, model_revision string,
architecture string, parameters Int64, embedding_dim Int64, image_encoder string, text_encoder string, data_size string,
objective string, precision string, device string, processor string, machine string, batch_size Int64, workers Int64,
started datetime64[us; UTC], seconds float64, seconds_text float64, seconds_images float64, seconds_metrics float64,
seconds_by_stage string, images_per_second float64, peak_memory_bytes Int64, vlmbench string, python string,
platform string, packages string, git string, imported_from string, source string, published_table string, setup string,
note string, flag string, results string, run_id string
"""
"""Every column with its type. A column may be added; no other change keeps notebooks working."""


def _schema(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return [(str(name), str(dtype)) for name, dtype in frame.dtypes.items()]


def _declared() -> list[tuple[str, str]]:
    parts = [part.strip().split(" ", 1) for part in SCHEMA.replace("\n", " ").split(",")]
    return [(name, dtype.replace(";", ",")) for name, dtype in parts]


def _folder(root: Path, *records: Record) -> Path:
    for record in records:
        ResultStore(root).write(record, None)
    return root


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
def test_columns_types_and_order_are_always_the_same(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    some = _folder(tmp_path / "runs", make_record())
    ResultStore(some).write_failure(make_failure(task="u"), "p")
    frames = [
        vlmbench.results_frame(tmp_path / "empty"),
        vlmbench.results_frame(some),
        vlmbench.results_frame(some, published=True),
        vlmbench.results_frame([], published=True),
    ]
    assert all(_schema(frame) == _declared() for frame in frames)
    assert "object" not in {str(dtype) for frame in frames for dtype in frame.dtypes}
    assert all(column.meaning and not column.meaning.endswith(".") for column in RESULT_COLUMNS)


def test_failures_and_published_numbers_fill_columns_that_exist() -> None:
    names = {column.name for column in RESULT_COLUMNS}
    assert set(OF_FAILURE) <= names and set(OF_PUBLISHED) <= names
    assert _ZERO_SHOT == ZERO_SHOT


def test_a_row_is_a_record_and_metric(tmp_path: Path) -> None:
    record = make_record("m", "t", value=0.5, limit=10, device="cuda:0", seconds={"total": 2.0, "text": 0.5})
    frame = vlmbench.results_frame(_folder(tmp_path, record))
    assert frame.metric.tolist() == ["acc1", "ece"] and frame.main.tolist() == [True, False]
    first, second = frame.iloc[0], frame.iloc[1]
    assert (first.value, first.ci95_low, first.ci95_high, first.n, first.chance) == (0.5, 0.4, 0.6, 10, 0.1)
    assert (first.kind, first.transfer, first.status, first.origin) == (
        "classification",
        "zero-shot",
        "done",
        "measured",
    )
    assert (first.limit, first.device, first.seconds, first.seconds_text) == (10, "cuda:0", 2.0, 0.5)
    assert not first.comparable and first.remark_codes == "subset"
    assert json.loads(first.seconds_by_stage) == {"text": 0.5, "total": 2.0}
    assert first.started == pd.Timestamp("2026-01-01", tz="UTC") and first.run_id == record.id
    assert first.results == str(tmp_path) and first.weights_sha256 == "w" and first.data_fingerprint == "f"
    assert np.isnan(second.value) and np.isnan(second.ci95_low) and not second.higher_is_better
    assert frame[frame.main].pivot(index="model", columns="task", values="value").loc["m", "t"] == 0.5


def test_a_pair_that_failed_is_a_row_without_a_number(tmp_path: Path) -> None:
    _folder(tmp_path, make_record())
    ResultStore(tmp_path).write_failure(make_failure(task="u", message="no such folder"), "p")
    frame = vlmbench.results_frame(tmp_path)
    (failed,) = (row for _, row in frame[frame.status == "failed"].iterrows())
    assert (failed.model, failed.task, failed.reason, failed.main) == ("m", "u", "no such folder", False)
    assert failed.metric is pd.NA and np.isnan(failed.value) and not failed.comparable
    assert failed.started == pd.Timestamp("2026-01-01", tz="UTC")


def test_of_the_same_question_the_newest_stays_unless_every_answer_is_wanted(tmp_path: Path) -> None:
    old = make_record(id="a" * 16, value=0.4, started="2026-01-01T00:00:00+00:00")
    new = make_record(id="b" * 16, value=0.6, started="2026-02-01T00:00:00+00:00")
    folder = _folder(tmp_path, old, new)
    assert vlmbench.results_frame(folder).run_id.unique().tolist() == ["b" * 16]
    assert sorted(vlmbench.results_frame(folder, every=True).run_id.unique()) == ["a" * 16, "b" * 16]


def test_published_numbers_are_rows_of_their_own(tmp_path: Path) -> None:
    frame = vlmbench.results_frame(_folder(tmp_path, make_record()), published=True)
    printed = frame[frame.origin == "published"]
    clip = printed[(printed.published_table == "survey-6") & (printed.model == "clip") & (printed.task == "imagenet1k")]
    assert clip.value.tolist() == [0.762] and clip.image_encoder.tolist() == ["ViT-L/14"]
    assert not clip.comparable.any() and clip.flag.notna().all()  # it is flagged in the survey's file
    assert printed.run_id.isna().all() and len(frame) == len(printed) + 2


def test_one_place_or_several_folders_files_baselines_and_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "runs", table(answers(10), labels(10)))
    save_baseline("main", side_at(tmp_path / "runs").entries, tmp_path / "results" / "baselines")
    record = make_record("other")
    for place in ("runs", Path("runs"), "runs/m", "runs/m/t", path, "main", "results/baselines/main"):
        frame = vlmbench.results_frame(place)
        assert frame.model.tolist() == ["m", "m"] and frame.results.tolist() == [str(place)] * 2
    several = vlmbench.results_frame(["runs", "main", record])
    assert several.results.fillna("-").tolist() == ["runs", "runs", "main", "main", "-", "-"]
    assert vlmbench.results_frame(record).model.tolist() == ["other"] * 2
    assert len(vlmbench.results_frame(["runs", "runs"])) == 2  # a place is read once


@pytest.mark.parametrize("place", ["no-such-folder", "", 3, [3], None])
def test_what_is_no_place_is_an_error_with_a_remedy(place: Any) -> None:
    with pytest.raises(UsageError) as caught:
        vlmbench.results_frame(place)
    assert caught.value.hint


def test_a_place_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    folder, record = _folder(tmp_path / "a", make_record()), make_record()
    once = vlmbench.results_frame(folder)
    (tmp_path / "link").symlink_to(folder)
    spellings = [folder, str(folder), f"{folder}/../a/", tmp_path / "link"]
    frame = vlmbench.results_frame(spellings)
    assert len(frame) == len(once) and list(frame.results.unique()) == [str(folder)]
    assert len(vlmbench.results_frame([record, record])) == len(once)
    with pytest.raises(UsageError, match="empty name"):
        vlmbench.results_frame(" ")


def test_the_latex_of_the_docs_escapes_names_and_has_no_comments(capsys: pytest.CaptureFixture[str]) -> None:
    page = (REPOSITORY / "docs/frames.md").read_text()
    (block,) = [code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "to_latex" in code]
    record = make_record(model="a_b%", task="c_d%")
    exec(block, {"main": (frame := vlmbench.results_frame(record))[frame.main]})
    written = capsys.readouterr().out
    assert r"a\_b\% &" in written and r"c\_d\%" in written
    assert not re.search(r"(?<!\\)[_%]", written.split(r"\toprule")[1])


def test_broken_and_foreign_files_are_left_out_with_a_warning(tmp_path: Path) -> None:
    mixed_folder(tmp_path)
    with pytest.warns(VlmbenchWarning, match=r"[0-9]+ files are left out: .*; and [0-9]+ more") as caught:
        frame = vlmbench.results_frame(tmp_path / "results")
    assert caught[0].filename == __file__
    entries = list(ResultStore(tmp_path / "results").summaries())
    sound = {(entry.model.name, entry.task.name) for entry in entries if isinstance(entry, Summary)}
    assert {tuple(pair) for pair in frame[["model", "task"]].to_numpy().tolist()} == sound


def test_a_baseline_with_a_broken_record_gives_the_others(tmp_path: Path) -> None:
    for task in ("t", "u"):
        write(tmp_path / "runs", table(answers(10), labels(10)), "m", task)
    saved = save_baseline("main", side_at(tmp_path / "runs").entries, tmp_path)
    (saved.path / "u.json").write_text("{")
    with pytest.warns(VlmbenchWarning, match="1 file is left out"):
        assert vlmbench.results_frame(saved.path).task.unique().tolist() == ["t"]


def test_a_folder_without_records_gives_no_rows_and_says_so(tmp_path: Path) -> None:
    with pytest.warns(VlmbenchWarning, match="there is no record here"):
        assert vlmbench.results_frame(tmp_path).empty
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert vlmbench.results_frame([]).empty  # nothing was asked for


def test_each_file_is_read_once_without_its_classes_and_its_remarks_are_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand records take seconds because of these three; ``perf/report.py`` measures them."""
    folder = _folder(tmp_path, *(make_record("m", f"t{number}") for number in range(5)))
    read: list[Path] = []
    made: list[Summary] = []

    def counted(path: Path, **options: Any) -> bytes:
        read.append(path)
        return read_bytes(path, **options)

    def remarked(record: Summary) -> object:
        made.append(record)
        return remarks_of(record)

    read_bytes: Callable[..., bytes] = store_module.read_bytes
    monkeypatch.setattr(store_module, "read_bytes", counted)
    monkeypatch.setattr(results_module, "remarks_of", remarked)
    assert len(vlmbench.results_frame(folder)) == 10
    assert len(read) == len(set(read)) == 5 and len(made) == 5
    assert not any(isinstance(record, Record) for record in made)


def test_neither_the_import_nor_the_name_imports_pandas() -> None:
    code = (
        "import sys, vlmbench; vlmbench.results_frame; vlmbench.predictions_frame; "
        "sys.exit(any(name in sys.modules for name in ('pandas', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
