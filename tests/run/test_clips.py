"""Runs on clips: their records, and what makes two of them the same."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import toy_adapter
from data.odd_videos import two_streams
from data.videos import LOSSLESS, frame, write_frames, write_video

from vlmbench.data.base import content_sha256, fingerprint
from vlmbench.records import Record
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions

COUNT = 7  # frames of a clip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of two clips each, videos and folders of frames."""
    for label, name in enumerate(("jump", "run", "stand")):
        numbers = range(100 * label, 100 * label + COUNT)
        write_video(tmp_path / "clips" / name / "video.mkv", map(frame, numbers), *LOSSLESS)
        write_frames(tmp_path / "clips" / name / "frames", [number + 50 for number in numbers])
    return tmp_path / "clips"


@pytest.fixture
def request_(folder: Path, tmp_path: Path) -> RunRequest:
    return RunRequest(models=("toy:a",), tasks=(card(folder, 3),), results=tmp_path / "runs", device="cpu")


def card(folder: Path, frames: int) -> str:
    path = folder.parent / "mine.yaml"
    path.write_text(
        f"name: mine\nmetrics: [acc1]\nsources: [{{kind: frames, location: {folder}, options: {{frames: {frames}}}}}]\n"
    )
    return str(path)


def only(request: RunRequest) -> PairResult:
    toy_adapter.LOADED.clear()
    (result,) = execute(make_plan(request), request, NotesAsWarnings())
    return result


def record_of(result: PairResult) -> Record:
    assert result.record is not None, result.failure
    return result.record


def encoded() -> int:
    return sum(model.image_calls for model in toy_adapter.LOADED)


def test_the_record_says_how_many_frames_spoke(request_: RunRequest) -> None:
    result = only(request_)
    record = record_of(result)
    assert record.task.protocol["frames_per_clip"] == 3 and record.task.dataset.source == "frames"
    assert record.task.dataset.samples == 6 and encoded() == record.run.cache.image_misses == 18
    assert record.environment.packages["av"]
    assert result.path is not None
    contents = pq.read_table(result.path.with_suffix(".parquet"))["content"].to_pylist()
    dataset = make_plan(request_).tasks[0].question.dataset  # type: ignore[union-attr]
    assert contents == [content_sha256(dataset, index) for index in range(6)]
    assert record.task.dataset.fingerprint == fingerprint(
        (content, sample.target) for content, sample in zip(contents, dataset.samples, strict=True)
    )


def test_images_say_nothing_of_frames(request_: RunRequest, folder: Path, tmp_path: Path) -> None:
    record = record_of(only(replace(request_, tasks=(f"frames:{folder}",))))
    assert record.task.protocol["frames_per_clip"] == 1
    write_frames(tmp_path / "images" / "jump", range(2))
    write_frames(tmp_path / "images" / "run", range(2, 4))
    images = record_of(only(replace(request_, tasks=(f"imagefolder:{tmp_path / 'images'}",))))
    assert "frames_per_clip" not in images.task.protocol


def test_a_second_run_finds_the_record(request_: RunRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = only(request_)
    again = only(request_)
    assert again.status == "found" and again.record == first.record and encoded() == 0
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / "another"))  # every frame is read and hashed again
    assert only(request_).status == "found" and encoded() == 0


def test_a_record_that_is_found_says_nothing_twice(
    request_: RunRequest, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clips are read again to know that they are the same, and what that makes known stands in the record."""
    (folder / "run" / "video.mkv").unlink()
    two_streams(folder / "run" / "video.mkv")
    assert "first-stream" in [remark.code for remark in record_of(only(request_)).remarks]
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / "another"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = only(request_)
    assert found.status == "found" and "first-stream" in [remark.code for remark in record_of(found).remarks]


def test_another_number_of_frames_is_another_run(request_: RunRequest, folder: Path) -> None:
    first = record_of(only(request_))
    card(folder, 4)
    second = only(request_)
    assert second.status == "done" and record_of(second).id != first.id


def test_one_changed_frame_makes_another_run(request_: RunRequest, folder: Path) -> None:
    first = record_of(only(request_))
    write_frames(folder / "run" / "frames", [150, 777, *range(152, 157)])  # frame 1 of 7 is looked at
    second = only(request_)
    assert second.status == "done" and encoded() == 1
    assert record_of(second).task.dataset.fingerprint != first.task.dataset.fingerprint


def test_a_frame_that_is_not_looked_at_changes_nothing(request_: RunRequest, folder: Path) -> None:
    only(request_)
    write_frames(folder / "run" / "frames", [777, *range(151, 157)])
    assert only(request_).status == "found"


def test_a_folder_of_frames_is_answered_like_its_video(request_: RunRequest, folder: Path) -> None:
    for label, name in enumerate(("jump", "run", "stand")):
        write_frames(folder / name / "frames", range(100 * label, 100 * label + COUNT))
    result = only(request_)
    assert result.path is not None
    table = pq.read_table(result.path.with_suffix(".parquet"))
    scores = dict(zip(table["sample"].to_pylist(), table["top_scores"].to_pylist(), strict=True))
    for name in ("jump", "run", "stand"):
        assert scores[f"{name}/frames"] == pytest.approx(scores[f"{name}/video.mkv"], abs=1e-6)


def test_bad_clips_fail_by_default_and_are_left_out_whole_on_request(request_: RunRequest, folder: Path) -> None:
    video = folder / "run" / "video.mkv"
    good = video.read_bytes()
    video.write_bytes(good[: len(good) // 2])
    (folder / "jump" / "frames" / "frame3.png").write_bytes(b"hello")
    failed = only(request_)
    assert failed.failure is not None and "'jump/frames'" in failed.failure.message
    skipping = replace(request_, skip_bad=True)
    record = record_of(only(skipping))
    assert [bad.id for bad in record.bad_samples] == ["jump/frames", "run/video.mkv"]
    assert record.task.dataset.samples == record.main.n == 4
    assert only(skipping).status == "found" and only(request_).status == "failed"
    video.write_bytes(good)
    repaired = only(skipping)
    assert repaired.status == "done" and [bad.id for bad in record_of(repaired).bad_samples] == ["jump/frames"]


def test_a_limit_chooses_clips(request_: RunRequest) -> None:
    record = record_of(only(replace(request_, options=TaskOptions(limit=2))))
    assert record.task.dataset.samples == 2 and encoded() == 6
