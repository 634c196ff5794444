"""Checks the answers of a kind of task: metrics, tables, records, and how they depend on the model and on the order.

:func:`vlmbench.testing.check_task` calls it.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vlmbench.answers.paired_metric import measured
from vlmbench.answers.tables import read_answers
from vlmbench.cards import Role
from vlmbench.data.base import ImageDataset, content_sha256
from vlmbench.errors import UnpairableError
from vlmbench.frames.predictions import frame_views, predictions_frame
from vlmbench.kinds import TaskKind
from vlmbench.records import MetricValue, Record
from vlmbench.testing.checks.asked import Asked, ask
from vlmbench.testing.conformance import Inspection
from vlmbench.testing.toy_data import ToyClips, ToyImages, ToyMasks
from vlmbench.wording import counted

_CLOSE = 1e-6
_NEARLY_PERFECT = 0.999
_NEAR_CHANCE = 0.15
"""How much the score of a random model may differ from chance on the toy data. For ranks it is a share of chance."""


def check_outcome(inspection: Inspection, kind: TaskKind, asked: Asked, what: str) -> None:
    """Check one answer's metrics, tables and record."""
    outcome, card = asked.outcome, asked.card
    with inspection.promise(
        f"Metrics are finite and in range, with the main metric among them ({what} model)",
        fix="Use vlmbench.tasks.base.metric_value. Fractions are from 0 to 1, ranks from 1; None if undefined.",
    ):
        inspection.require(
            card.main_metric in outcome.metrics, f"{card.main_metric} is not among {list(outcome.metrics)}"
        )
        strange = sorted(outcome.metrics.keys() - set(card.metrics))
        inspection.require(not strange, f"the card does not ask for the metrics {strange}")
        for name, value in outcome.metrics.items():
            _require_range(inspection, name, value)
        for row in outcome.per_class:
            for name, number in row.values.items():
                inside = number is None or (math.isfinite(number) and -_CLOSE <= number <= 1 + _CLOSE)
                inspection.require(inside, f"{name} of class {row.name!r} is {number}")
    with inspection.promise(
        f"contents has the content hash of every sample that was scored ({what} model)",
        fix="Keep the `contents` of the engine's batches by sample index.",
    ):
        indices = list(asked.question.indices)
        inspection.require(set(outcome.contents) <= set(indices), "it has a sample that was not asked for")
        inspection.require(
            len(outcome.contents) == len(indices),
            f"it has {len(outcome.contents)} of {counted(len(indices), 'sample')}",
        )
        for index in indices[:3]:
            inspection.require(
                outcome.contents[index] == content_sha256(asked.question.dataset, index),
                f"sample {index} has another hash",
            )
    _check_table(inspection, kind, asked, what)
    _check_written(inspection, kind, asked, what)


def _require_range(inspection: Inspection, name: str, value: MetricValue) -> None:
    if value.value is None:
        inspection.require(value.reason, f"{name} has no value and no reason")
        return
    low, high = (0.0, 1.0) if value.unit == "fraction" else (1.0, math.inf)
    for number in (value.value, *(value.ci95 or ()), *([] if value.chance is None else [value.chance])):
        inside = math.isfinite(number) and low - _CLOSE <= number <= high + _CLOSE
        inspection.require(inside, f"{name} has the {value.unit} {number}")
    if value.ci95 is not None:
        inspection.require(value.ci95[0] <= value.ci95[1], f"the interval of {name} is {value.ci95}")
    inspection.require(value.n > 0, f"{name} is computed from {counted(value.n, 'answer')}")


def _check_table(inspection: Inspection, kind: TaskKind, asked: Asked, what: str) -> None:
    with inspection.promise(
        f"predictions has a row for each sample, in the dataset's order, with sample, content and truth ({what} model)",
        fix="Begin with the columns `sample` and `content`, sort by index, and list the truth in TaskKind.truth.",
    ):
        table, samples = asked.outcome.predictions, asked.question.dataset.samples
        order = sorted(asked.outcome.contents)
        for name in ("sample", "content"):
            inspection.require(name in table.column_names, f"there is no column {name!r}")
        inspection.require(
            table["sample"].to_pylist() == [samples[index].id for index in order],
            "the sample ids or their order differ",
        )
        inspection.require(
            table["content"].to_pylist() == [asked.outcome.contents[index] for index in order],
            "the content hashes differ",
        )
        inspection.require(
            not kind.truth or set(kind.truth) & set(table.column_names),
            f"the table has none of the columns {list(kind.truth)}",
        )


def _check_written(inspection: Inspection, kind: TaskKind, asked: Asked, what: str) -> None:
    with (
        inspection.promise(
            f"The record and its predictions can be read, and the pairing computes the same metrics ({what} model)",
            fix="Use plain values in the record. Let Pairing.measured compute each metric from the table's columns.",
        ),
        tempfile.TemporaryDirectory() as folder,
    ):
        path = asked.written(Path(folder))
        record = Record.model_validate_json(path.read_text("utf-8"))
        inspection.require(dict(record.metrics) == dict(asked.outcome.metrics), "the metrics differ after reading")
        answers = read_answers(record, path.parent)
        _require_views(inspection, kind, path)
        if kind.paired is None:
            return
        for name, value in asked.outcome.metrics.items():
            try:
                found = measured(answers, name)
            except UnpairableError:
                continue
            expected = math.nan if value.value is None else value.value
            inspection.require(
                found is not None and np.isclose(found.value, expected, atol=_CLOSE, equal_nan=True),
                f"{name} is {expected:.6g} in the record and {getattr(found, 'value', math.nan):.6g} by the pairing",
            )


def _require_views(inspection: Inspection, kind: TaskKind, path: Path) -> None:
    """Break the promise at hand unless each view of the kind's ``frames.py`` can be made of the predictions."""
    for view in frame_views(kind.name):
        shown = list(predictions_frame(path, view.each).columns)
        wanted = [column.name for column in view.columns]
        inspection.require(shown == wanted, f"the view {view.each!r} shows {shown}, not {wanted}")


def check_same_again(inspection: Inspection, asked: Asked, datasets: Mapping[Role, ImageDataset], what: str) -> None:
    """Check that a second answer is the same, and that the order of the samples changes no metric."""
    model = asked.engine.model
    with inspection.promise(
        f"The same question has the same answer and run id ({what} model)",
        fix="Use the seed of the options for intervals and subsets.",
    ):
        again = ask(asked.plugin, asked.card, datasets, asked.options, model)
        inspection.require(dict(again.outcome.metrics) == dict(asked.outcome.metrics), "the metrics differ")
        inspection.require(again.outcome.predictions.equals(asked.outcome.predictions), "the predictions differ")
        inspection.require(again.run_id() == asked.run_id(), "the run id differs")
    promise = f"The order of the samples changes no metric ({what} model)"
    data = datasets["test"]
    if not isinstance(data, ToyImages):
        inspection.skip(promise, "only toy data can be put in another order")
        return
    with inspection.promise(
        promise, fix="Compute metrics over all samples, and break ties by content, not by position."
    ):
        order = np.random.default_rng(1).permutation(len(data.samples)).tolist()
        other = ask(asked.plugin, asked.card, {**datasets, "test": reordered(data, order)}, asked.options, model)
        for name, value in asked.outcome.metrics.items():
            found = other.outcome.metrics[name].value
            same = found == value.value or np.isclose(found or 0, value.value or 0, atol=_CLOSE)
            inspection.require(same, f"{name} is {value.value}, but {found} in another order")


def reordered(data: ToyImages, order: Sequence[int]) -> ToyImages:
    """The same samples in another order."""
    fields: dict[str, object] = {"samples": [data.samples[i] for i in order], "files": [data.files[i] for i in order]}
    if isinstance(data, ToyMasks):
        fields["masks"] = [data.masks[i] for i in order]
    if isinstance(data, ToyClips):
        fields["frames"] = [data.frames[i] for i in order]
    return replace(data, **fields)  # type: ignore[arg-type]


def check_perfect(inspection: Inspection, asked: Asked) -> None:
    """Check the score of a model that answers everything correctly."""
    with inspection.promise(
        "A model that answers everything correctly has a perfect main metric",
        fix="Compare with the dataset's own targets. If your data needs another model, give it as `perfect`.",
    ):
        value = asked.outcome.metrics[asked.card.main_metric]
        number = math.nan if value.value is None else value.value
        if value.unit == "rank":
            perfect = number <= 1 + _CLOSE
        else:
            perfect = number >= _NEARLY_PERFECT if value.higher_is_better else number <= 1 - _NEARLY_PERFECT
        inspection.require(perfect, f"{asked.card.main_metric} is {number:.4g}")


def check_chance(inspection: Inspection, asked: Asked) -> None:
    """Check the score of a model whose answers are unrelated to the images."""
    with inspection.promise(
        "A model that knows nothing has the score that `chance` states",
        fix="Compute chance for this number of classes or candidates; None if unknown. A tie is not a right answer.",
    ):
        for name, value in asked.outcome.metrics.items():
            if value.value is None or value.chance is None:
                continue
            room = _NEAR_CHANCE * (value.chance if value.unit == "rank" else 1)
            inspection.require(
                abs(value.value - value.chance) <= room,
                f"{name} is {value.value:.3g}, but chance is {value.chance:.3g}",
            )
