"""Computes errors of the differences between models that answered the same samples, from their predictions.

``vlmbench report task``, ``report ranking`` and the leaderboard decide with it which models are tied.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from vlmbench.errors import RecordError, UnpairableError, VlmbenchWarning, unexpected
from vlmbench.kinds import known_kind
from vlmbench.paths import lies_beside
from vlmbench.records import Summary
from vlmbench.reports.aggregates import Errors
from vlmbench.reports.entries import origin
from vlmbench.storage.mirror import bring
from vlmbench.store import ResultStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vlmbench.answers.measured import Contributions


def paired_errors(records: Iterable[Summary], store: ResultStore) -> Errors:
    """Standard errors of the differences of main metrics between models that answered the same samples of one task.

    Only a metric that is a mean over samples has such an error, for example accuracy, or recall at k; the kind of task
    says which metrics are. There should be one record a model. Imported records, and records whose predictions cannot
    be read, have no error.
    """
    groups: dict[tuple[str, str, str], list[Summary]] = {}
    for record in records:
        if origin(record) == "measured":
            key = record.task.dataset.fingerprint, record.task.plugin, record.main_metric
            groups.setdefault(key, []).append(record)
    errors: dict[tuple[str, str], float] = {}
    for (_, plugin, metric), same in groups.items():
        if len(same) > 1 and (measure := contributions(plugin, metric)) is not None:
            errors.update(_group_errors(same, measure, store))
    return errors


def contributions(plugin: str, metric: str) -> Contributions | None:
    """Computes each sample's contribution to a metric from a table of predictions; None if the metric is not a mean."""
    from vlmbench.answers.paired_metric import pairing

    try:
        return pairing(plugin).contributions(metric)
    except UnpairableError:  # without pairing, intervals decide
        return None
    except Exception as error:  # a third party's bug: the table is worth having without it
        warnings.warn(
            f"{plugin}: contributions of {metric}: {unexpected(error).message}", VlmbenchWarning, stacklevel=2
        )
        return None


def _group_errors(records: list[Summary], measure: Contributions, store: ResultStore) -> Errors:
    import numpy as np

    from vlmbench.answers.tables import predictions_path, read_table
    from vlmbench.metrics.paired import difference_errors

    kind = known_kind(records[0].task.plugin)
    truth = kind.truth if kind else ()
    groups: list[tuple[Any, dict[str, NDArray[np.float64]]]] = []
    bring(
        store.folder(record.model.saved_as, record.task.name) / record.predictions.file
        for record in records
        if record.predictions is not None and lies_beside(record.predictions.file)
    )
    for record in records:
        if record.predictions is None:
            continue
        folder = store.folder(record.model.saved_as, record.task.name)
        try:
            table = read_table(predictions_path(record, folder), record, ("content", *truth, *measure.columns))
        except RecordError:  # without pairing, intervals decide
            continue
        if table.num_rows < 2:
            continue
        table = in_order(table, truth)
        samples = table["content"]
        same = next((rows for known, rows in groups if known.equals(samples)), None)
        if same is None:
            groups.append((samples, same := {}))
        same[record.model.name] = measure.compute(table)
    errors: dict[tuple[str, str], float] = {}
    for _, rows in groups:
        if len(rows) > 1:
            found = difference_errors(np.stack(list(rows.values())))
            errors.update(
                {(a, b): float(found[i, j]) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j}
            )
    return errors


def in_order(table: Any, truth: Collection[str]) -> Any:
    """The table sorted by content and truth without lists, because sources list samples in different orders."""
    import pyarrow as pa

    known = [name for name in ("content", *truth) if name in table.column_names]
    return table.sort_by(
        [(name, "ascending") for name in known if not pa.types.is_nested(table.schema.field(name).type)]
    )
