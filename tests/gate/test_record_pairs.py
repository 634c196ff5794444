"""Records of two sides, paired; and all in which two of them differ."""

from __future__ import annotations

from typing import Any

import pytest

from vlmbench.errors import UsageError
from vlmbench.gate.entry import Entry
from vlmbench.gate.mismatches import check_allowed, mismatches
from vlmbench.gate.record_pairs import pair_entries
from vlmbench.records import Record
from vlmbench.testing.toy_records import make_record


def entry(model: str = "m", task: str = "t", **fields: Any) -> Entry:
    def table() -> Any:
        raise AssertionError("pairing needs no answers")

    return Entry(changed(make_record(model, task), **fields), table, f"{model}/{task}")


def changed(record: Record, **fields: Any) -> Record:
    """A record with other values at dotted places ("task__version")."""
    data = record.model_dump(by_alias=True)
    for place, value in fields.items():
        *path, last = place.split("__")
        part = data
        for name in path:
            part = part[name]
        part[last] = value
    return Record.model_validate(data)


def test_one_model_on_each_side_is_compared_whatever_its_name() -> None:
    (first, second) = pair_entries([entry("old", "a"), entry("old", "b")], [entry("new", "a")])
    assert (first.task, first.baseline_model, first.candidate_model) == ("a", "old", "new")
    assert first.baseline is not None and first.candidate is not None
    assert second.task == "b" and second.candidate is None


def test_several_models_are_paired_by_name_and_none_of_the_baseline_s_is_lost() -> None:
    pairs = pair_entries([entry("x"), entry("y")], [entry("y"), entry("z")])
    assert [(pair.baseline_model, pair.baseline is None, pair.candidate is None) for pair in pairs] == [
        ("x", False, True),
        ("y", False, False),
    ]


def test_models_without_a_common_name_must_be_chosen() -> None:
    before, after = [entry("x"), entry("y")], [entry("v1"), entry("v2")]
    with pytest.raises(UsageError, match=r"(?s)baseline: x, y.*candidate: v1, v2.*--baseline-model"):
        pair_entries(before, after)
    (pair,) = pair_entries(before, after, baseline_model="y", candidate_model="v1")
    assert (pair.baseline_model, pair.candidate_model) == ("y", "v1")
    with pytest.raises(UsageError, match="the candidate has no model 'v3'"):
        pair_entries(before, after, baseline_model="y", candidate_model="v3")


def test_of_several_records_those_that_differ_in_least_are_taken_then_the_newest() -> None:
    before = [entry(run__started="2026-01-01"), entry(run__started="2026-01-02", task__prompts_sha256="q")]
    after = [
        entry(run__started="2026-02-01"),
        entry(run__started="2026-02-02"),
        entry(run__started="2026-02-03", task__prompts_sha256="z"),
    ]
    (pair,) = pair_entries(before, after)
    assert pair.baseline is before[0] and pair.candidate is after[1]


def test_an_older_release_of_the_same_name_never_stands_for_the_newest() -> None:
    old = entry(run__started="2026-02-01", model__weights_sha256="old")
    new = entry(run__started="2026-02-02", model__weights_sha256="new", run__precision="bf16")
    (pair,) = pair_entries([entry()], [old, new])
    assert pair.candidate is new, "though the older one differs in less"


PROTOCOL = {"templates": ["a photo of a {}."], "metrics": ["acc1"], "logit_scale": 100.0}


@pytest.mark.parametrize(
    ("fields", "kind", "field"),
    [
        ({"task__dataset__fingerprint": "g"}, "dataset", "task.dataset.fingerprint"),
        ({"task__prompts_sha256": "q"}, "prompts", "task.prompts_sha256"),
        ({"task__protocol": {**PROTOCOL, "templates": ["{}"]}}, "protocol", "task.protocol.templates"),
        ({"task__protocol": {**PROTOCOL, "frames": 8}}, "protocol", "task.protocol.frames"),
        ({"task__version": "2.1"}, "version", "task.version"),
        ({"task__plugin": "retrieval"}, "version", "task.version"),
        ({"run__precision": "bf16"}, "precision", "run.precision"),
        ({"main_metric": "ece"}, "metric", "main_metric"),
    ],
)
def test_whatever_must_be_equal_is_named_where_it_differs(fields: dict[str, Any], kind: str, field: str) -> None:
    record = changed(make_record(), task__protocol=PROTOCOL)
    (found,) = mismatches(record, changed(record, **fields))
    assert (found.kind, found.field) == (kind, field)
    assert found.baseline != found.candidate and found.meaning


def test_what_a_model_settles_and_where_it_ran_may_differ() -> None:
    record = changed(make_record("old"), task__protocol=PROTOCOL, run__precision="bf16")
    other = changed(
        record,
        model__name="new",
        model__weights_sha256="v",
        task__protocol={**PROTOCOL, "logit_scale": 12.5, "metrics": ["acc1", "acc5"]},
        task__dataset__location="elsewhere",
        run__precision="fp16",
        run__device="cuda",
        run__batch_size=1,
    )
    assert mismatches(record, other) == []
    set_by_hand = changed(other, run__settings={"logit_scale": 12.5})
    assert [found.field for found in mismatches(record, set_by_hand)] == ["task.protocol.logit_scale"]
    assert mismatches(record, changed(record, main_metric="ece"), metric="acc1") == []


def test_names_of_images_matter_only_where_proposals_are_found_by_them() -> None:
    plain, proposed = {"image_ids_sha256": "a"}, {"image_ids_sha256": "a", "proposals_sha256": "p"}
    for protocol, expected in ((plain, []), (proposed, ["task.protocol.image_ids_sha256"])):
        record = changed(make_record(), task__protocol=protocol)
        other = changed(record, task__protocol={**protocol, "image_ids_sha256": "b"})
        assert [found.field for found in mismatches(record, other)] == expected


def test_tuples_of_a_fresh_record_equal_the_lists_of_one_that_was_read() -> None:
    record = changed(make_record(), task__protocol={"sizes": (1, 2)})
    read = Record.model_validate_json(record.model_dump_json(by_alias=True))
    assert mismatches(record, read) == []


def test_only_differences_that_leave_something_to_compare_can_be_allowed() -> None:
    assert check_allowed(["prompts", "dataset"]) == ("dataset", "prompts")
    with pytest.raises(UsageError, match=r"unknown --allow 'prompt'(?s:.)*Did you mean 'prompts'"):
        check_allowed(["prompt"])
    with pytest.raises(UsageError):
        check_allowed(["missing"])


def test_of_several_models_the_newest_answers_wherever_it_has() -> None:
    """As in tables: another model's later answer to one task is not the newest model's."""

    def of(weights: str, task: str, day: int) -> Entry:
        started = f"2026-01-{day:02d}T00:00:00+00:00"
        return entry(task=task, model__weights_sha256=weights, run__started=started)

    side = [of("a", "s", 1), of("b", "s", 2), of("a", "t", 3), of("b", "u", 1)]
    pairs = {pair.task: pair.candidate for pair in pair_entries(side, side)}
    found = {task: one.record.model.weights_sha256 for task, one in pairs.items() if one is not None}
    assert found == {"s": "a", "t": "a", "u": "b"}
