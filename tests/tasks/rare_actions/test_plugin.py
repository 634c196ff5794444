"""The plugin of RareAct: from videos and annotations to mWAP and mSAP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import toy_adapter
from data.layouts import write_folder
from data.videos import LOSSLESS, frame, write_video
from sklearn.metrics import average_precision_score

from vlmbench.cards import TaskCard
from vlmbench.errors import CardError, UnknownNameError
from vlmbench.records import Record
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions
from vlmbench.tasks.rare_actions.plugin import PLUGIN

CSV = """id,video_id,start,end,class_id,verb,noun,annotation
0,a,0,1,0,cut,phone,1
1,a,1,2,0,cut,phone,0
2,b,0,1,0,cut,phone,2
3,e,1,2,1,wash,phone,1
4,c,0,1,1,wash,phone,0
5,f,1,2,2,drop,egg,1
6,d,0,1,2,drop,egg,0
7,d,1,2,3,open,tree,0
"""


@pytest.fixture
def request_(tmp_path: Path) -> RunRequest:
    write_folder(tmp_path / "rareact", {"rareact.csv": CSV.encode()})
    for number, name in enumerate("abcdef"):
        write_video(tmp_path / "rareact" / f"{name}.mkv", map(frame, range(100 * number, 100 * number + 20)), *LOSSLESS)
    return RunRequest(
        models=("toy:a",), tasks=("rareact-frames",), results=tmp_path / "runs", data_root=tmp_path, device="cpu"
    )


def only(request: RunRequest) -> tuple[str, Record, Path]:
    (result,) = execute(make_plan(request), request, NotesAsWarnings())
    assert result.record is not None and result.path is not None, result.failure
    return result.status, result.record, result.path


def test_a_run_measures_what_the_authors_script_does(request_: RunRequest) -> None:
    status, record, path = only(request_)
    assert status == "done" and record.main_metric == "mwap" and set(record.metrics) == {"mwap", "msap"}
    scores = pq.read_table(path.with_suffix(".parquet"))["scores"].to_pylist()
    # One row a video in every group: weights are 1, and each metric is plain average precision.
    ranked = {0: ([0], [1, 2, 3, 5]), 1: ([3], [4, 0, 5]), 2: ([5], [6, 0, 3])}
    expected = {
        action: average_precision_score(
            [1] * len(positive) + [0] * len(others), [scores[row][action] for row in positive + others]
        )
        for action, (positive, others) in ranked.items()
    }
    mean = sum(expected.values()) / 3  # nothing shows "open tree"
    assert record.metrics["mwap"].value == pytest.approx(mean) and record.metrics["msap"].value == pytest.approx(mean)
    assert record.metrics["mwap"].n == 8 and record.metrics["mwap"].chance and record.metrics["msap"].chance
    assert record.metrics["mwap"].reason == "6 videos are too few"
    assert record.metrics["msap"].reason == "it has no interval by definition; see mwap"
    assert [(row.name, row.n) for row in record.per_class] == [("cut phone", 1), ("wash phone", 1), ("drop egg", 1)]
    assert record.per_class[1].values["weighted_average_precision"] == pytest.approx(expected[1])
    assert record.task.protocol["frames_per_clip"] == 1 and record.task.protocol["templates"] == ["{}"]
    assert any("7,607 samples" in said for said in record.warnings)


def test_a_second_run_finds_the_record_and_another_annotation_does_not(request_: RunRequest, tmp_path: Path) -> None:
    _, first, _ = only(request_)
    assert only(request_)[0] == "found"
    write_folder(
        tmp_path / "rareact", {"rareact.csv": CSV.replace("2,b,0,1,0,cut,phone,2", "2,b,0,1,0,cut,phone,1").encode()}
    )
    toy_adapter.LOADED.clear()
    status, second, _ = only(request_)
    assert status == "done" and second.id != first.id
    assert sum(model.image_calls for model in toy_adapter.LOADED) == 0  # the frames are the same


def test_a_missing_video_is_left_out_on_request(request_: RunRequest, tmp_path: Path) -> None:
    (tmp_path / "rareact" / "d.mkv").unlink()
    (failed,) = execute(make_plan(request_), request_, NotesAsWarnings())
    assert failed.failure is not None and "the video 'd' is missing" in failed.failure.message
    _, record, _ = only(replace(request_, skip_bad=True))
    assert record.task.dataset.samples == 6 and len(record.bad_samples) == 2


def test_no_positive_among_the_chosen_is_said(request_: RunRequest, tmp_path: Path) -> None:
    write_folder(
        tmp_path / "rareact", {"rareact.csv": "\n".join([*CSV.splitlines()[:1], "1,a,1,2,0,cut,phone,0"]).encode()}
    )
    (failed,) = execute(make_plan(request_), request_, NotesAsWarnings())
    assert failed.failure is not None and "none of the scored clips shows the action" in failed.failure.message


def test_classification_does_not_take_every_segment_to_show_its_action(request_: RunRequest, tmp_path: Path) -> None:
    request = replace(request_, tasks=(f"rareact:{tmp_path / 'rareact'}",))
    (failed,) = execute(make_plan(request), request, NotesAsWarnings())
    assert failed.failure is not None and "may or may not show" in failed.failure.message


def test_wrong_cards_are_refused(request_: RunRequest, tmp_path: Path) -> None:
    source = {"kind": "rareact", "location": "x"}
    fields = {"name": "x", "plugin": "rare_actions", "sources": [source]}
    wrong = TaskCard.model_validate({**fields, "metrics": ["mwapp"], "main_metric": "mwapp"})
    with pytest.raises(UnknownNameError, match=r"unknown metric 'mwapp'[\s\S]*mwap"):
        PLUGIN.check(wrong, TaskOptions())
    multi = TaskCard.model_validate({**fields, "metrics": ["mwap"], "main_metric": "mwap", "multi_label": True})
    with pytest.raises(CardError, match="multi_label is not possible, because each clip is annotated for one action"):
        PLUGIN.check(multi, TaskOptions())
    (tmp_path / "images" / "cat").mkdir(parents=True)
    write_folder(tmp_path, {"images/cat/1.png": b"x"})
    card = tmp_path / "mine.yaml"
    card.write_text(
        "name: mine\nplugin: rare_actions\nmetrics: [mwap]\nmain_metric: mwap\n"
        "sources: [{kind: imagefolder, location: images}]\n"
    )
    (failed,) = execute(make_plan(replace(request_, tasks=(str(card),))), request_, NotesAsWarnings())
    assert failed.failure is not None and "a class that each sample may or may not show" in failed.failure.message


def test_answers_that_a_run_kept_give_its_numbers_again(request_: RunRequest, tmp_path: Path) -> None:
    _, made, path = only(replace(request_, save_answers=tmp_path / "kept"))
    _, again, other = only(replace(request_, models=(f"predictions:{tmp_path / 'kept'}",)))
    assert made.metrics == again.metrics and made.per_class == again.per_class
    before, after = (pq.read_table(each.with_suffix(".parquet")) for each in (path, other))
    assert before.equals(after.select(before.column_names))
    (tmp_path / "kept" / "rareact-frames.parquet").unlink()
    (tmp_path / "kept" / "rareact-frames.csv").write_text("id,label\n0,0\n")
    request = replace(request_, models=(f"predictions:{tmp_path / 'kept'}",))
    (failed,) = execute(make_plan(request), request, NotesAsWarnings())
    assert failed.failure is not None and "rareact-frames.csv" in failed.failure.message
