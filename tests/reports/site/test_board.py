"""The leaderboard's rows, cells and views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from vlmbench.records import Imported, MetricValue, RunInfo, TaskInfo
from vlmbench.reports.published import Published
from vlmbench.reports.site.board import Board, board
from vlmbench.reports.site.collect import collect
from vlmbench.reports.site.headings import model_headings
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_failure, make_record

NUMBER = Published(
    "PaperNet", "cifar10", "acc1", 0.9, "A Paper, Table 1", table="survey-6", variant={"data_size": "4M"}
)


def made(store: ResultStore, published: tuple[Published, ...] = ()) -> Board:
    collected = collect(store, published)
    return board(collected, model_headings(collected))


def test_a_cell_is_the_records_number_and_the_best_two_are_marked(store: ResultStore, put: Callable[..., str]) -> None:
    for model, value in (("a", 0.5), ("b", 0.7), ("c", 0.6)):
        put(model, "t", value)
    rows = {row.model.name: row.cells["t"] for row in made(store).rows}
    assert {name: (cell.value, cell.place) for name, cell in rows.items()} == {
        "a": (0.5, 0),
        "b": (0.7, 1),
        "c": (0.6, 2),
    }


def test_an_answer_to_another_question_is_shown_and_neither_ranked_nor_averaged(
    store: ResultStore, put: Callable[..., str]
) -> None:
    put("a", "t", 0.5)
    put("b", "t", 0.9, run=_limited())
    found = made(store)
    cell = next(row.cells["t"] for row in found.rows if row.model.name == "b")
    assert cell.value == 0.9 and not cell.comparable and cell.place == 0
    assert cell.notes and "subset" in cell.notes[0]
    assert found.first is not None
    assert found.first.means == (0.5, None)


def test_the_full_answer_stands_before_a_newer_subset(store: ResultStore, put: Callable[..., str]) -> None:
    put("a", "t", 0.5)
    limited = _limited().model_copy(update={"started": "2027-01-01T00:00:00+00:00"})
    put("a", "t", 0.9, id="f" * 16, run=limited, task=_other_data())
    (row,) = made(store).rows
    assert row.cells["t"].value == 0.5


def test_a_mean_is_over_every_task_of_the_view_or_is_not(store: ResultStore, put: Callable[..., str]) -> None:
    put("a", "t", 0.4)
    put("a", "u", 0.6)
    put("b", "t", 0.9)
    found = made(store)
    assert found.first is not None
    assert found.first.tasks == ("t", "u")
    assert found.first.means == (pytest.approx(0.5), None)


def test_models_that_intervals_cannot_tell_apart_share_their_places(
    store: ResultStore, put: Callable[..., str]
) -> None:
    for model, value in (("a", 0.50), ("b", 0.51), ("c", 0.9)):
        put(model, "t", value)
    view = made(store).first
    assert view is not None
    assert [one.place.text for one in view.standings if one and one.place] == ["2–3", "2–3", "1"]


def test_published_numbers_are_rows_of_their_own_without_a_place(store: ResultStore, put: Callable[..., str]) -> None:
    put("a", "cifar10", 0.5)
    flagged = replace(NUMBER, model="WrongNet", flag="known to be wrong")
    other_metric = replace(NUMBER, model="OtherNet", metric="acc5")
    found = made(store, (NUMBER, flagged, other_metric))
    assert [(row.model.name, row.origin) for row in found.rows] == [("a", "measured"), ("PaperNet", "published")]
    own, paper = found.rows
    assert paper.model.data_size == "4M" and paper.table == "Survey, Table 6" and paper.source == "A Paper, Table 1"
    assert (own.cells["cifar10"].origin, paper.cells["cifar10"].origin) == ("measured", "published")
    assert found.first is not None
    assert found.first.means == (0.5, 0.9)
    assert [one.place is not None for one in found.first.standings if one] == [True, False]


def test_a_transferred_models_number_is_not_compared_with_zero_shot_ones(store: ResultStore) -> None:
    few = replace(NUMBER, model="CoOp", value=0.99, table="survey-9", variant={"setup": "Few-shot Sup."})
    plain = replace(NUMBER, model="CLIP", table="survey-9", variant={"setup": "w/o Transfer"})
    found = made(store, (few, plain, replace(plain, model="Other", value=0.8)))
    cells = {row.model.name: row.cells["cifar10"] for row in found.rows}
    assert not cells["CoOp"].comparable and cells["CoOp"].place == 0
    assert cells["CoOp"].notes == ("not zero-shot: after transfer (Few-shot Sup.)",)
    assert (cells["CLIP"].place, cells["Other"].place) == (1, 2)


def test_best_and_second_are_of_one_source(store: ResultStore, put: Callable[..., str]) -> None:
    for model, value in (("a", 0.5), ("b", 0.4)):
        put(model, "cifar10", value)
    papers = tuple(
        replace(NUMBER, model=model, value=value, table=table)
        for model, value, table in (("P", 0.9, "det"), ("Q", 0.8, "det"), ("R", 0.7, "seg"))
    )
    places = {row.model.name: row.cells["cifar10"].place for row in made(store, papers).rows}
    assert places == {"a": 1, "b": 2, "P": 1, "Q": 2, "R": 0}  # R is alone


def test_a_published_mean_is_not_averaged_with_its_tasks(store: ResultStore) -> None:
    numbers = [
        replace(NUMBER, task=task, metric=metric, value=value)
        for task, metric, value in (("cifar10", "acc1", 0.9), ("cifar100", "acc1", 0.7), ("their-average", "mean", 0.5))
    ]
    found = made(store, tuple(numbers))
    assert "their-average" in {task.name for task in found.columns}
    assert not [view.key for view in found.views if "their-average" in view.tasks]
    assert found.first is not None and found.first.means == (pytest.approx(0.8),)


def test_a_board_begins_where_most_numbers_are_ranked(store: ResultStore, put: Callable[..., str]) -> None:
    for model in ("a", "b", "c"):
        for task in ("t", "u"):
            put(model, task, 0.5)
    put("a", "v", 0.5)
    found = made(store)
    assert found.first is not None and (found.first.key, found.first.tasks) == ("common", ("t", "u"))
    assert found.first.means == (0.5, 0.5, 0.5)
    assert {view.key for view in found.views} == {"all", "common"}


def test_imported_records_are_rows_of_their_own(store: ResultStore, put: Callable[..., str]) -> None:
    put("a", "t", 0.5)
    source = Imported(program="open_clip", file="results.csv", sha256="0" * 64)
    put("b", "t", 0.6, imported=source, predictions=None)
    assert [(row.model.name, row.origin) for row in made(store).rows] == [("a", "measured"), ("b", "imported")]


def test_a_failed_pair_says_so_where_a_number_would_be(store: ResultStore, put: Callable[..., str]) -> None:
    put("a", "t", 0.5)
    store.write_failure(make_failure("b", "t", "the weights are gone"), "plan")
    row = next(row for row in made(store).rows if row.model.name == "b")
    assert row.cells["t"].text == "failed"
    assert row.cells["t"].notes == ("the weights are gone",)


def test_undefined_is_said_and_never_zero(store: ResultStore, put: Callable[..., str]) -> None:
    put("a", "t", 0.5, metrics={"acc1": MetricValue(value=None, n=3, reason="no sample is there")})
    put("b", "t", 0.5, metrics={"acc1": MetricValue(value=None, n=3)})
    first, second = made(store).rows
    assert first.cells["t"].text == second.cells["t"].text == "–"
    assert first.cells["t"].notes == ("no value: no sample is there",)
    assert second.cells["t"].notes == ("no value: the record does not say why",), "an older record"


def test_views_are_kinds_and_suites_of_which_every_task_has_numbers(
    store: ResultStore, put: Callable[..., str]
) -> None:
    for task in ("demo-digits", "demo-photos", "mine"):
        put("a", task, 0.5)
    assert [view.key for view in made(store).views] == ["all"]
    suite = ("imagenet1k", "imagenet-v2", "imagenet-a", "imagenet-r", "imagenet-sketch", "imagenet-o", "objectnet")
    for task in suite:
        put("a", task, 0.5)
    views = {view.key: view for view in made(store).views}
    assert set(views["suite-robustness"].tasks) == set(suite)


def test_a_board_begins_with_what_was_measured(store: ResultStore, put: Callable[..., str]) -> None:
    put("a", "t", 0.5)
    put("a", "cifar10", 0.5)
    papers = tuple(replace(NUMBER, task=task) for task in ("cifar10", "cifar100", "food101"))
    found = made(store, papers)
    assert found.first is not None and found.first.key == "measured"
    assert set(found.first.tasks) == {"t", "cifar10"}
    assert {view.key for view in found.views} >= {"all", "measured", "source-Survey, Table 6"}


def test_what_is_known_of_a_model_comes_from_its_card_and_its_records(
    store: ResultStore, put: Callable[..., str]
) -> None:
    put("demo-clip", "t", 0.5)
    collected = collect(store, (replace(NUMBER, model="clip-vit-b-32-openai"),))
    headings = model_headings(collected)
    demo = headings["demo-clip"]
    assert demo.title == "Demo CLIP" and demo.objective == "contrastive"
    assert demo.parameters == collected.records_of["demo-clip"][0].model.parameters
    assert list(demo.speeds) == ["cpu, fp32"]


def _limited() -> RunInfo:
    """The run of a record that scored a subset."""
    return make_record(limit=5).run


def _other_data() -> TaskInfo:
    """The task of a record whose data has another fingerprint, as a subset has."""
    task = make_record(task="t").task
    return task.model_copy(update={"dataset": task.dataset.model_copy(update={"fingerprint": "subset"})})
