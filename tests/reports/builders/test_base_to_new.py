"""The table of base-to-new: averages over draws and tasks, with both kinds of H, against numbers worked elsewhere."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from vlmbench.metrics.harmonic import harmonic_interval, harmonic_mean
from vlmbench.record_parts.transfer import TransferCost, TransferInfo
from vlmbench.records import MetricValue, Record
from vlmbench.reports.builders.base_to_new import averages, halved
from vlmbench.reports.cells import Score, plain
from vlmbench.reports.draws import Mean, mean_over_draws, mean_over_tasks
from vlmbench.reports.entries import Entries
from vlmbench.reports.registry import TableRequest, make_table
from vlmbench.reports.table_data import Table
from vlmbench.reports.table_view import TableView
from vlmbench.testing.toy_records import make_record

GDA = {
    "ImageNet": (75.95, 69.79),
    "Caltech101": (98.04, 94.51),
    "OxfordPets": (94.10, 97.15),
    "StanfordCars": (78.71, 66.92),
    "Flowers102": (97.78, 72.46),
    "Food101": (90.63, 91.21),
    "FGVCAircraft": (45.88, 34.09),
    "SUN397": (81.95, 75.62),
    "DTD": (80.63, 59.82),
    "EuroSAT": (93.28, 79.21),
    "UCF101": (86.63, 79.09),
}
"""Base and new of GDA, ViT-B/16, 16 shots. Source: mrflogs/ICLR24, logs/base2new.log, as the reference has it."""


def halved_record(
    task: str,
    base: float,
    new: float,
    *,
    method: str = "coop",
    shots: int = 16,
    draw: int = 0,
    track: str = "no-validation",
    union: float = 0.5,
    started: str = "2026-01-01T00:00:00+00:00",
    options: dict[str, float] | None = None,
) -> Record:
    """A record of the setting, with intervals of 0.1 to each side, and zero-shot at 0.6, 0.4 and 0.48."""
    values = {"h_acc1": harmonic_mean(base, new), "base_acc1": base, "new_acc1": new, "acc1": union}
    info = TransferInfo(
        method=method,
        version=1,
        track=track,
        shots=shots,
        draw=draw,
        setting="base-to-new",
        zero_shot={"h_acc1": 0.48, "base_acc1": 0.6, "new_acc1": 0.4, "acc1": 0.45},
        cost=TransferCost(fit_seconds=1.0),
    )
    record = make_record(
        task=task,
        id=sha256(repr((task, method, shots, draw, track, options)).encode()).hexdigest()[:16],
        started=started,
    )
    metrics = {name: MetricValue(value=v, ci95=(v - 0.1, v + 0.1), n=10, chance=0.1) for name, v in values.items()}
    protocol: dict[str, object] = {
        "transfer": method,
        "setting": "base-to-new",
        "draw": draw,
        "shots": shots,
        "track": track,
    }
    protocol |= {"method_options": options or {}}
    return record.model_copy(
        update={
            "metrics": metrics,
            "main_metric": "h_acc1",
            "transfer": info,
            "task": record.task.model_copy(update={"protocol": protocol}),
        }
    )


def table(*records: Record, view: TableView | None = None) -> Table:
    return make_table("base-to-new", TableRequest("", Entries(records), view or TableView()))


def test_h_of_averages_and_mean_of_h_of_a_public_log() -> None:
    """The reference's notes: 78.97 and 78.72."""
    found = halved(halved_record(task, base / 100, new / 100) for task, (base, new) in GDA.items())
    (average,) = averages(found)
    (row,) = average.rows
    assert average.task == "average of 11" and row.tasks == 11
    assert round(100 * row.base.value, 2) == 83.96 and round(100 * row.new.value, 2) == 74.53
    assert round(100 * row.of_averages.value, 2) == 78.97
    assert round(100 * row.harmonic.value, 2) == 78.72


def test_a_row_by_hand() -> None:
    made = table(halved_record("a", 0.8, 0.6, draw=0), halved_record("a", 0.9, 0.5, draw=1, union=0.6))
    start, row = made.data
    names = ("base", "new", "h_of_averages", "mean_of_h", "union")
    assert [start[name] for name in names] == pytest.approx([0.6, 0.4, 0.48, 0.48, 0.45])
    mean_of_h = (harmonic_mean(0.8, 0.6) + harmonic_mean(0.9, 0.5)) / 2
    assert [row[name] for name in names] == pytest.approx([0.85, 0.55, harmonic_mean(0.85, 0.55), mean_of_h, 0.55])
    assert (row["draws"], row["shots"], row["zero_shot_h"]) == (2, 16, 0.48)
    assert row["gain"] == pytest.approx(mean_of_h - 0.48)
    assert [plain(cell) for cell in made.rows[0]][:5] == ["m", "a", "zero-shot", "–", "0"]
    shown = [plain(cell) for cell in made.rows[1]]
    assert shown[5:] == ["85.0", "55.0", "66.8", "66.4", "55.0", "+18.4"]


def test_the_newest_record_of_a_draw_counts() -> None:
    old = halved_record("a", 0.1, 0.1)
    new = halved_record("a", 0.8, 0.6, started="2026-02-01T00:00:00+00:00")
    (found,) = halved([new, old])
    assert found.rows[0].base.value == 0.8 and found.rows[0].draws == 1


def test_other_settings_and_zero_shot_are_no_rows() -> None:
    adapted = halved_record("a", 0.8, 0.6)
    assert adapted.transfer is not None
    usual = adapted.model_copy(update={"transfer": adapted.transfer.model_copy(update={"setting": "all-classes"})})
    assert not halved([usual, make_record()])


def test_tracks_shots_and_methods_have_rows_of_their_own() -> None:
    records = [
        halved_record("a", 0.8, 0.6, shots=4),
        halved_record("a", 0.8, 0.6, shots=16),
        halved_record("a", 0.9, 0.9, track="leaky"),
        halved_record("a", 0.7, 0.7, method="clip-adapter"),
    ]
    made = table(*records)
    assert [(d["method"], d.get("track"), d["shots"]) for d in made.data] == [
        ("zero-shot", None, 0),
        ("clip-adapter", "no-validation", 16),
        ("coop", "leaky", 16),
        ("coop", "no-validation", 4),
        ("coop", "no-validation", 16),
    ]
    assert "its settings were chosen on the test images" in made.footnotes


def test_an_average_needs_all_tasks_of_the_model() -> None:
    records = [
        halved_record("a", 0.8, 0.6),
        halved_record("b", 0.6, 0.6),
        halved_record("a", 0.7, 0.7, method="kgcoop"),
    ]
    (average,) = averages(halved(records))
    assert [row.key.method for row in average.rows] == ["coop"]
    assert average.start is not None and average.start.harmonic == pytest.approx(0.48)
    assert not averages(halved(records[:1])), "one task is its own average"


def test_draws_with_other_zero_shot_numbers_have_no_gain() -> None:
    first, second = halved_record("a", 0.8, 0.6), halved_record("a", 0.8, 0.6, draw=1)
    assert second.transfer is not None
    other = second.transfer.model_copy(update={"zero_shot": {**second.transfer.zero_shot, "h_acc1": 0.5}})
    made = table(first, second.model_copy(update={"transfer": other}))
    assert [datum["method"] for datum in made.data] == ["coop"] and made.data[0]["gain"] is None


def test_intervals_of_draws_and_tasks() -> None:
    one = mean_over_draws([MetricValue(value=0.5, ci95=(0.3, 0.6), n=9)])
    assert one == Mean(0.5, 0.3, pytest.approx(0.6))
    two = mean_over_draws([MetricValue(value=v, ci95=(v - 0.1, v + 0.1), n=9) for v in (0.48, 0.52)])
    student = 12.706204736  # t(0.975, 1 degree of freedom); s = 0.02 * sqrt(2), and s / sqrt(2) = 0.02
    assert two is not None and two.high - 0.5 == pytest.approx((0.1**2 + (student * 0.02) ** 2) ** 0.5)
    assert mean_over_draws([MetricValue(value=None, n=9)]) is None
    assert mean_over_tasks([Mean(0.5, 0.5, 0.5), Mean(1.0, 0.9, 1.0)]) == Mean(0.75, pytest.approx(0.7), 0.75)
    (found,) = halved([halved_record("a", 0.8, 0.6)])
    expected = harmonic_interval(0.8, (0.7, 0.9), 0.6, (0.5, 0.7))
    assert found.rows[0].of_averages.interval == pytest.approx(expected)


def test_a_reader_may_leave_out_intervals_and_tasks() -> None:
    records = [halved_record("a", 0.8, 0.6), halved_record("b", 0.6, 0.6)]
    made = table(*records, view=replace(TableView(), tasks=("b",), intervals=False))
    assert {datum["task"] for datum in made.data} == {"b"} and not any(made.spreads)


def test_settings_of_a_method_are_rows_of_their_own_and_are_averaged_apart() -> None:
    good = [halved_record(task, 0.9, 0.9, draw=draw, options={"lr": 0.02}) for task in "ab" for draw in range(3)]
    late = "2026-02-01T00:00:00+00:00"
    bad = [
        halved_record(task, 0.1, 0.1, draw=draw, options={"lr": 40.0}, started=late) for task in "ab" for draw in (0, 1)
    ]
    found = halved([*good, *bad])
    rows = {(each.task, row.key.detail): (row.base.value, row.draws) for each in found for row in each.rows}
    expected = {"lr=0.02": (pytest.approx(0.9), 3), "lr=40.0": (pytest.approx(0.1), 2)}
    assert rows == {(task, detail): of for task in "ab" for detail, of in expected.items()}
    (average,) = averages(found)
    assert {row.key.detail: round(row.base.value, 6) for row in average.rows} == {"lr=0.02": 0.9, "lr=40.0": 0.1}
    made = table(*good, *bad)
    assert {plain(row[2]) for row in made.rows} == {"zero-shot", "coop (lr=0.02)", "coop (lr=40.0)"}


def test_a_setting_of_one_task_and_another_of_the_other_have_no_average() -> None:
    found = halved([halved_record("a", 0.9, 0.9, options={"lr": 1}), halved_record("b", 0.9, 0.9, options={"lr": 2})])
    assert [row.key.detail for each in found for row in each.rows] == ["lr=1", "lr=2"]
    assert [each.rows for each in averages(found)] == [[]]


@pytest.mark.parametrize("part", ["prompts", "weights", "precision", "samples", "version", "protocol"])
def test_what_was_asked_otherwise_is_no_other_draw(part: str) -> None:
    first, second = halved_record("a", 0.9, 0.9), halved_record("a", 0.1, 0.1, draw=1)
    task, info = second.task, second.transfer
    assert info is not None
    changed = {
        "prompts": {"task": task.model_copy(update={"prompts_sha256": "2" * 64})},
        "weights": {"model": second.model.model_copy(update={"weights_sha256": "2" * 64})},
        "precision": {"run": second.run.model_copy(update={"precision": "bf16"})},
        "samples": {"task": task.model_copy(update={"dataset": task.dataset.model_copy(update={"fingerprint": "f2"})})},
        "version": {"transfer": info.model_copy(update={"version": 2})},
        "protocol": {"task": task.model_copy(update={"protocol": {**task.protocol, "logit_scale": 1.0}})},
    }[part]
    (found,) = halved([first, second.model_copy(update=changed)])
    assert [row.draws for row in found.rows] == [1, 1]
    details = [row.key.detail for row in found.rows]
    assert len(set(details)) == 2 and all(details)


def test_the_leaky_track_and_a_part_of_the_samples_are_not_ranked() -> None:
    plainly = [halved_record("a", 0.7, 0.7), halved_record("a", 0.6, 0.6, method="knn")]
    first = halved_record("a", 0.9, 0.9, method="gda")
    part = first.model_copy(update={"run": first.run.model_copy(update={"limit": 4})})
    made = table(*plainly, part, halved_record("a", 0.95, 0.95, track="leaky"))
    base = [column.full_name for column in made.columns].index("base")
    scores = {(plain(row[2]), plain(row[3])): row[base] for row in made.rows}
    places = {key: score.place for key, score in scores.items() if isinstance(score, Score)}
    assert places[("coop", "no-validation")] == 1 and places[("knn", "no-validation")] == 2
    assert places[("gda", "no-validation")] == 0 and places[("coop", "leaky")] == 0
    shown = scores[("gda", "no-validation")]
    assert isinstance(shown, Score) and any(note.startswith("not ranked: ") for note in shown.notes)
