"""Scores images with a classifier, batch by batch. Classification and rare actions use it.

The best classes of each sample are kept. All scores, images × classes, are kept only if a metric needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from vlmbench.data.base import ImageDataset
from vlmbench.errors import ModelError, NonFiniteFeaturesError
from vlmbench.features.images.batch import ImageBatch
from vlmbench.tasks.base import nothing_scored
from vlmbench.tasks.columns import fixed_lists, strings
from vlmbench.tasks.contents import ContentKeeper, Contents, dataset_order, in_order
from vlmbench.transfer.base import Classifier

TOP = 5
Needed = Literal["order", "scores", "probabilities", "confidence"]
"""What a metric needs besides the best class: the best five in order, the scores of all classes, their probabilities,
or a probability of the best class that measures confidence."""


@dataclass(frozen=True)
class Scored:
    """The answers to N samples with C classes, in the dataset's order. K is min(5, C).

    Attributes:
        indices: (N,) the samples' indices in the dataset.
        contents: the content hash of each sample.
        labels: (N,) the true classes; None for multi-label data.
        targets: (N, C) whether each class is present; None for single-label data.
        top: (N, K) the classes with the highest scores, highest first. K is 1 if only the best class is known.
        top_scores: (N, K) their logits. Zero-shot gives cosine similarities. None: not known.
        confidence: (N,) the softmax probability of the best class, after the logits are multiplied by ``logit_scale``;
            None: not known.
        scores: (N, C) all logits; None if no metric needs them. Answers that were made elsewhere may be in float64.
        num_classes: C.
        logit_scale: the scale of the classifier. In zero-shot, it is the model's. 0: the scores are probabilities.
        lacks: why metrics that need something have no value, by what they need (:data:`Needed`).
    """

    indices: npt.NDArray[np.int64]
    contents: Contents
    labels: npt.NDArray[np.int64] | None
    targets: npt.NDArray[np.bool_] | None
    top: npt.NDArray[np.int32]
    top_scores: npt.NDArray[np.float32] | None
    confidence: npt.NDArray[np.float32] | None
    scores: npt.NDArray[np.float32] | None
    num_classes: int
    logit_scale: float
    lacks: Mapping[Needed, str] = field(default_factory=dict)


def score(
    batches: Iterable[ImageBatch],
    classifier: Classifier,
    dataset: ImageDataset,
    *,
    most: int,
    num_classes: int,
    multi_label: bool,
    keep_scores: bool,
) -> Scored:
    """Score every image for every class, batch by batch.

    The results are written into a few arrays that are allocated first. Small tensors for each batch, allocated between
    large ones that are freed again, would fragment the memory and cost many times their own size.

    Args:
        batches: image features, (B, D) in each batch.
        classifier: turns image features into (B, C) logits.
        most: the highest possible number of samples.
        multi_label: whether a sample may have several classes; its target is then a tuple.
        keep_scores: whether to keep all (N, C) scores.

    Raises:
        DataError: no sample could be scored.
        ModelError, NonFiniteFeaturesError: the logits have another shape, or one is NaN or infinite.
    """
    kept = min(TOP, num_classes)
    hashes = ContentKeeper(most)
    top, top_scores = np.empty((most, kept), dtype=np.int32), np.empty((most, kept), dtype=np.float32)
    confidence = np.empty(most, dtype=np.float32)
    scores = np.empty((most, num_classes), dtype=np.float32) if keep_scores else None
    for batch in batches:
        logits = checked_logits(classifier.logits(batch.features), len(batch.indices), num_classes)
        values, classes = logits.topk(kept, dim=1)
        rows = hashes.add(batch)
        top[rows], top_scores[rows] = classes.numpy(), values.numpy()
        confidence[rows] = (classifier.scale * logits).softmax(dim=1).amax(dim=1).numpy()
        if scores is not None:
            scores[rows] = logits.numpy()
    count = len(hashes.indices())
    if not count:
        raise nothing_scored()

    order = dataset_order(hashes.indices())
    contents = hashes.contents()
    labels, targets = truth(dataset, contents.indices, num_classes, multi_label)
    return Scored(
        indices=contents.indices,
        contents=contents,
        labels=labels,
        targets=targets,
        top=in_order(top[:count], order),
        top_scores=in_order(top_scores[:count], order),
        confidence=in_order(confidence[:count], order),
        scores=None if scores is None else in_order(scores[:count], order),
        num_classes=num_classes,
        logit_scale=classifier.scale,
        lacks=no_temperature(classifier.scale),
    )


def no_temperature(scale: float) -> dict[Needed, str]:
    """Why there is no confidence without a temperature: a softmax of unscaled cosines is nearly uniform."""
    reason = "the model has no temperature, so its probabilities do not measure confidence"
    return {"confidence": reason} if scale == 1.0 else {}


def checked_logits(logits: Tensor, images: int, num_classes: int) -> Tensor:
    """The logits of a classifier, on the CPU.

    Raises:
        ModelError: they have another shape.
        NonFiniteFeaturesError: one of them is NaN or infinite.
    """
    if tuple(logits.shape) != (images, num_classes):
        raise ModelError(f"the classifier returned logits of shape {tuple(logits.shape)}, not {(images, num_classes)}")
    if not bool(torch.isfinite(logits).all()):
        raise NonFiniteFeaturesError("the classifier returned logits that are NaN or infinite")
    return logits.detach().float().cpu()


def truth(
    dataset: ImageDataset, chosen: npt.NDArray[np.int64], num_classes: int, multi_label: bool
) -> tuple[npt.NDArray[np.int64] | None, npt.NDArray[np.bool_] | None]:
    """(N,) the classes of the chosen samples; or (N, C) whether each class is present, if there may be several."""
    samples = [dataset.samples[index].target for index in chosen]
    if not multi_label:
        return np.asarray(samples, dtype=np.int64), None
    targets = np.zeros((len(samples), num_classes), dtype=bool)
    for row, present in enumerate(samples):
        targets[row, list(present if isinstance(present, tuple) else (present,))] = True
    return None, targets


def prediction_table(scored: Scored, dataset: ImageDataset, *, own_scale: bool = False) -> pa.Table:
    """The prediction table, one row for each sample: the truth, the answer, and its confidence.

    Columns: sample (id), content (content hash in hex), label or labels, top and top_scores (the K best classes and
    their logits), confidence, and scores (all C) if a metric needs them. What is not known has no column.

    Args:
        own_scale: whether the classifier's scale is not the model's. Then, beside scores, there is a column ``scale``;
            it is 0 if the scores are probabilities.
    """
    columns: dict[str, pa.Array] = {
        "sample": strings(dataset.samples[index].id for index in scored.indices),
        "content": scored.contents.column(),
    }
    if scored.labels is not None:
        columns["label"] = pa.array(scored.labels, pa.int32())
    if scored.targets is not None:
        columns["labels"] = pa.array([np.flatnonzero(row).tolist() for row in scored.targets], pa.list_(pa.int32()))
    columns["top"] = fixed_lists(scored.top)
    if scored.top_scores is not None:
        columns["top_scores"] = fixed_lists(scored.top_scores)
    if scored.confidence is not None:
        columns["confidence"] = pa.array(scored.confidence, pa.float32())
    if scored.scores is not None:
        if own_scale:
            columns["scale"] = pa.array(np.full(len(scored.top), scored.logit_scale, dtype=np.float64))
        columns["scores"] = fixed_lists(scored.scores)
    return pa.table(columns)
