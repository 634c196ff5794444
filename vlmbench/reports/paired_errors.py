"""Models that answered the same samples, from the predictions beside their records."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from vlmbench.errors import RecordError, UnpairableError, VlmbenchWarning, unexpected
from vlmbench.kinds import known_kind
from vlmbench.records import Summary
from vlmbench.reports.aggregates import Errors
from vlmbench.reports.entries import origin
from vlmbench.store import ResultStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vlmbench.answers.measured import Contributions


def paired_errors(records: Iterable[Summary], store: ResultStore) -> Errors:
    """Standard errors of the differences of main metrics between models that answered the same samples of one task.

    Only metrics that are means over samples have one, which the kind of task says: accuracy, recall at k of retrieval.
    One record a model is expected. Records without readable predictions, and imported ones, have none.
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
    """How a table of predictions becomes each sample's contribution to a metric; None where it is no mean."""
    from vlmbench.answers.paired_metric import pairing

    try:
        return pairing(plugin).contributions(metric)
    except UnpairableError:  # then there is no pairing, and intervals decide
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
    for record in records:
        if record.predictions is None:
            continue
        folder = store.folder(record.model.saved_as, record.task.name)
        try:
            table = read_table(predictions_path(record, folder), record, ("content", *truth, *measure.columns))
        except RecordError:  # then there is no pairing, and intervals decide
            continue
        if table.num_rows < 2:
            continue
        table = _in_order(table, truth)
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


def _in_order(table: Any, truth: Collection[str]) -> Any:
    """By content and what is true of it: sources list the same samples in orders of their own. Lists have no order."""
    import pyarrow as pa

    known = [name for name in ("content", *truth) if name in table.column_names]
    return table.sort_by(
        [(name, "ascending") for name in known if not pa.types.is_nested(table.schema.field(name).type)]
    )
