"""Which metrics can be compared sample by sample, and what each plugin's tables have to say for it."""

from __future__ import annotations

from types import ModuleType

from vlmbench.answers.measured import Measured
from vlmbench.answers.tables import Aligned, Answers, identical
from vlmbench.errors import RecordError, UnpairableError
from vlmbench.tasks.classification import paired as classification
from vlmbench.tasks.detection import paired as detection
from vlmbench.tasks.rare_actions import paired as rare_actions
from vlmbench.tasks.retrieval import paired as retrieval
from vlmbench.tasks.segmentation import paired as segmentation

_PLUGINS: dict[str, ModuleType] = {
    "classification": classification,
    "retrieval": retrieval,
    "segmentation": segmentation,
    "detection": detection,
    "rare_actions": rare_actions,
}
_ALWAYS = ("sample", "content")


def measured(answers: Answers, metric: str) -> Measured:
    """What a comparison needs of a metric.

    Raises:
        UnpairableError: the metric is no function of the single samples' answers, or nobody here knows it.
        RecordError: the table is not what this plugin writes.
    """
    task = answers.record.task
    found = None
    if task.plugin in _PLUGINS:
        try:
            found = _PLUGINS[task.plugin].measured(answers.record, answers.table, metric)
        except RecordError as error:
            raise RecordError(f"{answers.where}: {error.message}", hint=error.hint) from error
        except (ValueError, IndexError) as error:  # numbers that no run of ours writes
            raise RecordError(f"{answers.where}: {metric} cannot be computed from it: {error}") from error
    if not isinstance(found, Measured):
        why = f"nobody knows how samples of a {task.plugin} task make it up"
        raise UnpairableError(f"{task.name}: {metric} cannot be compared sample by sample: {why}")
    return found


def pairing_columns(plugin: str) -> tuple[str, ...]:
    """The columns of a plugin's tables that comparisons read, where they are there; all others may be left out.

    Raises:
        UnpairableError: its answers cannot be paired.
    """
    if plugin not in _PLUGINS:
        raise UnpairableError(f"answers of {plugin} tasks cannot be compared sample by sample")
    own = _PLUGINS[plugin]
    return tuple(dict.fromkeys((*_ALWAYS, *own.COLUMNS, *own.ANSWERS)))


def same_behaviour(aligned: Aligned, plugin: str) -> bool:
    """Whether two tables of a plugin agree in every answer and score that they keep."""
    own = _PLUGINS[plugin]
    return identical(aligned, own.ANSWERS, own.COLUMNS)
