"""Collects the facts about models and tasks that the leaderboard shows beside their numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from vlmbench.cards import ModelCard, TaskCard
from vlmbench.records import Summary
from vlmbench.reports.site.collect import Collected

MEAN_METRIC = "mean"
"""The metric of published means over other tasks."""
UNKNOWN_KIND = "other"
"""The kind of a task that has neither a card nor a record, only published numbers."""
SIZES = (("up to 100 M", 0, 1e8), ("100 M to 500 M", 1e8, 5e8), ("0.5 B to 1 B", 5e8, 1e9), ("over 1 B", 1e9, 1e99))
"""Classes of sizes for the filter: name, more than, up to."""


@dataclass(frozen=True)
class ModelHeading:
    """The columns of one model. Unknown texts are "".

    Attributes:
        name: its name in records and published numbers.
        title: its name for people.
        objective: its training objective.
        image_encoder: its architecture.
        text_encoder: its architecture.
        data: its training data.
        data_size: the number of image-text pairs in it.
        parameters: of both towers; None if unknown.
        gflops: of one image and one text; None if unknown.
        speeds: images per second by device and precision, the median over its tasks.
    """

    name: str
    title: str
    objective: str = ""
    image_encoder: str = ""
    text_encoder: str = ""
    data: str = ""
    data_size: str = ""
    parameters: int | None = None
    gflops: float | None = None
    speeds: Mapping[str, float] = field(default_factory=dict)

    @property
    def size(self) -> str:
        """Its class of sizes, for the filter."""
        if self.parameters is None:
            return ""
        return next(name for name, low, high in SIZES if low < max(self.parameters, 1) <= high)


@dataclass(frozen=True)
class TaskHeading:
    """One task's heading.

    Attributes:
        name: of its card or of the published number.
        title: its name for people.
        kind: its plugin.
        metric: the metric that tables show.
        unit: the unit of that metric.
        higher_is_better: whether a higher value of it is better.
    """

    name: str
    title: str
    kind: str
    metric: str
    unit: str = "fraction"
    higher_is_better: bool = True

    @property
    def averaged(self) -> bool:
        """Whether a mean over tasks may include it."""
        return self.unit == "fraction" and self.higher_is_better

    @property
    def combined(self) -> bool:
        """Whether it is itself a mean over other tasks. A mean with it would count these tasks twice."""
        return self.metric == MEAN_METRIC


def model_headings(collected: Collected) -> dict[str, ModelHeading]:
    """Every model's columns, by its name."""
    names = {model for model, _ in collected.pairs} | {number.model for number in collected.published}
    return {name: _model_heading(name, collected) for name in sorted(names)}


def task_heading(
    name: str, card: TaskCard | None, records: Iterable[Summary], metrics: Iterable[str] = ()
) -> TaskHeading:
    """A task's heading, by its card, any model's records, and the metrics of published numbers."""
    measured = list(records)
    main = card.main_metric if card else _commonest([record.main_metric for record in measured] or metrics)
    found = next((record.metrics[main] for record in measured if main in record.metrics), None)
    kind = card.plugin if card else measured[0].task.plugin if measured else UNKNOWN_KIND
    return TaskHeading(
        name=name,
        title=(card.title if card else None) or name,
        kind=kind,
        metric=main,
        unit=found.unit if found else "fraction",
        higher_is_better=found.higher_is_better if found else True,
    )


def _model_heading(name: str, collected: Collected) -> ModelHeading:
    """The heading from the card and the records. Parameters are those of the loaded model, if it was loaded."""
    records = collected.records_of.get(name, ())
    card = collected.models.get(name) or ModelCard(name=name, adapter="", spec="")
    loaded = [record.model.parameters for record in records if record.model.parameters > 0]
    return ModelHeading(
        name=name,
        title=card.title or name,
        objective=card.objective or "",
        image_encoder=card.image_encoder or "",
        text_encoder=card.text_encoder or "",
        data=card.training_data or "",
        data_size=card.data_size or "",
        parameters=loaded[0] if loaded else card.parameters,
        gflops=card.gflops,
        speeds=_speeds(records),
    )


def _speeds(records: Iterable[Summary]) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for record in records:
        if record.run.images_per_second:
            found[f"{record.run.device}, {record.run.precision}"].append(record.run.images_per_second)
    return {device: median(speeds) for device, speeds in sorted(found.items())}


def _commonest(names: Iterable[str]) -> str:
    """The most common name; of equally common names the first."""
    counted = Counter(names).most_common(1)
    return counted[0][0] if counted else ""
