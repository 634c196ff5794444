"""Finds remarks that only one side of a comparison has: something happened in one run and not in the other.

``vlmbench compare`` states them in its notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vlmbench.asked import knows_remarks, remarks_of
from vlmbench.gate.outcome import LoneRemark, TaskComparison
from vlmbench.records import Record
from vlmbench.remarks.base import Remark
from vlmbench.remarks.codes import FROM_FIELDS, OTHER_SIZE

_PATH = re.compile(r"\S*[/\\]\S*")
_OF_OLD_RECORDS = FROM_FIELDS | {OTHER_SIZE.name}
_NAMED = 5
"""The most tasks to name for one remark."""


def lone_remarks(baseline: Record, candidate: Record) -> list[LoneRemark]:
    """The remarks that only one of two records has, in order.

    A record of an older version has no remarks except those made from its fields. Then only these are compared.
    """
    before, after = _comparable(baseline, candidate), _comparable(candidate, baseline)
    return [
        *(LoneRemark(side="baseline", code=each.code, sentence=each.sentence) for each in _without(before, after)),
        *(LoneRemark(side="candidate", code=each.code, sentence=each.sentence) for each in _without(after, before)),
    ]


def remark_notes(tasks: Iterable[TaskComparison]) -> Iterator[str]:
    """One line for each remark. It names the tasks with this remark."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for task in tasks:
        for lone in task.remarks:
            found.setdefault((lone.side, lone.sentence, lone.code), []).append(task.task)
    for (side, sentence, code), names in found.items():
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        yield f"remark of the {side} only, on {', '.join(names[:_NAMED])}{more}: {sentence} [{code}]"


def _comparable(record: Record, other: Record) -> list[Remark]:
    whole = knows_remarks(record) and knows_remarks(other)
    return [each for each in remarks_of(record) if whole or each.code in _OF_OLD_RECORDS]


def _without(some: list[Remark], others: list[Remark]) -> list[Remark]:
    known = {_key(other) for other in others}
    return [each for each in some if _key(each) not in known]


def _key(remark: Remark) -> tuple[str, str]:
    """The text of a remark without folders, because two machines have different paths."""
    return remark.code, _PATH.sub("PATH", remark.text)
