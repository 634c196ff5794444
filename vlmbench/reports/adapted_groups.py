"""Groups records of adapted models: a group has one model, task, method and track, and the same settings.

All tables of adapted models use it, so that no number is a mean over records of other settings, prompts, samples,
versions, weights or precisions. A group's detail names in what it differs from the others.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from vlmbench.asked import method_settings
from vlmbench.record_parts.transfer import TransferInfo
from vlmbench.records import Summary
from vlmbench.wording import counted

_ANY = ("shots", "draw")
"""Fields of a protocol in which the records of a group may differ."""


@dataclass(frozen=True)
class Group:
    """Records that differ in nothing but shots, draw and time.

    Attributes:
        detail: what tells it from other groups of the same model, method and track, such as "alpha=0".
    """

    records: Sequence[Summary]
    detail: str = ""

    @property
    def how(self) -> TransferInfo:
        """How the model was adapted in the first record."""
        return how(self.records[0])


def groups_of(records: Iterable[Summary]) -> list[Group]:
    """Every group of some records of adapted models, in the order of their first record. Zero-shot ones are left out.

    The settings of a method, its version, the weights and the precision have a detail if they differ in any two of
    the records, whatever their tasks are: rows of several tasks can be joined by it. Prompts, samples, task versions,
    metrics and protocols have one if they differ in records of one task.
    """
    found: dict[Hashable, list[Summary]] = {}
    for record in records:
        if record.transfer is not None:
            found.setdefault(_key(record), []).append(record)
    families: dict[Hashable, list[Summary]] = {}
    for group in found.values():
        families.setdefault(_family(group[0]), []).append(group[0])
    told = [(group, _told(group[0], families[_family(group[0])])) for group in found.values()]
    same = Counter((_family(group[0]), group[0].task.name, says) for group, says in told)
    made = []
    for group, says in told:
        alike = same[_family(group[0]), group[0].task.name, says] > 1
        other = [f"protocol {sha256(_protocol(group[0]).encode()).hexdigest()[:6]}"] if alike else []
        made.append(Group(group, ", ".join((*says, *other))))
    return made


def named(method: str, detail: str) -> str:
    """A method, with what tells its row from other rows.

    >>> named("gda", ""), named("gda", "alpha=0")
    ('gda', 'gda (alpha=0)')
    """
    return f"{method} ({detail})" if detail else method


def how(record: Summary) -> TransferInfo:
    """How the model of a record was adapted.

    Raises:
        ValueError: it was not.
    """
    if record.transfer is None:
        raise ValueError(f"record {record.id} is of a model that was not adapted")
    return record.transfer


def _family(record: Summary) -> Hashable:
    """What tables say of a row, beside its task."""
    info = how(record)
    return record.model.name, info.method, info.track, info.setting, info.source


def _key(record: Summary) -> Hashable:
    """Everything that makes the numbers of a group: all but K and the draw."""
    task = record.task
    return (
        *(_family(record), task.name, record.main_metric, record.model.weights_sha256, how(record).version),
        *(record.run.precision, task.version, task.prompts_sha256, task.dataset.fingerprint, _protocol(record)),
    )


def _protocol(record: Summary) -> str:
    kept = {name: value for name, value in record.task.protocol.items() if name not in _ANY}
    return json.dumps(kept, sort_keys=True, default=str)


def _told(record: Summary, family: Sequence[Summary]) -> tuple[str, ...]:
    """In what a group differs from others.

    Args:
        family: a record of each group of which tables say the same, this one included.
    """
    settings = [method_settings(other) for other in family]
    own = method_settings(record)
    told = [f"{name}={own[name]}" for name in own if len({str(each.get(name)) for each in settings}) > 1]
    of_task = [other for other in family if other.task.name == record.task.name]
    for says, others in (*((says, family) for says in _OF_ALL), *((says, of_task) for says in _OF_TASK)):
        if len({says(other) for other in others}) > 1:
            told.append(says(record))
    return tuple(told)


_OF_ALL: Sequence[Callable[[Summary], str]] = (
    lambda record: f"weights {record.model.weights_sha256[:6]}",
    lambda record: f"method version {how(record).version}",
    lambda record: record.run.precision,
    lambda record: f"source version {record.task.protocol.get('source_version', '')}",
    lambda record: f"source prompts {str(record.task.protocol.get('source_prompts_sha256', ''))[:6]}",
)
"""What may tell two groups apart on any tasks, beside the settings of their method."""
_OF_TASK: Sequence[Callable[[Summary], str]] = (
    lambda record: f"{counted(record.task.dataset.samples, 'sample')}, data {record.task.dataset.fingerprint[:6]}",
    lambda record: f"prompts {record.task.prompts_sha256[:6]}",
    lambda record: f"task version {record.task.version}",
    lambda record: record.main_metric,
)
"""What may tell two groups of one task apart."""
