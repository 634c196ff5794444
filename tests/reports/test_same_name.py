"""Several models under one name: each row has the weights of one, and says so."""

from __future__ import annotations

from typing import Any

from vlmbench.records import Imported, Record
from vlmbench.reports.builders.results import results_table
from vlmbench.reports.entries import gather, newest, remarks
from vlmbench.reports.table_view import TableView
from vlmbench.testing.toy_records import make_failure, make_record


def of(weights: str, task: str, day: int, **model: Any) -> Record:
    record = make_record(task=task, id=f"{weights}{task}{day}", started=f"2026-01-{day:02d}T00:00:00+00:00")
    known = record.model.model_copy(update={"weights_sha256": weights * 16, **model})
    return record.model_copy(update={"model": known})


def rows(*records: Record) -> list[tuple[str, str, str]]:
    return [(record.model.name, record.task.name, remarks(record)) for record in newest(records)]


def test_one_model_stays_as_it_is() -> None:
    assert rows(of("aaaa", "s", 1), of("aaaa", "t", 2)) == [("m", "s", ""), ("m", "t", "")]


def test_a_model_that_was_replaced_everywhere_is_left_out() -> None:
    found = rows(of("aaaa", "s", 1), of("aaaa", "t", 1), of("bbbb", "s", 2), of("bbbb", "t", 2))
    assert found == [
        ("m", "s", "1 of 2 models of this name, weights bbbbbbbb"),
        ("m", "t", "1 of 2 models of this name, weights bbbbbbbb"),
    ]


def test_no_two_models_are_called_alike() -> None:
    """Of two older ones with the same weights, one has the newest's transform."""
    older = of("aaaa", "s", 1, preprocess="old"), of("aaaa", "t", 2, preprocess="new")
    names = {name for name, *_ in rows(*older, of("bbbb", "u", 3, preprocess="new"))}
    assert len(names) == 3 and {"m", "m (weights aaaaaaaa)"} < names


def test_a_failure_that_an_older_model_has_answered_stays_away() -> None:
    failure = make_failure(task="s", started="2025-12-31T00:00:00+00:00")
    assert not gather([failure, of("aaaa", "s", 1), of("bbbb", "t", 2)]).failures


def test_a_row_is_found_by_the_name_in_the_file() -> None:
    table = results_table([of("aaaa", "s", 1), of("bbbb", "t", 2)], view=TableView(models=["m"]))
    assert len(table.data) == 2


def test_a_model_that_was_replaced_on_some_tasks_has_a_row_of_its_own() -> None:
    found = rows(of("aaaa", "s", 1), of("aaaa", "t", 1), of("bbbb", "s", 2))
    assert found == [
        ("m (weights aaaaaaaa)", "s", "1 of 2 models of this name, weights aaaaaaaa"),
        ("m (weights aaaaaaaa)", "t", "1 of 2 models of this name, weights aaaaaaaa"),
        ("m", "s", "1 of 2 models of this name, weights bbbbbbbb"),
    ]


def test_of_three_models_those_that_say_more_than_the_newest_stay() -> None:
    first, second, third = of("aaaa", "t", 1), of("bbbb", "s", 2), of("cccc", "s", 3)
    assert [name for name, *_ in rows(first, second, third)] == ["m (weights aaaaaaaa)", "m"]


def test_the_same_weights_behind_another_transform_are_another_model() -> None:
    names = [name for name, *_ in rows(of("aaaa", "s", 1, preprocess="resize 336"), of("aaaa", "t", 2))]
    assert names[0].startswith("m (transform ") and names[1] == "m"


def test_imported_records_go_with_the_newest_model() -> None:
    imported = of("", "u", 1).model_copy(update={"imported": Imported(program="clip_benchmark", file="f", sha256="0")})
    assert [name for name, *_ in rows(imported, of("bbbb", "s", 2))] == ["m", "m"]


def test_the_name_in_the_file_is_kept_for_what_lies_beside_it() -> None:
    old, new = newest([of("aaaa", "s", 1), of("bbbb", "t", 2)])
    assert (old.model.name, old.model.saved_as) == ("m (weights aaaaaaaa)", "m")
    assert (new.model.name, new.model.saved_as) == ("m", "m")
    assert "saved_as" not in old.model_dump_json()


def test_a_table_has_a_row_for_each_model() -> None:
    table = results_table([of("aaaa", "s", 1), of("aaaa", "t", 1), of("bbbb", "s", 2)])
    assert len({(datum["model"], datum["weights_sha256"]) for datum in table.data}) == 2
