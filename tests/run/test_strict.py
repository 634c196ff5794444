"""``--strict``: what was remarked fails the pair, before any work if it can; what was found answers as what is new."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_adapter
from command_line import command

from vlmbench.api import evaluate
from vlmbench.errors import VlmbenchError
from vlmbench.records import REMARKLESS, Record
from vlmbench.remarks.base import remark
from vlmbench.remarks.codes import WARNING
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.opened import OpenedTask, open_task
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions

pytestmark = pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
TWICE = TaskOptions(class_names=("a", "a", "b"))


@pytest.fixture
def folder(make_folder: Callable[..., Path]) -> Path:
    return make_folder({"cat": 4, "dog": 3, "bird": 5})


@pytest.fixture
def request_(folder: Path, tmp_path: Path) -> RunRequest:
    return RunRequest(("toy:a",), (f"imagefolder:{folder}",), tmp_path / "runs", device="cpu", strict=True)


def only(request: RunRequest) -> PairResult:
    toy_adapter.LOADED.clear()
    (result,) = execute(make_plan(request), request, NotesAsWarnings())
    return result


def encoded() -> int:
    return sum(model.image_calls + model.text_calls for model in toy_adapter.LOADED)


def old(result: PairResult) -> Path:
    """The record as a version before remarks would have written it."""
    assert result.path is not None
    content = json.loads(result.path.read_text())
    content["schema"] = REMARKLESS
    del content["remarks"]
    result.path.write_text(json.dumps(content))
    return result.path


def test_what_has_no_remark_is_written_and_found(request_: RunRequest) -> None:
    first, second = only(request_), only(request_)
    assert (first.status, second.status) == ("done", "found") and first.record == second.record
    assert first.record is not None and first.record.remarks == ()


def test_what_is_known_beforehand_fails_before_any_work(request_: RunRequest) -> None:
    result = only(replace(request_, options=TWICE))
    assert result.status == "failed" and result.exit_code == 1 and encoded() == 0
    assert result.failure is not None and result.failure.error == "StrictError"
    assert result.failure.message.startswith("2 remarks under --strict: none of the 3 given class names occurs in ")
    assert result.failure.message.endswith(
        " [class-order]; 1 class name occurs more than once: 'a' [repeated-class-names]"
    )


def test_of_many_remarks_five_are_named(request_: RunRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*args: Any, **options: Any) -> OpenedTask:
        task = open_task(*args, **options)
        remarks = [remark(WARNING, f"warning {number}") for number in range(101)]
        return replace(task, remarks=tuple(remarks))

    monkeypatch.setattr("vlmbench.run.plan.open_task", opened)
    result = only(request_)
    assert result.failure is not None
    assert result.failure.message.startswith("101 remarks under --strict: warning 0 [warning]; ")
    assert result.failure.message.endswith("; warning 4 [warning]; and 96 more")


def test_data_of_another_size_fails_before_any_work(request_: RunRequest, folder: Path, tmp_path: Path) -> None:
    card = {"name": "t", "samples": 99, "sources": [{"kind": "imagefolder", "location": str(folder)}]}
    (tmp_path / "t.yaml").write_text(json.dumps(card))
    request = replace(request_, tasks=(str(tmp_path / "t.yaml"),))
    result = only(request)
    assert result.failure is not None and "[other-size]" in result.failure.message and encoded() == 0
    loose = only(replace(request, strict=False))
    assert loose.record is not None and [remark.code for remark in loose.record.remarks] == ["other-size"]


def test_a_subset_of_data_of_another_size_fails_too(request_: RunRequest, folder: Path, tmp_path: Path) -> None:
    card = {"name": "t", "samples": 99, "sources": [{"kind": "imagefolder", "location": str(folder)}]}
    (tmp_path / "t.yaml").write_text(json.dumps(card))
    request = replace(request_, tasks=(str(tmp_path / "t.yaml"),), options=TaskOptions(limit=6))
    result = only(request)
    assert result.failure is not None and "has 99 samples and this data has 12" in result.failure.message
    loose = only(replace(request, strict=False))
    assert loose.record is not None and [each.code for each in loose.record.remarks] == ["subset", "other-size"]


def test_a_setting_without_a_part_fails_a_record_that_was_found(tmp_path: Path) -> None:
    """It is in no run id: the record of a run without it answers the same question."""
    few = RunRequest(("toy:a",), ("demo-detection",), tmp_path, device="cpu", options=TaskOptions(limit=4), strict=True)
    assert only(few).status == "done" and only(few).status == "found"
    unused = replace(few, options=TaskOptions(limit=4, protocol={"roi_grid": 3}))
    assert only(replace(unused, strict=False)).status == "found"
    result = only(unused)
    assert result.failure is not None and "[setting-unused]" in result.failure.message


def test_samples_left_out_fail_the_pair_though_the_user_asked_for_it(request_: RunRequest, folder: Path) -> None:
    (folder / "cat" / "000.png").write_bytes(b"nothing")
    result = only(replace(request_, skip_bad=True))
    assert result.failure is not None and "[bad-samples]" in result.failure.message
    assert not list(request_.results.rglob("*.parquet"))


def test_what_the_user_asked_for_passes(request_: RunRequest) -> None:
    result = only(replace(request_, options=TaskOptions(limit=6, seed=1, templates=("a {}",))))
    assert result.status == "done" and result.record is not None
    assert [remark.code for remark in result.record.remarks] == ["subset", "seed", "own-templates"]


def test_a_record_with_a_remark_is_not_found_but_asked_again(request_: RunRequest, folder: Path) -> None:
    bad = folder / "cat" / "bad.png"
    bad.write_bytes(b"nothing")
    loose = replace(request_, strict=False, skip_bad=True)
    assert only(loose).status == "done" and only(loose).status == "found"
    assert only(replace(request_, skip_bad=True)).status == "failed"
    bad.unlink()
    assert only(replace(request_, skip_bad=True)).status == "done"


def test_a_remark_of_today_fails_a_record_that_was_written_without_it(request_: RunRequest, folder: Path) -> None:
    """The same samples, of which something is said now that was not said then."""
    written = only(replace(request_, strict=False, options=TWICE))
    assert written.path is not None
    content = json.loads(written.path.read_text())
    content["remarks"] = []
    written.path.write_text(json.dumps(content))
    assert only(replace(request_, strict=False, options=TWICE)).status == "found"
    assert only(replace(request_, options=TWICE)).status == "failed"


def test_a_record_from_before_remarks_runs_again(request_: RunRequest) -> None:
    first = only(request_)
    path = old(first)
    loose = only(replace(request_, strict=False))
    assert loose.status == "found" and isinstance(loose.record, Record) and loose.record.schema_ == REMARKLESS
    again = only(request_)
    assert again.status == "done" and again.path == path and again.record is not None
    assert first.record is not None and again.record.id == first.record.id
    assert json.loads(path.read_text())["schema"] == "vlmbench.record/2"


def test_python_callers_get_the_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(VlmbenchError, match=r"under --strict: .*\[repeated-class-names\]"):
        evaluate(
            "toy:a", f"imagefolder:{folder}", results=tmp_path, device="cpu", class_names=["a", "a", "b"], strict=True
        )


def test_a_dry_run_says_what_would_fail(folder: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("a\na\nb\n")
    run = ("run", "-m", "toy:a", "-t", f"imagefolder:{folder}", "--classnames", names, "--dry-run", "--device", "cpu")
    assert "[repeated-class-names]" in command(*run, code=0).stderr
    assert "[repeated-class-names]" in command(*run, "--strict", code=1).stderr


def test_a_strict_failure_goes_with_the_next_success(request_: RunRequest) -> None:
    loose = replace(request_, strict=False, options=TWICE)
    assert only(loose).status == "done" and only(replace(request_, options=TWICE)).status == "failed"
    assert list(request_.results.rglob("*.failed.json"))
    assert only(loose).status == "found" and not list(request_.results.rglob("*.failed.json"))
