"""Tables from records."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from vlmbench.records import BadSample, CacheUse, MetricValue
from vlmbench.reports.builders.results import results_table
from vlmbench.reports.cells import percent, plain
from vlmbench.reports.entries import newest, remarks
from vlmbench.reports.formats.csv import to_csv
from vlmbench.reports.formats.json import to_json
from vlmbench.reports.formats.md import to_markdown
from vlmbench.reports.scores import interval_text, score_text
from vlmbench.reports.table_data import Table
from vlmbench.store import Unreadable
from vlmbench.testing.toy_records import make_failure, make_record


def texts(table: Table) -> list[list[str]]:
    return [[plain(cell) for cell in row] for row in table.rows]


def test_a_row_says_the_number_its_interval_chance_and_n() -> None:
    table = results_table([make_record(value=0.5)])
    assert texts(table) == [["m", "t", "acc1", "50.0", "40.0 to 60.0", "10.0", "10", "10.0", ""]]
    assert table.data[0]["value"] == 0.5 and table.data[0]["ci95_low"] == 0.4


@pytest.mark.parametrize(
    ("speed", "shown"),
    [
        (0.012345, "0.0123"),
        (0.5, "0.500"),
        (7.777, "7.78"),
        (9.999, "10.0"),
        (99.96, "100"),
        (1234.5, "1,230"),
        (0.0, "0"),
    ],
)
def test_a_speed_has_three_significant_digits(speed: float, shown: str) -> None:
    record = make_record(images_per_second=speed)
    assert texts(results_table([record]))[0][7] == shown
    assert results_table([record]).data[0]["images_per_second"] == speed


def test_without_a_speed_a_record_is_cached_only_if_features_came_from_the_cache() -> None:
    record = make_record(images_per_second=None)
    run = record.run.model_copy(update={"cache": CacheUse(image_hits=3, image_misses=7)})
    assert texts(results_table([record.model_copy(update={"run": run})]))[0][7] == "cached"
    run = record.run.model_copy(update={"cache": CacheUse(image_misses=10)})
    assert texts(results_table([record.model_copy(update={"run": run})]))[0][7] == "–"


def test_a_failure_takes_one_line_however_much_it_says() -> None:
    nowhere = "the dataset is in none of its places:\n  looked in /data for\n    imagefolder  a/test\n         b/test"
    long = "m cannot be asked u: " + "it has no such thing and " * 20
    table = results_table([make_failure(message=nowhere), make_failure(task="u", message=long)])
    said = {row[1]: row[-1] for row in texts(table)}
    assert said["t"] == "the dataset is in none of its places (run of 2026-01-01 00:00)"
    why, _, run = said["u"].partition(" (run of ")
    assert why.startswith("it has no such thing") and why.endswith("…") and len(why) <= 81 and run
    assert {row["task"]: row["reason"] for row in table.data} == {"t": nowhere, "u": long}


def test_undefined_values_and_errors_are_shown_as_such() -> None:
    table = results_table([make_record()], all_metrics=True)
    assert [row[2:5] for row in texts(table)] == [["acc1", "50.0", "40.0 to 60.0"], ["ece ↓", "–", "–"]]


def test_ranks_are_ranks_and_not_percent() -> None:
    record = make_record()
    rank = MetricValue(value=31.95, ci95=(27.4, 1037.1), n=10, higher_is_better=False, unit="rank", chance=100.5)
    record = record.model_copy(update={"metrics": {"mean_rank": rank}, "main_metric": "mean_rank"})
    (row,) = texts(results_table([record]))
    assert row[2:6] == ["mean_rank ↓", "rank 31.9", "27.4 to 1,037.1", "rank 100.5"]
    assert row[-1] == "not above chance", "its interval reaches up to chance, and low is good"
    assert results_table([record]).data[0]["unit"] == "rank"
    assert score_text(rank) == "rank 31.9" and score_text(make_record().main) == "50.0%"


def test_failed_pairs_are_failed_never_zero_and_vanish_behind_a_later_record() -> None:
    table = results_table([make_record(), make_failure(), make_failure(task="other", message="no\ndata")])
    assert len(table.rows) == 2
    later = make_failure(started="2026-02-01T00:00:00+00:00")
    assert [row[3] for row in texts(results_table([make_record(), later]))] == ["50.0", "failed"]
    assert texts(table)[1][:4] == ["m", "other", "–", "failed"]
    assert texts(table)[1][-1] == "no (run of 2026-01-01 00:00)"
    assert "value" not in table.data[1]


def test_of_a_pairs_failures_the_last_is_shown() -> None:
    first, last = make_failure(message="first"), make_failure(message="last", started="2026-02-01T00:00:00+00:00")
    assert [row[-1] for row in results_table([last, first]).rows] == ["last (run of 2026-02-01 00:00)"]


def test_of_two_records_of_one_question_the_later_counts() -> None:
    old = make_record(id="a" * 16, started="2026-01-01T00:00:00+00:00")
    new = make_record(id="b" * 16, started="2026-02-01T00:00:00+00:00", value=0.6)
    other = make_record(id="c" * 16, precision="bf16")
    assert newest([new, old, other]) == [new, other]


def test_records_of_other_protocols_all_stay_and_name_their_readout() -> None:
    made = make_record()
    records = [
        made.model_copy(update={"id": name, "task": made.task.model_copy(update={"protocol": {"readout": name}})})
        for name in ("clearclip", "naclip")
    ]
    assert newest(records) == records
    assert [row[-1] for row in results_table(records).rows] == ["readout clearclip", "readout naclip"]


def test_remarks_say_what_differs_from_the_standard() -> None:
    record = make_record(limit=10, precision="bf16")
    protocol = record.task.model_copy(update={"protocol": {"class_names_from": "option", "templates_from": "card"}})
    bad = [BadSample(id="x", reason="empty")]
    changed = record.model_copy(update={"task": protocol, "bad_samples": bad})
    assert remarks(changed) == "subset of 10, bf16, own class names, 1 bad left out"
    data = record.task.dataset.model_copy(update={"standard_samples": 1000})
    part = record.model_copy(update={"task": record.task.model_copy(update={"dataset": data})})
    assert remarks(part) == "10 of 1,000 samples, bf16"


def test_unreadable_files_become_notes() -> None:
    table = results_table([Unreadable(Path("x.json"), "x.json: broken")])
    assert table.rows == [] and table.left_out == ["left out: x.json: broken"]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_named_and_left_out(number: float) -> None:
    score = MetricValue(value=number, n=10)
    broken = make_record(model="broken").model_copy(update={"metrics": {"acc1": score}})
    table = results_table([make_record(), broken])
    assert [row[0] for row in texts(table)] == ["m"]
    assert table.left_out == ["left out: record 0123456789abcdef of 'broken' and 't': not finite: acc1"]


def test_formats_hold_the_same_rows_and_hostile_names_are_harmless() -> None:
    record = make_record(model="a|b<script>", task="=SUM(A1)")
    table = results_table([record, make_failure(model="x\ny")])
    assert "a\\|b&lt;script&gt;" in to_markdown(table)
    assert all(line.startswith("|") for line in to_markdown(table).strip().splitlines())
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert rows[0]["model"] == "a|b<script>" and rows[0]["task"] == "'=SUM(A1)"
    assert float(rows[0]["value"]) == 0.5 and rows[1]["status"] == "failed"
    assert json.loads(to_json(table))[0]["task"] == "=SUM(A1)"


def test_an_interval_that_reaches_down_to_chance_is_said() -> None:
    assert "not above chance" in results_table([make_record(value=0.15)]).rows[0][-1]
    assert results_table([make_record(value=0.25)]).rows[0][-1] == ""


def test_percent_and_interval() -> None:
    assert (percent(None), percent(0.12345), percent(1.0, 0)) == ("–", "12.3", "100")
    assert interval_text(make_record().metrics["ece"]) == "–"


def test_what_lacks_a_value_or_an_interval_says_why() -> None:
    record = make_record().model_copy(
        update={
            "metrics": {
                "ap": MetricValue(value=None, n=3, reason="the data has no object"),
                "ap_small": MetricValue(value=None, n=3, reason="the data has no small object to find"),
                "ar1": MetricValue(value=0.5, n=3, reason="3 images are too few"),
                "ar10": MetricValue(value=0.5, n=3),
            },
            "main_metric": "ap",
        }
    )
    table = results_table([record], all_metrics=True)
    shown = {row[2]: (row[3], row[-1]) for row in texts(table)}
    assert shown == {
        "ap": ("–", "no value: the data has no object"),
        "ap_small": ("–", "no value: the data has no small object to find"),
        "ar1": ("50.0", "no interval: 3 images are too few"),
        "ar10": ("50.0", ""),
    }
    assert [row.get("reason", "") for row in table.data] == [metric.reason for metric in record.metrics.values()]


def test_failed_rows_stay_with_their_model() -> None:
    entries = [make_failure("m", "c"), make_record("m", "a"), make_record("n", "a"), make_failure("o", "a")]
    rows = [row[:2] for row in texts(results_table(entries))]
    assert rows == [["m", "a"], ["m", "c"], ["n", "a"], ["o", "a"]]
