"""Compares two methods on the same draws: the mean difference, with an interval that covers draws and samples.

``vlmbench report fewshot --against METHOD`` shows it. Both methods learn from the same images in each draw, and answer
the same test images, so that the difference varies less than each method's own numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any

from vlmbench.errors import RecordError
from vlmbench.kinds import known_kind
from vlmbench.metrics.draws import interval_of_differences
from vlmbench.records import Summary
from vlmbench.reports.curves import Curve, Point
from vlmbench.reports.paired_errors import contributions, in_order
from vlmbench.store import ResultStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ZERO_SHOT_COLUMN = "zero_shot"
"""The best class of zero-shot, in the predictions of an adapted model."""
_BEST_CLASS_ONLY = ("acc1", "mean_per_class_recall")
"""Metrics that need no more of an answer than its best class."""


@dataclass(frozen=True)
class PairedDraws:
    """A method minus another one, on the R draws that both have.

    Attributes:
        differences: of each draw, by the draw.
        samples_error: the standard error of the mean difference over other samples; None if it is not known, because
            predictions are not there or the metric is not a mean over samples.
    """

    differences: Mapping[int, float]
    samples_error: float | None = None

    @property
    def mean(self) -> float:
        """Over the draws."""
        return mean(self.differences.values())

    @property
    def better(self) -> int:
        """In how many draws the first method is better."""
        return sum(difference > 0 for difference in self.differences.values())

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean difference, see :func:`~vlmbench.metrics.draws.interval_of_differences`."""
        return interval_of_differences(list(self.differences.values()), self.samples_error)


def against_method(point: Point, other: Point, curve: Curve, store: ResultStore | None) -> PairedDraws | None:
    """A point of a curve minus that of another method with the same shots, on the draws that differ in the method only.

    None if there is no draw with the same images, weights, prompts, task version and precision.
    """
    first, second = point.by_draw, other.by_draw
    draws = [draw for draw in point.values if draw in other.values and _asked_alike(first[draw], second[draw])]
    if not draws:
        return None
    error = None
    if store is not None:
        error = _error_over_samples([(first[draw], second[draw]) for draw in draws], curve.metric, store)
    return PairedDraws({draw: point.values[draw] - other.values[draw] for draw in draws}, error)


def against_zero_shot(point: Point, curve: Curve, store: ResultStore | None) -> PairedDraws | None:
    """A point of a curve minus zero-shot with the same prompts. None if zero-shot's numbers are not known."""
    draws = [draw for draw in point.values if draw in point.starts]
    if not draws:
        return None
    error = None
    if store is not None and curve.metric in _BEST_CLASS_ONLY:
        records = point.by_draw
        error = _error_over_samples([(records[draw], None) for draw in draws], curve.metric, store)
    return PairedDraws({draw: point.values[draw] - point.starts[draw] for draw in draws}, error)


def _asked_alike(first: Summary, second: Summary) -> bool:
    """Whether two records differ in their method only: same weights, prompts, task version, precision and images.

    The images are those of the test, support and validation.
    """

    def asked(record: Summary) -> tuple[object, ...]:
        task = record.task
        images = sorted((role, found.fingerprint) for role, found in task.other_data.items())
        of_model = record.model.weights_sha256, record.run.precision
        return (*of_model, task.version, task.prompts_sha256, task.dataset.fingerprint, *images)

    return asked(first) == asked(second)


def _error_over_samples(pairs: list[tuple[Summary, Summary | None]], metric: str, store: ResultStore) -> float | None:
    """The standard error of the mean difference over samples. A second record of None stands for zero-shot."""
    import numpy as np

    from vlmbench.metrics.paired import difference_errors

    measure = contributions(pairs[0][0].task.plugin, metric)
    if measure is None:
        return None
    sums: list[NDArray[np.float64]] = []
    samples: Any = None
    for first, second in pairs:
        tables = [_predictions(first, measure.columns, store)]
        tables.append(_as_zero_shot(tables[0]) if second is None else _predictions(second, measure.columns, store))
        if any(table is None or table.num_rows < 2 for table in tables):
            return None
        samples = tables[0]["content"] if samples is None else samples
        if not all(table["content"].equals(samples) for table in tables):
            return None
        sums.append(np.stack([measure.compute(table) for table in tables]))
    return float(difference_errors(np.mean(sums, axis=0))[0, 1])


def _predictions(record: Summary, columns: tuple[str, ...], store: ResultStore) -> Any:
    """A record's predictions in the order of their samples' content; None if they cannot be read."""
    from vlmbench.answers.tables import predictions_path, read_table

    kind = known_kind(record.task.plugin)
    truth = kind.truth if kind else ()
    if record.predictions is None:
        return None
    try:
        path = predictions_path(record, store.folder(record.model.saved_as, record.task.name))
        table = read_table(path, record, ("content", *truth, *columns, ZERO_SHOT_COLUMN))
    except RecordError:  # the interval then covers the draws only, and the table says so
        return None
    return in_order(table, truth)


def _as_zero_shot(table: Any) -> Any:
    """The same samples with zero-shot's answers; None if the table does not have them."""
    import pyarrow as pa

    from vlmbench.answers.columns import column

    if table is None or ZERO_SHOT_COLUMN not in table.column_names or "top" not in table.column_names:
        return None
    best = pa.FixedSizeListArray.from_arrays(column(table, ZERO_SHOT_COLUMN), 1)
    return table.set_column(table.column_names.index("top"), "top", best)
