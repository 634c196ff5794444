"""The few-shot table: numbers, costs, differences, charts, and published rows that are never ranked."""

from __future__ import annotations

from pathlib import Path

import pytest
from adapted_records import hits, make_adapted, put
from published_numbers import FEWSHOT

from vlmbench.errors import UsageError
from vlmbench.records import Record
from vlmbench.reports.builders.fewshot import fewshot_table
from vlmbench.reports.cells import Label, Score, plain
from vlmbench.reports.entries import Entries
from vlmbench.reports.published import Published
from vlmbench.reports.registry import TableRequest, make_table
from vlmbench.reports.table_data import Table
from vlmbench.reports.table_view import TableView
from vlmbench.store import ResultStore

START = "1100110000"
RN50 = {"adapter": "open_clip", "spec": "RN50-quickgelu/openai"}
DTD = [number for number in FEWSHOT if number.task == "dtd"]


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path)


def made(store: ResultStore, records: list[Record], numbers: list[Published] = [], **view: object) -> Table:  # noqa: B006
    request = TableRequest("", Entries(records), TableView(**view), store, published_fewshot=lambda: numbers)  # type: ignore[arg-type]
    return make_table("fewshot", request)


def some(store: ResultStore, **fields: object) -> list[Record]:
    """Two methods with two draws each; the first is better."""
    texts = {"tip-adapter": ("1111110000", "1111100000"), "gda": ("1110110000", "0000110000")}
    return put(
        store,
        *(
            make_adapted(method, draw, hits(text), hits(START), **fields)  # type: ignore[arg-type]
            for method, own in texts.items()
            for draw, text in enumerate(own)
        ),
    )


def cell(table: Table, row: int, column: str) -> object:
    place = [each.full_name for each in table.columns].index(column)
    return table.rows[row][place]


def test_a_row_shows_the_start_the_gain_the_worst_draw_and_the_draws_below(store: ResultStore) -> None:
    table = made(store, some(store))
    assert [plain(row[2]) for row in table.rows] == ["gda", "tip-adapter"], "in the order of names"
    shown = {column.full_name: plain(table.rows[0][place]) for place, column in enumerate(table.columns)}
    assert shown["shots 0"] == "40.0" and shown["shots 4"] == "35.0" and shown["gain"] == "-5.0"
    assert shown["worst"] == "20.0" and shown["below"] == "1 of 2"
    assert [datum["gain"] for datum in table.data] == pytest.approx([-0.05, 0.15])


def test_costs_have_columns_and_empty_columns_do_not(store: ResultStore) -> None:
    table = made(store, some(store))
    names = {column.name for column in table.columns}
    assert not {"last step", "memory", "other models"} & names and {"fit s", "trained", "images", "texts"} <= names
    cost = {"parameters": 2_000, "peak_bytes": 3 * 2**20, "image_passes": 40, "text_passes": 1200}
    records = some(store, cost={**cost, "other_models": ["dino"]}, last_step={"acc1": 0.25})
    table = made(store, records)
    assert plain(cell(table, 0, "trained")) == "2k" and plain(cell(table, 0, "memory")) == "3 MiB"  # type: ignore[arg-type]
    assert (cell(table, 0, "images"), cell(table, 0, "texts")) == ("40", "1,200")
    assert cell(table, 0, "other models") == "dino"
    last = cell(table, 0, "last step")
    assert isinstance(last, Score) and last.value == 0.25 and not last.comparable
    assert table.data[0]["peak_bytes"] == 3 * 2**20 and table.data[0]["last_step"] == 0.25


def test_published_rows_of_the_same_dataset_method_and_model_stand_beside_and_are_never_ranked(
    store: ResultStore,
) -> None:
    records = some(store, task="dtd", model_fields=RN50, shots=16)
    table = made(store, records, DTD)
    published = [row for row in table.rows if isinstance(row[0], Label) and row[0].origin == "published"]
    assert {plain(row[0]) for row in published} == {"CLIP RN50"}
    methods = {plain(row[2]) for row in published}
    assert {"Tip-Adapter", "GDA (training-free)", "CLIP zero-shot (as listed by APE)"} <= methods
    assert not any("CoOp" in method for method in methods if "zero-shot" not in method), "CoOp was not run"
    scores = [cell for row in published for cell in row if isinstance(cell, Score)]
    assert scores and not any(score.place or score.comparable for score in scores)
    best = [cell for row in table.rows for cell in row if isinstance(cell, Score) and cell.place]
    assert [score.origin for score in best] == ["measured", "measured"] and max(s.value or 0 for s in scores) > 0.6
    assert {datum["origin"] for datum in table.data} == {"measured", "published"}
    assert all(datum["setting"] in ("few-shot all classes", "zero-shot") for datum in table.data if "setting" in datum)


def test_flags_are_footnotes_and_can_be_left_out(store: ResultStore) -> None:
    records = some(store, task="imagenet1k", model_fields=RN50, shots=16)
    numbers = [number for number in FEWSHOT if number.task == "imagenet1k"]
    table = made(store, records, numbers)
    assert any(note.startswith("leaky selection") for note in table.footnotes)
    assert any("second hand" in note for note in table.footnotes)
    unflagged = made(store, records, numbers, flagged=False)
    assert unflagged.rows and not any("leaky" in note or "second hand" in note for note in unflagged.footnotes)


@pytest.mark.parametrize(("published", "fields"), [("none", RN50), ("auto", {"adapter": "toy"})])
def test_no_published_rows_without_a_match(store: ResultStore, published: str, fields: dict[str, str]) -> None:
    records = some(store, task="dtd", model_fields=fields, shots=16)
    assert len(made(store, records, DTD, published=published).rows) == 2
    everything = made(store, records, DTD, published="all")
    assert {"CoOp", "CLIP-LoRA"} <= {plain(row[2]) for row in everything.rows}


def test_numbers_of_other_settings_are_not_shown(store: ResultStore) -> None:
    records = some(store, task="dtd", model_fields=RN50, shots=16)
    table = made(store, records, [n for n in DTD if n.variant["setting"] in ("base", "new", "H", "cross-dataset")])
    assert len(table.rows) == 2


def test_differences_from_a_method_and_from_zero_shot(store: ResultStore) -> None:
    records = some(store)
    table = made(store, records, against="gda")
    assert [plain(row[2]) for row in table.rows] == ["tip-adapter"]
    (datum,) = table.data
    assert (datum["difference"], datum["better_draws"], datum["draws"]) == (pytest.approx(0.2), 2, 2)
    score = cell(table, 0, "shots 4")
    assert isinstance(score, Score) and score.text == "+20.0" and score.interval and not score.place
    start = made(store, records, against="zero-shot")
    assert [datum["difference"] for datum in start.data] == pytest.approx([-0.05, 0.15])


def test_a_method_without_records_cannot_be_compared_with(store: ResultStore) -> None:
    with pytest.raises(UsageError, match="no record here is of the method 'gdaa'") as refused:
        made(store, some(store), against="gdaa")
    assert "gda" in str(refused.value.hint)


def test_methods_on_another_track_are_named_and_left_out(store: ResultStore) -> None:
    other = put(store, make_adapted("clap", 0, hits("1111111111"), hits(START), track="leaky"))
    table = made(store, [*some(store), *other], against="gda")
    assert [plain(row[2]) for row in table.rows] == ["tip-adapter"]
    assert any("clap (leaky) on few" in note for note in table.notes)
    assert made(store, [*some(store), *other]).rows[2][3].tone == "bad"  # type: ignore[union-attr]


def test_without_records_there_is_no_row_and_no_published_number() -> None:
    def never() -> list[Published]:
        raise AssertionError("published numbers are not read")

    table = fewshot_table(TableRequest("", Entries(), TableView(published="all"), published_fewshot=never))
    assert not table.rows


def asked_as(made: tuple[Record, bytes], **protocol: object) -> tuple[Record, bytes]:
    """A record with other fields of its protocol; "prompts_sha256" is the task's."""
    record, predictions = made
    prompts = str(protocol.pop("prompts_sha256", record.task.prompts_sha256))
    changed = {"protocol": {**record.task.protocol, **protocol}, "prompts_sha256": prompts}
    return record.model_copy(update={"task": record.task.model_copy(update=changed)}), predictions


def test_published_numbers_of_another_metric_are_not_shown_and_the_metric_is_named(store: ResultStore) -> None:
    records = [
        record.model_copy(
            update={
                "metrics": {**record.metrics, "mean_per_class_recall": record.main},
                "main_metric": "mean_per_class_recall",
            }
        )
        for record in some(store, task="oxford-pets", model_fields=RN50, shots=16)
    ]
    pets = [number for number in FEWSHOT if number.task == "oxford-pets"]
    table = made(store, records, pets)
    assert [cell(table, row, "metric") for row in range(len(table.rows))] == ["mean_per_class_recall"] * 2
    assert any("Published numbers of oxford-pets are acc1." in note for note in table.notes)
    both = made(store, [*records, *some(store, task="dtd", model_fields=RN50, shots=16)], [*DTD, *pets])
    tasks = {plain(row[1]) for row in both.rows if isinstance(row[0], Label) and row[0].origin == "published"}
    assert tasks == {"dtd"}
    shown = {(plain(row[1]), str(cell(both, place, "metric"))) for place, row in enumerate(both.rows)}
    assert shown == {("oxford-pets", "mean_per_class_recall"), ("dtd", "acc1")}
    assert "metric" not in {column.full_name for column in made(store, some(store)).columns}


def test_against_a_method_of_several_settings_there_is_a_row_for_each(store: ResultStore) -> None:
    own = [make_adapted("coop", draw, hits("1110"), hits("1100")) for draw in (0, 1)]
    theirs = [
        asked_as(make_adapted("gda", draw, hits(text), hits("1100"), options={"x": x}), method_options={"x": x})
        for x, text in ((1, "0000"), (2, "1100"))
        for draw in (0, 1)
    ]
    table = made(store, put(store, *own, *theirs), against="gda")
    shown = [(str(cell(table, row, "against")), plain(cell(table, row, "shots 4"))) for row in range(2)]  # type: ignore[arg-type]
    assert shown == [("gda (x=1)", "+75.0"), ("gda (x=2)", "+25.0")] and len(table.rows) == 2
    assert [datum["against_detail"] for datum in table.data] == ["x=1", "x=2"]
    one = made(store, put(store, *own, *theirs[:2]), against="gda")
    assert "against" not in {column.full_name for column in one.columns}
