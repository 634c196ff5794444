"""Models that answered the same samples, from the predictions beside their records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from vlmbench.errors import RecordError
from vlmbench.records import Summary
from vlmbench.reports.aggregates import Errors
from vlmbench.reports.entries import origin
from vlmbench.store import ResultStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLUMNS = ("content", "label", "top", "image_to_text_rank", "text_to_image_ranks")
Contributions = Callable[[Any], "NDArray[np.float64]"]


def paired_errors(records: Iterable[Summary], store: ResultStore) -> Errors:
    """Standard errors of the differences of main metrics between models that answered the same samples of one task.

    Only metrics that are means over samples have one: accuracy, the mean of class recalls, recall at k of retrieval.
    Records without readable predictions, and imported ones, have none.

    Args:
        records: of one task, one a model.
        store: where their predictions lie.
    """
    groups: dict[tuple[str, str], list[Summary]] = {}
    for record in records:
        if origin(record) == "measured" and contribution(record.main_metric) is not None:
            groups.setdefault((record.task.dataset.fingerprint, record.main_metric), []).append(record)
    errors: dict[tuple[str, str], float] = {}
    for (_, metric), same in groups.items():
        if len(same) > 1:
            errors.update(_group_errors(same, metric, store))
    return errors


def contribution(metric: str) -> Contributions | None:
    """How a table of predictions becomes each sample's contribution to a metric; None where it is no mean."""
    if accuracy := re.fullmatch(r"acc([1-5])", metric):
        k = int(accuracy[1])
        return lambda table: _right(table, k).astype(float)
    if metric == "mean_per_class_recall":
        return _class_recall
    if recall := re.fullmatch(r"(image_to_text|text_to_image|mean)_recall@(\d+)", metric):
        direction, k = recall[1], int(recall[2])
        return lambda table: _recall(table, direction, k)
    return None


def _group_errors(records: list[Summary], metric: str, store: ResultStore) -> Errors:
    import numpy as np

    from vlmbench.answers.tables import predictions_path, read_table
    from vlmbench.metrics.paired import difference_errors

    measure = contribution(metric)
    groups: list[tuple[Any, dict[str, NDArray[np.float64]]]] = []
    for record in records:
        if measure is None or record.predictions is None:
            continue
        folder = store.folder(record.model.name, record.task.name)
        try:
            table = read_table(predictions_path(record, folder), record, _COLUMNS)
        except RecordError:  # then there is no pairing, and intervals decide
            continue
        if table.num_rows < 2:
            continue
        table = _in_order(table)
        samples = table["content"]
        same = next((rows for known, rows in groups if known.equals(samples)), None)
        if same is None:
            groups.append((samples, same := {}))
        same[record.model.name] = measure(table)
    errors: dict[tuple[str, str], float] = {}
    for _, rows in groups:
        if len(rows) > 1:
            found = difference_errors(np.stack(list(rows.values())))
            errors.update(
                {(a, b): float(found[i, j]) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j}
            )
    return errors


def _in_order(table: Any) -> Any:
    """By content and label: sources list the same samples in orders of their own."""
    return table.sort_by([(name, "ascending") for name in ("content", "label") if name in table.column_names])


def _right(table: Any, k: int) -> NDArray[np.bool_]:
    from vlmbench.tasks.classification.paired import hits

    return hits(table, k)


def _class_recall(table: Any) -> NDArray[np.float64]:
    import numpy as np

    from vlmbench.metrics.paired import class_mean_contributions

    return class_mean_contributions(_right(table, 1), np.asarray(table["label"]).astype(np.int64))


def _recall(table: Any, direction: str, k: int) -> NDArray[np.float64]:
    """Images' contributions: an image's captions are asked together, so that the image is what is drawn."""
    import numpy as np

    from vlmbench.tasks.retrieval.paired import ranks

    image_ranks, caption_ranks, owner = ranks(table)
    images = np.asarray(image_ranks <= k, dtype=float)
    hits = np.bincount(owner, weights=caption_ranks <= k, minlength=len(images))
    captions = hits * len(images) / max(len(owner), 1)
    directions: dict[str, NDArray[np.float64]] = {
        "image_to_text": images,
        "text_to_image": captions,
        "mean": (images + captions) / 2,
    }
    return directions[direction]
