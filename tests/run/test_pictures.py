"""Pictures are drawn while the next pair runs, and none is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from vlmbench.errors import StoreError
from vlmbench.records import Record
from vlmbench.remarks.base import Remark
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.pictures import PictureDrawer
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.store import ResultStore
from vlmbench.tasks.base import TaskOptions
from vlmbench.testing.toy_records import make_record

PNG = b"a picture"
DRAW = "vlmbench.tasks.classification.plugin.draw_answers"


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "runs")


@pytest.fixture
def request_(make_folder: Callable[..., Path], tmp_path: Path) -> RunRequest:
    folders = [make_folder({"cat": 3, "dog": 2}, name=name, seed=seed) for seed, name in enumerate(("a", "b"))]
    return RunRequest(
        ("toy:a",),
        tuple(f"imagefolder:{folder}" for folder in folders),
        tmp_path / "runs",
        device="cpu",
        options=TaskOptions(visuals=2),
        pictures_in_background=True,
    )


class Heard(NotesAsWarnings):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.finished: list[PairResult] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def remark(self, about: str, remark: Remark) -> None:
        self.notes.append(remark.sentence)

    def pair_finished(self, result: PairResult) -> None:
        self.finished.append(result)


def test_the_caller_goes_on_while_pictures_are_drawn(store: ResultStore) -> None:
    may_draw = threading.Event()

    def draw() -> Mapping[str, bytes]:
        assert may_draw.wait(60)
        return {"samples.png": PNG}

    record = make_record()
    with PictureDrawer(store, pytest.fail, in_background=True) as pictures:
        pictures.after_record(record, draw)
        assert not store.visuals(record).exists()  # the caller is here, and nothing is drawn
        may_draw.set()
    assert (store.visuals(record) / "samples.png").read_bytes() == PNG


def test_one_pair_is_waited_for_before_the_next(store: ResultStore) -> None:
    first, second = make_record(), make_record().model_copy(update={"id": "second"})
    with PictureDrawer(store, pytest.fail, in_background=True) as pictures:
        pictures.after_record(first, lambda: {"samples.png": PNG})
        pictures.after_record(second, lambda: {"samples.png": PNG})
        assert (store.visuals(first) / "samples.png").is_file()
    assert (store.visuals(second) / "samples.png").is_file()


def test_an_error_while_drawing_is_noted_for_its_pair(request_: RunRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, where: str, **__: object) -> Mapping[str, bytes]:
        if where.endswith("/a"):
            raise ValueError("no ink")
        return {"samples.png": PNG}

    monkeypatch.setattr(DRAW, broken)
    heard = Heard()
    first, second = execute(make_plan(request_), request_, heard)
    assert [first.status, second.status] == ["done", "done"]
    assert heard.notes == [f"toy:a, {first.task}: its pictures could not be drawn: ValueError: no ink"]
    assert first.visuals is None and second.visuals is not None
    assert (second.visuals / "samples.png").read_bytes() == PNG


def test_pictures_that_cannot_be_written_end_the_run(store: ResultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(store: ResultStore, record: Record, visuals: Mapping[str, bytes]) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(ResultStore, "write_visuals", full)
    with pytest.raises(StoreError, match="full"), PictureDrawer(store, pytest.fail, in_background=True) as pictures:
        pictures.after_record(make_record(), lambda: {"samples.png": PNG})


@pytest.mark.parametrize("in_background", [False, True])
def test_pictures_come_before_the_record_or_in_the_background_after_it(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch, in_background: bool
) -> None:
    records: list[int] = []

    def draw(*_: object, **__: object) -> Mapping[str, bytes]:
        records.append(len(list(request_.results.glob("*/*/*.json"))))
        return {"samples.png": PNG}

    monkeypatch.setattr(DRAW, draw)
    request = replace(request_, tasks=request_.tasks[:1], pictures_in_background=in_background)
    (result,) = execute(make_plan(request), request, Heard())
    assert records == [int(in_background)] and result.visuals is not None
    assert result.record is not None and "pictures" not in result.record.run.seconds


def test_broken_off_a_run_leaves_whole_records_with_their_pictures(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def draw(*_: object, **__: object) -> Mapping[str, bytes]:
        assert begun.wait(60)
        return {"samples.png": PNG}

    class BreaksOff(Heard):
        def pair_started(self, model: str, task: str) -> None:
            if task == request_.tasks[1]:
                begun.set()
                raise KeyboardInterrupt

    monkeypatch.setattr(DRAW, draw)
    with pytest.raises(KeyboardInterrupt):
        execute(make_plan(request_), request_, BreaksOff())
    (record,) = ResultStore(request_.results)
    assert isinstance(record, Record)
    assert (ResultStore(request_.results).visuals(record) / "samples.png").read_bytes() == PNG
    again = execute(make_plan(request_), request_, Heard())
    assert [result.status for result in again] == ["found", "done"]
