"""What is asked of a transfer: the default leaves no trace, and what excludes each other is refused."""

from __future__ import annotations

from typing import Any

import pytest

from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.errors import UsageError
from vlmbench.transfer.asked import TransferAsked, transfer_key
from vlmbench.transfer.every import every_transfer

OTHER = TaskCard(name="other", sources=[SourceSpec(kind="imagefolder", location="x")])


def test_all_classes_of_the_task_itself_leave_no_trace() -> None:
    asked = TransferAsked("coop", 2, 1)
    first = {"transfer": "coop", "shots": 2, "draw": 1, "track": "no-validation", "method_options": {}}
    assert asked.protocol == first
    assert repr(asked) == "TransferAsked(method='coop', shots=2, draw=1, track='no-validation', options={})"


def test_another_setting_or_source_is_another_question() -> None:
    asked: list[dict[str, Any]] = [{}, {"setting": "base-to-new"}, {"source": OTHER}]
    found = [TransferAsked("coop", 2, 1, **fields) for fields in asked]
    assert len({transfer_key(each.protocol) for each in found}) == len({repr(each) for each in found}) == 3
    assert found[1].protocol["setting"] == "base-to-new" and found[2].protocol["source"] == "other"


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"setting": "base-to-base"}, "--setting must be one of all-classes, base-to-new, not 'base-to-base'"),
        ({"setting": "base-to-new", "source": OTHER}, "and --learn-from those of another task"),
        ({"track": "leaky", "source": OTHER}, "--track leaky"),
        ({"method": "zero-shot", "setting": "base-to-new"}, "--setting base-to-new changes nothing for zero-shot"),
        ({"method": "zero-shot", "source": OTHER}, "--learn-from changes nothing for zero-shot"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TransferAsked(**{"method": "coop", "shots": 1, **fields})


def test_zero_shot_beside_a_method_has_no_setting() -> None:
    asked = every_transfer(("zero-shot", "coop"), (1,), (0,), track="no-validation", options={}, setting="base-to-new")
    assert [each.setting for each in asked] == ["all-classes", "base-to-new"]
    with pytest.raises(UsageError, match="changes nothing for zero-shot"):
        every_transfer(("zero-shot",), (0,), (0,), track="no-validation", options={}, setting="base-to-new")
