"""The stream of images against a classifier: what is kept of each sample, nothing of size images × classes unasked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Scored:
    """Every sample's answer, N samples of C classes in the dataset's order, K = min(5, C).

    Attributes:
        indices: (N,) which samples of the dataset.
        contents: every sample's content hash.
        labels: (N,) true classes; None for multi-label data.
        targets: (N, C) which classes are present; None for single-label data.
        top: (N, K) best classes, best first.
        top_scores: (N, K) their logits: of zero-shot, cosine similarities.
        confidence: (N,) softmax probability of the best class at the classifier's own scale: of zero-shot, the model's.
        scores: (N, C) logits; None unless a metric needs them all.
    """

    indices: npt.NDArray[np.int64]
    contents: Contents
    labels: npt.NDArray[np.int64] | None
    targets: npt.NDArray[np.bool_] | None
    top: npt.NDArray[np.int32]
    top_scores: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32] | None
    num_classes: int
    logit_scale: float


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

    What is kept lies in a few arrays that are made beforehand: small tensors of every batch, between the large ones
    that come and go, would leave holes in the memory that cost many times what they hold.

    Args:
        batches: image features, (B, D) each.
        classifier: image features to logits, (B, C).
        multi_label: targets are tuples.
        keep_scores: keep (N, C) scores.

    Raises:
        DataError: not one sample could be read.
    """
    kept = min(TOP, num_classes)
    hashes = ContentKeeper(most)
    top, top_scores = np.empty((most, kept), dtype=np.int32), np.empty((most, kept), dtype=np.float32)
    confidence = np.empty(most, dtype=np.float32)
    scores = np.empty((most, num_classes), dtype=np.float32) if keep_scores else None
    for batch in batches:
        logits = _checked(classifier.logits(batch.features), len(batch.indices), num_classes)
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
    labels, targets = _truth(dataset, contents.indices, num_classes, multi_label)
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
    )


def _checked(logits: Tensor, images: int, num_classes: int) -> Tensor:
    """A classifier's logits on the CPU.

    Raises:
        ModelError: they are of another shape.
        NonFiniteFeaturesError: one is NaN or infinite.
    """
    if tuple(logits.shape) != (images, num_classes):
        raise ModelError(f"the classifier returned logits of shape {tuple(logits.shape)}, not {(images, num_classes)}")
    if not bool(torch.isfinite(logits).all()):
        raise NonFiniteFeaturesError("the classifier returned logits that are NaN or infinite")
    return logits.detach().float().cpu()


def _truth(
    dataset: ImageDataset, chosen: npt.NDArray[np.int64], num_classes: int, multi_label: bool
) -> tuple[npt.NDArray[np.int64] | None, npt.NDArray[np.bool_] | None]:
    samples = [dataset.samples[index].target for index in chosen]
    if not multi_label:
        return np.asarray(samples, dtype=np.int64), None
    targets = np.zeros((len(samples), num_classes), dtype=bool)
    for row, present in enumerate(samples):
        targets[row, list(present if isinstance(present, tuple) else (present,))] = True
    return None, targets


def prediction_table(scored: Scored, dataset: ImageDataset, *, own_scale: bool = False) -> pa.Table:
    """One row a sample: what was true, what was answered, how surely.

    Columns: sample (id), content (hex content hash), label or labels, top and top_scores (K best classes and
    their logits), confidence, and scores (C) where a metric needs them all.
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
    columns["top_scores"] = fixed_lists(scored.top_scores)
    columns["confidence"] = pa.array(scored.confidence, pa.float32())
    if scored.scores is not None:
        if own_scale:
            columns["scale"] = pa.array(np.full(len(scored.top), scored.logit_scale, dtype=np.float64))
        columns["scores"] = fixed_lists(scored.scores)
    return pa.table(columns)
