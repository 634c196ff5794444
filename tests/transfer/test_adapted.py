"""Whole runs of adapted models: support sets, records, resuming, tables and comparisons."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_adapter
import yaml
from typer.testing import CliRunner

import vlmbench
from vlmbench.cli.main import app
from vlmbench.errors import UsageError
from vlmbench.gate.record_pairs import pair_entries
from vlmbench.gate.sides import side_at
from vlmbench.interchange.exporters.csv import tidy_csv
from vlmbench.records import MetricValue, Summary
from vlmbench.reports.cells import plain
from vlmbench.reports.curves import curves_of
from vlmbench.reports.entries import gather
from vlmbench.reports.registry import TableRequest, make_table
from vlmbench.reports.site.collect import collect
from vlmbench.reports.table_view import TableView
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.store import ResultStore
from vlmbench.transfer.asked import Track, TransferAsked
from vlmbench.transfer.every import every_transfer

assert toy_adapter.LOADED is not None
Asked = Callable[[], tuple[TransferAsked, ...]]


@pytest.fixture
def request_(make_folder: Callable[..., Path], tmp_path: Path) -> RunRequest:
    test = make_folder({"cat": 4, "dog": 3, "bird": 5}, "test")
    train = make_folder({"cat": 6, "dog": 5, "bird": 7}, "train", seed=1)
    card = {
        "name": "few",
        "sources": [{"kind": "imagefolder", "location": str(test)}],
        "train": [{"kind": "imagefolder", "location": str(train)}],
    }
    (tmp_path / "few.yaml").write_text(yaml.safe_dump(card))
    return RunRequest(("toy:a",), (str(tmp_path / "few.yaml"),), tmp_path / "runs", device="cpu", use_cache=False)


def asked(*methods: str, shots: tuple[int, ...] = (2,), draws: tuple[int, ...] = (0, 1)) -> tuple[TransferAsked, ...]:
    return every_transfer(methods, shots, draws, track="no-validation", options={})


def carried_out(request: RunRequest, *transfers: TransferAsked) -> list[PairResult]:
    request = replace(request, transfers=transfers)
    return execute(make_plan(request), request, NotesAsWarnings())


def test_one_record_for_each_method_shots_and_draw(request_: RunRequest) -> None:
    results = carried_out(request_, *asked("tip-adapter", "nearest-mean", shots=(1, 2)))
    records = [result.record for result in results]
    assert all(record is not None for record in records) and len({record.id for record in records if record}) == 8
    keys = [(r.transfer.method, r.transfer.shots, r.transfer.draw) for r in records if r and r.transfer]
    assert keys == [(m, k, d) for m in ("tip-adapter", "nearest-mean") for k in (1, 2) for d in (0, 1)]
    again = carried_out(request_, *asked("tip-adapter", "nearest-mean", shots=(1, 2)))
    assert [result.status for result in again] == ["found"] * 8


def test_the_support_set_is_the_stated_draw_and_the_same_for_all_methods(request_: RunRequest) -> None:
    results = carried_out(request_, *asked("tip-adapter", "knn", shots=(3,), draws=(4,)))
    drawn = [result.record.support["train"] for result in results if result.record]
    generator, expected = random.Random(4), []
    for name in ("bird", "cat", "dog"):
        pool = sorted(path for path in results_pool(request_, name))
        expected += generator.sample(pool, 3)
    assert drawn == [expected, expected]


def results_pool(request: RunRequest, name: str) -> list[str]:
    card = yaml.safe_load(Path(str(request.tasks[0])).read_text())
    root = Path(card["train"][0]["location"])
    return [path.relative_to(root).as_posix() for path in (root / name).iterdir()]


def test_draws_learnt_together_or_alone_give_the_same_record(request_: RunRequest, tmp_path: Path) -> None:
    together = carried_out(request_, *asked("zs-lp", draws=(0, 1)))
    alone = carried_out(replace(request_, results=tmp_path / "alone"), *asked("zs-lp", draws=(1,)))
    first, second = together[1], alone[0]
    assert first.record and second.record and first.path and second.path and first.record.id == second.record.id
    one, other = (pq.read_table(path.with_suffix(".parquet")).to_pandas() for path in (first.path, second.path))
    inexact = {"top_scores", "confidence", "scores", "scale"} & {*one}
    exact = {*one} - inexact
    assert list(one) == list(other) and {"content", "label", "top", "zero_shot"} <= exact and "top_scores" in inexact
    for name in exact:
        assert [str(value) for value in one[name]] == [str(value) for value in other[name]]
    for name in inexact:
        np.testing.assert_allclose(np.stack(one[name]), np.stack(other[name]), rtol=1e-5, atol=1e-6)


def test_zero_shot_views_never_show_an_adapted_record(request_: RunRequest) -> None:
    plain = carried_out(request_)
    carried_out(request_, *asked("tip-adapter"))
    assert request_.results is not None
    store = ResultStore(request_.results)
    entries = gather(store.summaries())
    assert len(entries.records) == 3
    assert [record.id for record in entries.zero_shot.records] == [r.record.id for r in plain if r.record]
    request = TableRequest("few", entries, TableView(), store)
    task = make_table("task", request)
    assert {datum["run_id"] for datum in task.data if "run_id" in datum} == {
        plain[0].record.id if plain[0].record else ""
    }
    fewshot = make_table("fewshot", replace(request, name=""))
    assert [datum["method"] for datum in fewshot.data] == ["tip-adapter"]


def test_zero_shot_views_never_show_an_adapted_failure(request_: RunRequest) -> None:
    (plain,) = carried_out(request_)
    carried_out(request_, *asked("tip-adapter", shots=(9,)))
    assert request_.results is not None and plain.record is not None
    store = ResultStore(request_.results)
    entries = gather(store.summaries())
    assert sorted(failure.asked for failure in entries.failures) == [
        f"few with tip-adapter, 9-shot, draw {draw}, no-validation" for draw in (0, 1)
    ]
    request = TableRequest("few", entries, TableView(), store)
    assert {datum.get("run_id") for datum in make_table("task", request).data} == {plain.record.id}
    model = make_table("model", replace(request, name="toy:a"))
    assert "failed" not in {datum["status"] for datum in model.data}
    (pair,) = collect(store).pairs.values()
    assert pair.failure is None and [record.id for record in pair.records] == [plain.record.id]
    rows = make_table("results", replace(request, name="")).data
    shown = {(row["status"], row.get("shots"), row.get("draw")) for row in rows}
    assert shown == {("done", None, None), ("failed", 9, 0), ("failed", 9, 1)} and len(rows) == 3
    frame = vlmbench.results_frame(request_.results, published=False)
    failed = frame[frame.status == "failed"]
    assert sorted(zip(failed.transfer, failed.shots, failed.draw, failed.track, strict=True)) == [
        ("tip-adapter", 9, draw, "no-validation") for draw in (0, 1)
    ]


def test_a_success_hides_only_the_failure_of_its_own_question(request_: RunRequest) -> None:
    place = Path(str(request_.tasks[0]))
    card = yaml.safe_load(place.read_text())
    test = Path(card["sources"][0]["location"])
    (good,) = carried_out(request_)
    assert request_.results is not None and good.record is not None and good.path is not None
    good.path.unlink()
    test.rename(test.with_name("gone"))
    carried_out(request_)  # fails
    test.with_name("gone").rename(test)
    carried_out(request_, *asked("tip-adapter", draws=(0,)))
    entries = gather(ResultStore(request_.results).summaries())
    assert [failure.transfer for failure in entries.failures] == [None]
    assert [failure.asked for failure in entries.zero_shot.failures] == ["few"]
    carried_out(request_)
    assert not gather(ResultStore(request_.results).summaries()).failures


@pytest.mark.parametrize(
    "track, brief",
    [
        ("no-validation", "transfer tip-adapter, 2-shot, draw 0"),
        ("leaky", "transfer tip-adapter, 2-shot, draw 0, leaky"),
    ],
)
def test_every_table_and_export_says_the_track(request_: RunRequest, track: Track, brief: str) -> None:
    carried_out(request_, *every_transfer(["tip-adapter"], (2,), (0,), track=track, options={}))
    assert request_.results is not None
    store = ResultStore(request_.results)
    records = list(store.summaries())
    for table in ("results", "metrics"):
        made = make_table(table, TableRequest("", gather(records), TableView(), store))
        assert all(f"{plain(row[-1])}, ".startswith(f"{brief}, ") for row in made.rows)
        assert track == "leaky" or not any("validation" in plain(row[-1]) for row in made.rows)
        assert {(row["transfer"], row["shots"], row["draw"], row["track"]) for row in made.data} == {
            ("tip-adapter", 2, 0, track)
        }
    exported = list(csv.DictReader(io.StringIO(tidy_csv([r for r in records if isinstance(r, Summary)]))))
    assert exported
    for row in exported:
        assert (row["transfer"], row["shots"], row["draw"], row["track"]) == ("tip-adapter", "2", "0", track)
        assert (row["setting"], row["learnt_from"]) == ("all-classes", "")
        assert row["remarks"] == brief and "alpha" in json.loads(row["transfer_options"])


def test_comparisons_pair_each_question_with_its_own(request_: RunRequest) -> None:
    carried_out(request_)
    carried_out(request_, *asked("tip-adapter"))
    assert request_.results is not None
    side = side_at(request_.results)
    pairs = pair_entries(side.entries, side.entries)
    assert [pair.task for pair in pairs] == [
        "few",
        "few with tip-adapter, 2-shot, draw 0, no-validation",
        "few with tip-adapter, 2-shot, draw 1, no-validation",
    ]
    assert all(
        pair.baseline and pair.candidate and pair.baseline.record.id == pair.candidate.record.id for pair in pairs
    )


def test_a_curve_has_means_starts_and_an_interval_of_draws_and_samples(request_: RunRequest) -> None:
    results = carried_out(request_, *asked("nearest-mean", shots=(1, 3), draws=(0, 1, 2)))
    (curve,) = curves_of(result.record for result in results if result.record)
    assert [point.shots for point in curve.points] == [1, 3]
    values = [r.record.main.value for r in results if r.record and r.record.transfer and r.record.transfer.shots == 1]
    point = curve.points[0]
    assert list(point.values.values()) == values and point.mean == pytest.approx(sum(map(float, map(str, values))) / 3)
    low, high = point.interval
    assert low <= point.mean <= high and point.worst == min(value for value in values if value is not None)
    assert curve.zero_shot is not None


def test_the_interval_of_one_draw_is_the_records_own(request_: RunRequest) -> None:
    (result,) = carried_out(request_, *asked("nearest-mean", draws=(0,)))
    assert result.record is not None
    (curve,) = curves_of([result.record])
    assert curve.points[0].interval == result.record.main.ci95


def test_draws_without_spread_have_the_interval_of_the_samples_even_at_1(request_: RunRequest) -> None:
    results = carried_out(request_, *asked("nearest-mean", draws=(0, 1, 2)))
    records = [result.record for result in results if result.record is not None]
    perfect = MetricValue(value=1.0, ci95=(0.757, 1.0), n=12)
    (curve,) = curves_of(record.model_copy(update={"metrics": {record.main_metric: perfect}}) for record in records)
    assert curve.points[0].interval == pytest.approx((0.757, 1.0))


def test_records_of_other_settings_or_samples_are_other_curves(request_: RunRequest) -> None:
    for alpha, limit in ((1.0, None), (0.0, None), (1.0, 5)):
        transfers = every_transfer(["gda"], [2], [0, 1], track="no-validation", options={"alpha": alpha})
        carried_out(replace(request_, options=replace(request_.options, limit=limit)), *transfers)
    assert request_.results is not None
    curves = curves_of(ResultStore(request_.results).summaries())
    assert [len(curve.points[0].values) for curve in curves] == [2, 2, 2]
    assert sorted(curve.detail.split(", data")[0] for curve in curves) == [
        "alpha=0.0, 12 samples", "alpha=1.0, 12 samples", "alpha=1.0, 5 samples",
    ]  # fmt: skip
    assert len({curve.named for curve in curves}) == 3
    (some,) = (curve for curve in curves if "5 samples" in curve.detail)
    assert some.points[0].unranked and not any(c.points[0].unranked for c in curves if c is not some)


def every(
    methods: str,
    shots: tuple[int, ...] = (1,),
    draws: tuple[int, ...] = (0,),
    track: str = "no-validation",
    **options: object,
) -> Asked:
    return lambda: every_transfer((methods,), shots, draws, track=track, options=options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "transfers, said",
    [
        (every("tip-adapter", shots=(0,)), "learns from images"),
        (every("tip-adapter", alfa=1), "an option 'alfa'"),
        (every("tip-adapter", track="none"), "--track must be one of"),
        (every("knn", shots=(1, 1)), "--shots names 1 twice"),
        (every("knn", neighbours=0), "neighbours"),
        (every("zero-shot", shots=(0,), track="none"), "--track must be one of"),
        (every("zero-shot", shots=(4,)), "--shots changes nothing here, because zero-shot learns nothing"),
        (every("zero-shot", shots=(0,), draws=(0, 1)), "--seeds changes nothing here"),
        (every("zero-shot", draws=(3,), track="leaky"), "--shots, --seeds and --track change nothing here"),
        (every("tpt", draws=(0, 1)), "--shots and --seeds change nothing here, because tpt learns from no images"),
        (every("knn", draws=(10**5_000,)), "whole number from 0 to 2,147,483,647, not a larger number"),
        (every("knn", draws=(2**31,)), "the draw of --seeds must be a whole number from 0 to 2,147,483,647"),
        (every("knn", draws=tuple(range(10_001))), "--seeds takes at most 10,000 values"),
        (every("knn", shots=tuple(range(1, 1_002))), "--shots takes at most 1,000 values"),
    ],
)
def test_wrong_requests_are_refused_before_any_work(request_: RunRequest, transfers: Asked, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_plan(replace(request_, transfers=transfers()))


@pytest.mark.parametrize(
    "given, said",
    [
        (("--shots", "4", "--seeds", "3", "--track", "nonsense"), "--track must be one of"),
        (("--shots", "4"), "--shots changes nothing here"),
        (("--shots", "9" * 5_000, "--transfer", "knn"), "--shots: a number of 5,000 digits is too large"),
        (("--shots", "4", "--seeds", f"{'9' * 5_000},1", "--transfer", "knn"), "--seeds: a number of 5,000 digits"),
        (("--shots", "4", "--seeds", "1000000000", "--transfer", "knn"), "at most 10,000, not 1,000,000,000"),
        (("--shots", "4", "--seeds", f"0,{2**53}", "--transfer", "knn"), "the draw of --seeds must be a whole number"),
        (("--shots", f"{2**53}", "--transfer", "knn"), "--shots must be a whole number from 0 to"),
        (("--shots", "1,,2" * 5_000, "--transfer", "knn"), "--shots takes whole numbers with commas between them"),
    ],
)
def test_the_command_refuses_them_too(request_: RunRequest, given: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["run", "-m", "toy:a", "-t", str(request_.tasks[0]), *given])
    message = "" if done.exception is None else str(done.exception)
    assert isinstance(done.exception, UsageError) and said in message and len(message) < 300


def test_a_list_without_end_is_refused(request_: RunRequest) -> None:
    with pytest.raises(UsageError, match="--seeds takes at most 10,000 values"):
        vlmbench.evaluate("toy:a", str(request_.tasks[0]), transfer="knn", shots=1, draws=range(10**12), results=None)


@pytest.mark.parametrize(
    "shots, said", [(8, "no class has more than 7 images to learn from"), (2, "has no train data")]
)
def test_data_that_cannot_give_the_support_set_fails_its_pairs(request_: RunRequest, shots: int, said: str) -> None:
    if shots == 2:
        place = Path(str(request_.tasks[0]))
        card = yaml.safe_load(place.read_text())
        del card["train"]
        place.write_text(yaml.safe_dump(card))
    (result,) = carried_out(request_, *asked("tip-adapter", shots=(shots,), draws=(0,)))
    assert result.failure is not None and said in result.failure.message
