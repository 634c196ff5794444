"""From region features to an image's detections, and from a detector's output to the same."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vlmbench.errors import ModelError
from vlmbench.models.base import Detections
from vlmbench.tasks.detection.protocol import DetectionProtocol
from vlmbench.tasks.detection.regions import Regions

TOP = 5


@dataclass(frozen=True)
class Answer:
    """One image's answer: D detections, best first, and how its R true regions were named.

    Attributes:
        xywh: (D, 4) float32 left, top, width, height.
        scores: (D,) float32.
        labels: (D,) int64.
        region_labels: (R,) int64 true classes; None where regions are not the data's.
        region_ranks: (R,) int64 the true class' place among the classes, from 1; equal scores count against the model.
        region_top: (R, K) int64 the best classes, K = min(5, C).
    """

    xywh: Tensor
    scores: Tensor
    labels: Tensor
    region_labels: Tensor | None = None
    region_ranks: Tensor | None = None
    region_top: Tensor | None = None


@torch.inference_mode()
def answer_regions(
    regions: Regions, features: Tensor, head: Tensor, classes: int, logit_scale: float, protocol: DetectionProtocol
) -> Answer:
    """Name each region.

    Every region is a detection of every class, as in RegionCLIP: scores above the threshold, suppressed class by class,
    the best of the image.

    Args:
        regions: R boxes.
        features: (R, D), unit length.
        head: (C + B, D), unit length: classes, then background.
        logit_scale: the model's, exp'd.
    """
    cosine = features @ head.T
    scores = (logit_scale * cosine).softmax(dim=1)[:, :classes]
    region, label = torch.ones_like(scores, dtype=torch.bool).nonzero(as_tuple=True)
    ranks = top = None
    if regions.truth is not None:
        own = cosine[:, :classes].gather(1, regions.truth[:, None])
        ranks = (cosine[:, :classes] >= own).sum(dim=1)
        top = cosine[:, :classes].topk(min(TOP, classes), dim=1).indices
    if protocol.score != "softmax" and regions.objectness is not None:
        scores = scores * regions.objectness[:, None].clamp(min=0)
        scores = scores.sqrt() if protocol.score.startswith("sqrt") else scores
    flat = scores.flatten()
    kept = (flat >= protocol.score_threshold).nonzero()[:, 0]
    region, label, flat = region[kept], label[kept], flat[kept]
    if protocol.nms_iou is not None:
        from torchvision.ops import batched_nms

        stays = batched_nms(regions.boxes[region], flat, label, protocol.nms_iou)
        region, label, flat = region[stays], label[stays], flat[stays]
    order = flat.sort(descending=True, stable=True).indices[: protocol.max_detections]
    return Answer(_xywh(regions.boxes[region[order]]), flat[order], label[order], regions.truth, ranks, top)


def answer_native(found: Detections, classes: int, protocol: DetectionProtocol) -> Answer:
    """The best of what a detector found.

    Raises:
        ModelError: scores or boxes that are not finite, a label that is no class, or lengths that differ.
    """
    boxes, scores, labels = found.boxes.float().cpu(), found.scores.float().cpu(), found.labels.long().cpu()
    if boxes.shape != (len(scores), 4) or labels.shape != scores.shape:
        raise ModelError(
            f"the detector returned {tuple(boxes.shape)} boxes, {len(scores)} scores, {len(labels)} labels"
        )
    if not bool(torch.isfinite(boxes).all() and torch.isfinite(scores).all()):
        raise ModelError("the detector returned a box or a score that is NaN or infinite")
    if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= classes):
        raise ModelError(f"the detector returned label {int(labels.max())} of {classes} classes")
    order = scores.sort(descending=True, stable=True).indices
    order = order[scores[order] >= protocol.score_threshold][: protocol.max_detections]
    return Answer(_xywh(boxes[order]), scores[order], labels[order])


def _xywh(corners: Tensor) -> Tensor:
    return torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], dim=1)
