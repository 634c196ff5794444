"""Two sides in, verdicts out: on answers of known outcome, and on input that is wrong in every way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gate_cases import CLASSES, N, answers, gate, labels, one, rule, sides, table, two_sides, write

from vlmbench.errors import UsageError
from vlmbench.gate.compare import compare
from vlmbench.gate.gate_file import read_gate
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_failure


def test_every_verdict_at_once_and_the_worst_decides(tmp_path: Path) -> None:
    old, new = two_sides(
        tmp_path,
        {
            "worse": (N, range(300), range(420)),
            "better": (N, range(300), range(200)),
            "same": (N, range(300), range(300)),
            "unsure": (200, range(20), range(4, 26)),
        },
    )
    found = compare(old, new)
    assert {task.task: task.verdict for task in found.tasks} == {
        "worse": "regressed",
        "better": "improved",
        "same": "unchanged",
        "unsure": "inconclusive",
    }
    assert (found.verdict, found.exit_code) == ("regressed", 1)
    worse = next(task for task in found.tasks if task.task == "worse")
    assert worse.gain is not None and (worse.gain.gained, worse.gain.lost) == (0, 120)
    assert worse.gain.value == pytest.approx(-0.04) and worse.baseline == pytest.approx(0.9)
    assert worse.gain.method == "mcnemar" and worse.gain.p_value == pytest.approx(2.0**-119, rel=1e-6)
    assert worse.gain.p_worse == pytest.approx(4 * 2.0**-119, rel=1e-6), "Holm over four tasks"


def test_identical_runs_pass_with_p_1(tmp_path: Path) -> None:
    predictions = table(answers(50, range(10)), labels(50))
    for side in ("old", "new"):
        write(tmp_path / side, predictions)
    found = compare(tmp_path / "old", tmp_path / "new")
    task = one(found)
    assert (found.verdict, found.exit_code, task.verdict) == ("passed", 0, "unchanged")
    assert task.gain is not None and task.gain.identical and task.gain.p_value == 1
    assert task.gain.ci95 == (0, 0) and task.gain.differing == 0


def test_answers_are_paired_by_sample_whatever_their_order(tmp_path: Path) -> None:
    wrong = answers(N, range(40))
    order = np.random.default_rng(0).permutation(N)
    ids = [f"s{row:05d}" for row in range(N)]
    write(tmp_path / "old", table(wrong, labels(N)))
    write(tmp_path / "new", table(answers(N, range(30, 42))[order], labels(N)[order], ids=[ids[row] for row in order]))
    gain = one(compare(tmp_path / "old", tmp_path / "new")).gain
    assert gain is not None and (gain.gained, gain.lost) == (30, 2)


def test_repeated_samples_are_paired_one_by_one(tmp_path: Path) -> None:
    ids = ["same"] * 4 + [f"s{row}" for row in range(N - 4)]
    truth = labels(N)
    truth[:4] = 0
    wrong = truth.copy()
    wrong[:3] = 1
    write(tmp_path / "old", table(truth, truth, ids=ids))
    write(tmp_path / "new", table(wrong, truth, ids=ids))
    task = one(compare(tmp_path / "old", tmp_path / "new"))
    assert task.gain is not None and (task.gain.samples, task.gain.lost, task.gain.gained) == (N, 3, 0)


def test_tolerances_absolute_and_relative(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(1500), range(1590))  # 50 % to 47 %
    assert one(compare(old, new)).verdict == "regressed"
    assert one(compare(old, new, gate=rule(tolerance=0.02))).verdict == "regressed"
    assert one(compare(old, new, gate=rule(tolerance=0.05))).verdict == "unchanged"
    assert one(compare(old, new, gate=rule(tolerance="10%"))).verdict == "unchanged"
    found = one(compare(old, new, gate=rule(tolerance={"absolute": 0.02, "relative": 0.1})))
    assert found.tolerance == pytest.approx(0.05) and found.margin == pytest.approx(0.05)


def test_must_improve_fails_whatever_is_not_better_beyond_chance(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(300), range(2, 302))
    found = compare(old, new, gate=rule(must_improve=True))
    assert (one(found).verdict, found.verdict, found.exit_code) == ("unchanged", "failed", 1)
    old, new = sides(tmp_path / "b", range(300), range(200))
    assert compare(old, new, gate=rule(must_improve=True)).exit_code == 0


def test_what_is_inconclusive_fails_unless_the_gate_or_the_caller_tolerates_it(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(20), range(4, 24), n=200)
    assert (compare(old, new).verdict, compare(old, new).exit_code) == ("inconclusive", 1)
    assert compare(old, new, gate=gate(inconclusive="warn")).exit_code == 0
    assert compare(old, new, gate=rule(inconclusive="warn")).exit_code == 0
    found = compare(old, new, allow_inconclusive=True)
    assert found.exit_code == 0 and one(found).tolerated and "--allow-inconclusive" in found.command


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"task__prompts_sha256": "other"}, "prompts"),
        ({"task__protocol": {"templates": ["{}"]}}, "protocol"),
        ({"task__version": "2.1"}, "version"),
        ({"run__precision": "bf16"}, "precision"),
        ({"main_metric": "mean_per_class_recall"}, "metric"),
        ({"task__dataset__fingerprint": "labels of another kind"}, "dataset"),
    ],
)
def test_what_is_not_comparable_is_refused_unless_that_very_thing_is_allowed(
    tmp_path: Path, fields: dict[str, Any], kind: str
) -> None:
    old, new = sides(tmp_path, range(10), range(10), **fields)
    found = compare(old, new)
    assert (found.verdict, found.exit_code) == ("not comparable", 3)
    assert [each.kind for each in one(found).mismatches] == [kind] and one(found).gain is None
    other = "prompts" if kind != "prompts" else "protocol"
    assert compare(old, new, allow=other).exit_code == 3
    allowed = compare(old, new, allow=kind)
    assert allowed.exit_code == 0 and [each.kind for each in one(allowed).overridden] == [kind]
    assert allowed.allowed == [kind] and f"--allow {kind}" in allowed.command


def test_other_samples_are_counted_and_named_and_the_shared_ones_compared_on_request(tmp_path: Path) -> None:
    write(tmp_path / "old", table(answers(N, range(10)), labels(N)))
    write(tmp_path / "new", table(answers(N, range(10))[:2000], labels(N)[:2000]))
    found = compare(tmp_path / "old", tmp_path / "new")
    (reason,) = one(found).mismatches
    assert found.exit_code == 3 and reason.kind == "samples"
    assert "3,000 samples, 1,000 of them only on this side (s02000, s02001, s02002, …)" in reason.baseline
    assert "2,000 samples, all of them on both sides" in reason.candidate
    allowed = one(compare(tmp_path / "old", tmp_path / "new", allow=["samples"]))
    assert allowed.gain is not None and allowed.gain.samples == 2000 and allowed.overridden[0].kind == "samples"
    write(tmp_path / "fewer", table(answers(N, range(100))[:2000], labels(N)[:2000]))
    fewer = one(compare(tmp_path / "old", tmp_path / "fewer", allow=["samples"]))
    assert fewer.gain is not None and fewer.gain.value < 0
    assert fewer.classes == [], "the records' class results are of other samples"


def test_the_same_files_with_other_labels_are_other_data_not_other_samples(tmp_path: Path) -> None:
    relabelled = labels(N)
    relabelled[:5] = (relabelled[:5] + 2) % len(CLASSES)
    write(tmp_path / "old", table(answers(N, range(10)), labels(N)))
    write(tmp_path / "new", table(answers(N, range(10)), relabelled))
    found = compare(tmp_path / "old", tmp_path / "new")
    assert found.exit_code == 3 and [each.kind for each in one(found).mismatches] == ["dataset"]
    allowed = one(compare(tmp_path / "old", tmp_path / "new", allow="dataset"))
    assert allowed.gain is not None and allowed.gain.samples == N - 5


def test_a_metric_that_the_data_leaves_undefined_is_no_number_to_compare(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(10), range(10), metrics__acc1={"value": None, "n": N})
    (reason,) = one(compare(old, new)).mismatches
    assert (reason.kind, reason.field, reason.candidate) == ("answers", "metrics.acc1", "undefined")


def test_nothing_in_common_cannot_be_allowed(tmp_path: Path) -> None:
    write(tmp_path / "old", table(answers(50), labels(50)))
    write(tmp_path / "new", table(answers(50), labels(50), ids=[f"other{row}" for row in range(50)]))
    found = compare(tmp_path / "old", tmp_path / "new", allow=["samples", "dataset"])
    assert found.exit_code == 3 and "have none in common" in one(found).mismatches[0].meaning


def test_a_metric_of_the_rule_is_compared_where_both_have_it(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(300), range(420))
    task = one(compare(old, new, gate=rule(metric="mean_per_class_recall")))
    assert task.metric == "mean_per_class_recall" and task.verdict == "regressed"
    assert task.gain is not None and task.gain.method == "bootstrap"
    found = compare(old, new, gate=rule(metric="acc9"))
    assert found.exit_code == 3 and "acc1" in one(found).mismatches[0].meaning


def test_missing_and_broken_predictions_are_named(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(10), range(10))
    (file,) = new.glob("*/*/*.parquet")
    whole = file.read_bytes()
    file.unlink()
    for content in (None, b"torn", whole[:-100]):
        if content is not None:
            file.write_bytes(content)
        found = compare(old, new)
        (reason,) = one(found).mismatches
        assert found.exit_code == 3 and reason.kind == "answers"
        assert file.name in reason.meaning and "--force" in reason.meaning


@pytest.mark.parametrize("file", ["../../secret", "/etc/hostname", "", ".", "..", "a\0b", "C:\\x"])
def test_predictions_elsewhere_are_not_read(tmp_path: Path, file: str) -> None:
    old, new = sides(tmp_path, range(10), range(10))
    (path,) = new.glob("*/*/*.json")
    record = json.loads(path.read_text())
    record["predictions"]["file"] = file
    path.write_text(json.dumps(record))
    with pytest.raises(UsageError, match=f"left out: {path}: .* is not a plain file name"):
        compare(old, new)


def test_predictions_that_do_not_give_the_record_s_number_are_refused(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(10), range(10), metrics__acc1={"value": 0.5, "n": N})
    found = compare(old, new)
    assert found.exit_code == 3 and "do not belong together" in one(found).mismatches[0].meaning


def test_required_tasks_must_be_on_both_sides(tmp_path: Path) -> None:
    tasks = {"a": (N, range(9), range(9)), "b": (N, range(9), range(9)), "c": (N, range(9), range(9))}
    old, new = two_sides(tmp_path, tasks)
    (record,) = ResultStore(new).folder("m", "b").glob("*.json")
    record.unlink()
    found = compare(old, new)
    assert found.exit_code == 3 and [t.task for t in found.tasks if t.verdict == "not comparable"] == ["b"]
    assert compare(old, new, gate=gate(required=["a", "c*"])).exit_code == 0
    assert any(note.startswith("b of m left out") for note in compare(old, new, gate=gate(required=["a"])).notes)
    nowhere = compare(old, new, gate=gate(required=["a", "nowhere*"]))
    assert nowhere.exit_code == 3 and "nowhere*" in [task.task for task in nowhere.tasks]
    ResultStore(new).write_failure(make_failure("m", "b", "no weights there"), "plan")
    failed = next(task for task in compare(old, new).tasks if task.task == "b")
    assert "failed: no weights there" in failed.mismatches[0].meaning


def test_a_run_that_failed_after_its_record_was_written_is_not_passed(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(10), range(10))
    store = ResultStore(new)
    store.write_failure(make_failure("m", "t", "out of memory", started="2025-01-01T00:00:00+00:00"), "plan")
    assert compare(old, new).exit_code == 0, "it succeeded since"
    store.write_failure(make_failure("m", "t", "out of memory", started="2026-06-01T00:00:00+00:00"), "plan")
    found = compare(old, new)
    assert found.exit_code == 3 and "last run of this task failed" in one(found).mismatches[0].meaning
    assert "out of memory" in one(found).mismatches[0].meaning
    assert compare(new, old).exit_code == 0, "a baseline is what it was"


def test_records_of_two_releases_in_one_folder_are_noted(tmp_path: Path) -> None:
    old, new = two_sides(tmp_path, {"a": (N, range(9), range(9)), "b": (N, range(9), range(9))})
    write(new, table(answers(N, range(9)), labels(N)), "m", "c", model__weights_sha256="other")
    (note,) = [note for note in compare(old, new).notes if "different models" in note]
    assert note == "the candidate's records of m come from 2 different models: a (weights w), c (weights other)"


def test_a_task_that_only_the_candidate_has_is_noted_and_no_reason_to_fail(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(10), range(10))
    write(new, table(answers(50), labels(50)), "m", "new-task")
    found = compare(old, new)
    assert found.exit_code == 0 and any("new-task of m left out" in note for note in found.notes)


def test_rules_that_match_nothing_are_noted(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(10), range(10))
    assert any("rules[0] matches no task (imagnet)" in note for note in compare(old, new, gate=rule("imagnet")).notes)


def test_broken_files_of_a_results_folder_are_named_and_skipped(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(10), range(10))
    folder = ResultStore(new).folder("m", "t")
    (folder / "foreign.json").write_text("{}")
    (folder / "torn.json").write_text('{"schema": "vlmbench.rec')
    (folder / "newer.json").write_text('{"schema": "vlmbench.record/99"}')
    found = compare(old, new)
    assert found.exit_code == 0
    for name in ("foreign.json", "torn.json", "newer.json"):
        assert any(name in note for note in found.notes)


def test_several_models_are_paired_by_name_or_chosen(tmp_path: Path) -> None:
    for model in ("x", "y"):
        write(tmp_path / "old", table(answers(N, range(10)), labels(N)), model)
        write(tmp_path / "new", table(answers(N, range(10)), labels(N)), model)
    write(tmp_path / "old", table(answers(N, range(400)), labels(N)), "z")
    found = compare(tmp_path / "old", tmp_path / "new")
    assert [(task.baseline_model, task.verdict) for task in found.tasks] == [
        ("x", "unchanged"),
        ("y", "unchanged"),
        ("z", "not comparable"),
    ]
    other = compare(tmp_path / "old", tmp_path / "new", baseline_model="z", candidate_model="x")
    assert one(other).verdict == "improved" and other.baseline.models == ["z"]


def test_models_that_the_candidate_alone_has_are_named_and_fail_nothing(tmp_path: Path) -> None:
    write(tmp_path / "old", table(answers(N, range(10)), labels(N)), "m")
    for model in ("m", "n", "o"):
        write(tmp_path / "new", table(answers(N, range(10)), labels(N)), model)
    found = compare(tmp_path / "old", tmp_path / "new")
    assert (one(found).candidate_model, found.exit_code) == ("m", 0)
    (note,) = found.notes
    assert "not compared: n, o" in note and "--candidate-model" in note
    chosen = compare(tmp_path / "old", tmp_path / "new", candidate_model="o")
    assert one(chosen).candidate_model == "o" and not chosen.notes


def test_tasks_that_only_the_candidate_has_are_named_in_one_line(tmp_path: Path) -> None:
    old, new = two_sides(tmp_path, {"t": (N, range(10), range(10))})
    for task in ("extra", "more"):
        write(new, table(answers(N), labels(N)), "m", task)
    found = compare(old, new)
    (note,) = found.notes
    assert note.startswith("extra, more of m left out: The baseline has no record") and found.exit_code == 0


def test_a_side_may_be_a_model_s_folder_a_pair_s_or_a_record(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(10), range(10))
    (record,) = new.glob("*/*/*.json")
    for side in (new, new / "m", new / "m" / "t", record):
        assert compare(old, side).exit_code == 0, side


def test_a_side_that_is_none_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    old, _ = sides(tmp_path, range(10), range(10))
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.json").write_text("{}")
    for name, said in (
        ("nowhere", "no results folder, no record, and no baseline"),
        ("empty", "no records in 'empty'"),
        ("file.json", "not a record this version reads"),
        ("../x", "no results folder"),
        ("x" * 300, "no results folder"),
        ("", "name is empty"),
    ):
        with pytest.raises(UsageError, match=said) as error:
            compare(old, name)
        assert error.value.exit_code == 2 and error.value.hint


def test_sides_without_a_common_task_are_an_error_where_none_is_required(tmp_path: Path) -> None:
    write(tmp_path / "old", table(answers(50), labels(50)), "m", "a")
    write(tmp_path / "new", table(answers(50), labels(50)), "m", "b")
    assert compare(tmp_path / "old", tmp_path / "new").exit_code == 3
    with pytest.raises(UsageError, match=r"(?s)no task in common.*a of m left out"):
        compare(tmp_path / "old", tmp_path / "new", gate=gate(required=[]))


def test_a_record_of_another_task_under_its_name_is_refused(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(10), range(10), task__plugin="retrieval")
    found = compare(old, new)
    assert found.exit_code == 3 and one(found).mismatches[0].kind == "version"
    assert compare(old, new, allow="version").exit_code == 3, "answers of another kind cannot be paired"


def test_flips_name_the_samples_and_what_was_answered(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(300), range(290, 420))
    task = one(compare(old, new))
    losses = [flip for flip in task.samples if flip.lost]
    gains = [flip for flip in task.samples if not flip.lost]
    assert (len(losses), len(gains)) == (10, 5)
    assert losses[0].sample == "s00419", "the surest wrong answer first"
    assert (losses[0].truth, losses[0].baseline, losses[0].candidate) == ("crow", "crow", "cat")
    assert gains[0].sample == "s00289" and gains[0].candidate == gains[0].truth
    assert [change.change for change in task.classes] == sorted(change.change for change in task.classes)


def test_a_gate_file_and_the_gate_it_holds_judge_alike(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(300), range(420))
    path = tmp_path / "gate.yaml"
    path.write_text("rules: [{tasks: ['*'], tolerance: 5 points}]\n")
    by_file, by_value = compare(old, new, gate=path), compare(old, new, gate=read_gate(path))
    assert by_file.tasks == by_value.tasks and by_file.exit_code == 0
    assert by_file.gate == str(path) and by_value.gate is None


def test_an_imported_record_cannot_be_paired(tmp_path: Path) -> None:
    old, new = sides(tmp_path, range(10), range(10), predictions=None)
    found = compare(old, new)
    assert found.exit_code == 3 and "import" in one(found).mismatches[0].meaning
