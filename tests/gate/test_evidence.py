"""What two records and their answers say, before anything is judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from gate_cases import answers, labels, record_of, table

from vlmbench.errors import RecordError
from vlmbench.gate.entry import Entry
from vlmbench.gate.evidence import Evidence, Incomparable, gather_evidence
from vlmbench.gate.outcome import Kind
from vlmbench.gate.policy import Settings

N = 100


def entry(predictions: pa.Table, /, **fields: Any) -> Entry:
    record, _ = record_of(predictions, "m", "t", **fields)
    return Entry(record, lambda: predictions, "somewhere")


def unread(predictions: pa.Table, /, **fields: Any) -> Entry:
    def reading() -> pa.Table:
        raise RecordError("the table is gone", hint="Run it again.")

    return Entry(entry(predictions, **fields).record, reading, "somewhere")


def gathered(baseline: Entry, candidate: Entry, *allow: Kind, **settings: Any) -> Evidence:
    return gather_evidence(baseline, candidate, Settings.model_validate(settings), allow)


def kinds(error: pytest.ExceptionInfo[Incomparable]) -> list[str]:
    return [found.kind for found in error.value.mismatches]


OLD = table(answers(N, range(20)), labels(N))
NEW = table(answers(N, range(10, 25)), labels(N), shift=0.01)


def test_the_difference_is_the_candidate_s_on_the_samples_of_both() -> None:
    found = gathered(entry(OLD), entry(NEW))
    assert (found.metric, found.unit, found.higher_is_better, found.same_samples) == ("acc1", "fraction", True, True)
    assert found.difference.value == pytest.approx(0.05) and found.difference.n == N
    assert (found.difference.gained, found.difference.lost) == (10, 5)
    assert {flip.lost for flip in found.flips} == {True, False} and found.classes is None and not found.overridden


def test_classes_are_paired_only_where_a_floor_is_under_them() -> None:
    found = gathered(entry(OLD), entry(NEW), max_class_drop="1 points")
    assert found.classes is not None and [name for name, _, _ in found.classes][:2] == ["cat", "dog"]
    assert sum(n for _, n, _ in found.classes) == N and not found.no_classes


def test_records_that_differ_are_refused_before_answers_are_read() -> None:
    with pytest.raises(Incomparable) as error:
        gathered(unread(OLD), unread(NEW, task__prompts_sha256="other"))
    assert kinds(error) == ["prompts"]


def test_what_is_allowed_is_overridden_and_stays_named() -> None:
    found = gathered(entry(OLD), entry(NEW, task__prompts_sha256="other"), "prompts")
    assert [each.kind for each in found.overridden] == ["prompts"]
    with pytest.raises(Incomparable) as error:
        gathered(entry(OLD), unread(NEW, task__prompts_sha256="other"), "prompts")
    assert kinds(error)[-1] == "answers" and "the table is gone. Run it again." in error.value.mismatches[-1].meaning


def only(rows: Sequence[int]) -> pa.Table:
    return NEW.take(pa.array(rows))


def test_tables_tell_other_samples_from_other_labels() -> None:
    with pytest.raises(Incomparable) as error:
        gathered(entry(OLD), entry(only(range(90))))
    assert (
        kinds(error) == ["samples"]
        and "100 samples, 10 of them only on this side" in error.value.mismatches[0].baseline
    )
    assert not gathered(entry(OLD), entry(only(range(90))), "samples").same_samples
    relabelled = labels(N)
    relabelled[0] = 1
    with pytest.raises(Incomparable) as error:
        gathered(entry(OLD), entry(table(answers(N), relabelled)))
    assert kinds(error) == ["dataset"]


def test_a_metric_that_one_side_lacks_is_named_with_those_of_both() -> None:
    with pytest.raises(Incomparable) as error:
        gathered(entry(OLD), entry(NEW), metric="acc5")
    (found,) = error.value.mismatches
    assert (found.kind, found.field, found.baseline) == ("answers", "metrics.acc5", "not measured")
    assert "acc1, mean_per_class_recall" in found.meaning


def test_answers_that_do_not_give_the_record_s_number_are_no_evidence() -> None:
    record = entry(OLD).record
    with pytest.raises(Incomparable) as error:
        gathered(Entry(record, lambda: NEW, "somewhere"), entry(NEW))
    assert kinds(error) == ["answers"]
