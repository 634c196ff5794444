"""--save-visuals: pictures beside the record, which change no number and no id."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from vlmbench.cards import ModelCard
from vlmbench.errors import MissingDependencyError, UsageError
from vlmbench.features.progress import Silent
from vlmbench.remarks.base import Remark
from vlmbench.run.execute import execute
from vlmbench.run.listener import PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions
from vlmbench.visuals.sheets import SHEET_TILES

CHARTS = {"confusion-matrix.png", "per-class.png"}


class Notes(Silent):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def loading(self, model: ModelCard) -> None: ...

    def pair_started(self, model: str, task: str) -> None: ...

    def pair_finished(self, result: PairResult) -> None: ...

    def note(self, message: str) -> None:
        self.notes.append(message)

    def remark(self, about: str, remark: Remark) -> None:
        self.notes.append(remark.sentence)


@pytest.fixture
def request_(make_folder: Callable[..., Path], tmp_path: Path) -> RunRequest:
    folder = make_folder({"cat": 20, "dog": 20, "<b>": 16})
    return RunRequest(models=("toy:a",), tasks=(f"imagefolder:{folder}",), results=tmp_path / "runs", device="cpu")


def run(request: RunRequest, **options: object) -> tuple[PairResult, list[str]]:
    listener = Notes()
    request = replace(request, options=TaskOptions(**options))  # type: ignore[arg-type]
    (result,) = execute(make_plan(request), request, listener)
    assert result.record is not None, result.failure
    return result, listener.notes


def names(folder: Path | None) -> set[str]:
    assert folder is not None
    for path in folder.iterdir():
        PIL.Image.open(io.BytesIO(path.read_bytes())).load()
    return {path.name for path in folder.iterdir()}


def test_pictures_lie_beside_the_record_and_change_nothing(request_: RunRequest, tmp_path: Path) -> None:
    drawn, notes = run(request_, visuals=6)
    plain, _ = run(replace(request_, results=tmp_path / "others"))
    assert drawn.record is not None and plain.record is not None and drawn.path is not None
    assert drawn.record.id == plain.record.id and drawn.record.metrics == plain.record.metrics
    assert drawn.record.predictions.sha256 == plain.record.predictions.sha256
    assert drawn.record.task == plain.record.task and drawn.record.warnings == plain.record.warnings
    assert drawn.visuals == drawn.path.with_suffix(".visuals") and notes == []
    assert names(drawn.visuals) == {*CHARTS, "samples.png"}
    assert plain.visuals is None and not list((tmp_path / "others").rglob("*.png"))


def test_a_record_that_exists_is_not_drawn_but_said(request_: RunRequest) -> None:
    run(request_)
    found, notes = run(request_, visuals=6)
    assert found.status == "found" and found.visuals is None
    assert len(notes) == 1 and "--force" in notes[0] and "it has no pictures" in notes[0]
    forced, notes = run(replace(request_, force=True), visuals=6)
    assert names(forced.visuals) == {*CHARTS, "samples.png"} and notes == []
    again, notes = run(request_, visuals=6)
    assert again.status == "found" and again.visuals == forced.visuals and "earlier run" in notes[0]
    quiet, notes = run(request_)
    assert quiet.visuals is None and notes == []


def test_a_new_run_replaces_the_old_pictures_and_nothing_else(request_: RunRequest) -> None:
    many, _ = run(request_, visuals=SHEET_TILES + 1)
    assert names(many.visuals) == {*CHARTS, "samples-01.png", "samples-02.png"}
    assert many.visuals is not None
    (many.visuals / "mine.txt").write_text("a reader's own notes")
    (many.visuals / "samples-02.png").write_bytes(b"old")
    few, _ = run(replace(request_, force=True), visuals=1)
    assert {path.name for path in many.visuals.iterdir()} == {*CHARTS, "samples.png", "mine.txt"}
    run(replace(request_, force=True))
    assert (many.visuals / "samples.png").exists()  # not asked for, so left alone
    assert few.visuals == many.visuals


def test_equal_runs_draw_equal_pictures(request_: RunRequest) -> None:
    first, _ = run(request_, visuals=6)
    assert first.visuals is not None
    before = {path.name: path.read_bytes() for path in first.visuals.iterdir()}
    run(replace(request_, force=True), visuals=6)
    assert before == {path.name: path.read_bytes() for path in first.visuals.iterdir()}


def test_more_than_there_are_draws_all(request_: RunRequest) -> None:
    drawn, _ = run(request_, visuals=10_000, limit=5)
    assert names(drawn.visuals) == {*CHARTS, "samples.png"}


def test_without_matplotlib_it_is_said_before_any_work(request_: RunRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match="matplotlib"):
        make_plan(replace(request_, options=TaskOptions(visuals=1)))
    make_plan(request_)


def test_a_font_that_is_none_is_said_before_any_work(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch, captioned: Path
) -> None:
    monkeypatch.setenv("VLMBENCH_FONT", "/no/font.ttf")
    for task in (*request_.tasks, f"captions:{captioned}"):
        with pytest.raises(UsageError, match=r"/no/font\.ttf"):
            make_plan(replace(request_, tasks=(task,), options=TaskOptions(visuals=1)))


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    folder = tmp_path / "captioned"
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    rows = ["image,caption"]
    for index in range(20):
        pixels = random.integers(0, 256, (9, 9, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(folder / "images" / f"{index}.png")
        rows += [f"{index}.png,{word} {index}" for word in ("a cat", "dogs \N{DOG FACE}")]
    (folder / "captions.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_retrieval_draws_images_with_their_captions(request_: RunRequest, captioned: Path) -> None:
    request = replace(request_, tasks=(f"captions:{captioned}",))
    drawn, notes = run(request, visuals=3)
    assert names(drawn.visuals) == {"samples.png"} and notes == []
    many, _ = run(replace(request, force=True), visuals=20)
    assert names(many.visuals) == {"samples-01.png", "samples-02.png"}


def test_a_kind_of_task_that_draws_nothing_says_so(request_: RunRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmbench.tasks.classification.plugin.draw_answers", lambda *_, **__: {})
    done, notes = run(request_, visuals=3)
    assert done.visuals is None and len(notes) == 1 and "classification draws no pictures" in notes[0]
