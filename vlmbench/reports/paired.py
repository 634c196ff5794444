"""Models that answered the same samples, from the predictions beside their records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.records import Predictions, Summary
from vlmbench.reports.aggregates import Errors
from vlmbench.reports.entries import origin
from vlmbench.store import ResultStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
        return lambda table: _correct(table, k).astype(float)
    if metric == "mean_per_class_recall":
        return _class_recall
    if recall := re.fullmatch(r"(image_to_text|text_to_image|mean)_recall@(\d+)", metric):
        direction, k = recall[1], int(recall[2])
        return lambda table: _recall(table, direction, k)
    return None


def _group_errors(records: list[Summary], metric: str, store: ResultStore) -> Errors:
    import numpy as np

    from vlmbench.metrics.paired import difference_errors

    measure = contribution(metric)
    groups: list[tuple[Any, dict[str, NDArray[np.float64]]]] = []
    for record in records:
        if measure is None or record.predictions is None:
            continue
        path = store.folder(record.model.name, record.task.name) / record.predictions.file
        table = _predictions(path, record.predictions)
        if table is not None:
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


def _predictions(path: Path, beside: Predictions) -> Any:
    """The table, by content and label: sources list the same samples in orders of their own.

    None where it cannot be read or is not the record's own: then there is no pairing, and intervals decide.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = {"content", "label", "top", "image_to_text_rank", "text_to_image_ranks"}
    try:
        content = path.read_bytes()
        if sha256(content).hexdigest() != beside.sha256:
            return None
        file = pq.ParquetFile(pa.BufferReader(content))
        table = file.read(columns=[name for name in file.schema_arrow.names if name in wanted])
        order = [(name, "ascending") for name in ("content", "label") if name in table.column_names]
        return table.sort_by(order) if table.num_rows == beside.rows > 1 else None
    except (OSError, pa.ArrowInvalid, pa.ArrowKeyError):
        return None


def _correct(table: Any, k: int) -> NDArray[np.bool_]:
    import numpy as np

    top = np.asarray(table["top"].combine_chunks().flatten()).reshape(table.num_rows, -1)[:, :k]
    return np.asarray((top == np.asarray(table["label"])[:, None]).any(axis=1))


def _class_recall(table: Any) -> NDArray[np.float64]:
    import numpy as np

    from vlmbench.metrics.paired import class_mean_contributions

    return class_mean_contributions(_correct(table, 1), np.asarray(table["label"]).astype(np.int64))


def _recall(table: Any, direction: str, k: int) -> NDArray[np.float64]:
    """Images' contributions: an image's captions are asked together, so that the image is what is drawn."""
    import numpy as np

    images = np.asarray(np.asarray(table["image_to_text_rank"]) <= k, dtype=float)
    lists = table["text_to_image_ranks"].combine_chunks()
    owner = np.repeat(np.arange(table.num_rows), np.asarray(lists.value_lengths()))
    hits = np.bincount(owner, weights=np.asarray(lists.flatten()) <= k, minlength=table.num_rows)
    captions = hits * table.num_rows / max(len(owner), 1)
    directions: dict[str, NDArray[np.float64]] = {
        "image_to_text": images,
        "text_to_image": captions,
        "mean": (images + captions) / 2,
    }
    return directions[direction]
