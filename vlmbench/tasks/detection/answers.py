"""Makes the detections of an image: from the features of its regions, or from the output of the model's own detector.

The detection plugin uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vlmbench.errors import ModelError
from vlmbench.models.base import Detections
from vlmbench.run_lengths import RunLengths, check
from vlmbench.tasks.detection.protocol import DetectionProtocol
from vlmbench.tasks.detection.regions import Regions
from vlmbench.wording import counted

TOP = 5


@dataclass(frozen=True)
class Answer:
    """The answer to one image: D detections, the highest score first.

    If the model classified the data's own R boxes, the answer also has their true classes and how the model ranked
    them. Otherwise the last three attributes are None.

    Attributes:
        xywh: (D, 4) float32 left, top, width, height, in pixels; float64 if they come from a file with more digits.
        scores: (D,) score of each detection, of the same type.
        labels: (D,) int64 class of each detection.
        region_labels: (R,) int64 true class of each box.
        region_ranks: (R,) int64 rank of the true class among all classes, from 1. Classes with the same score as the
            true class rank before it.
        region_top: (R, K) int64 the classes with the highest scores, K = min(5, C).
        masks: the mask of each detection; None if the model was not asked for masks.
    """

    xywh: Tensor
    scores: Tensor
    labels: Tensor
    region_labels: Tensor | None = None
    region_ranks: Tensor | None = None
    region_top: Tensor | None = None
    masks: tuple[RunLengths, ...] | None = None


@torch.inference_mode()
def answer_regions(
    regions: Regions, features: Tensor, head: Tensor, classes: int, logit_scale: float, protocol: DetectionProtocol
) -> Answer:
    """Classify the regions of one image.

    As in RegionCLIP, each region gives one detection for every class. Detections with a score below the threshold are
    dropped. Then non-maximum suppression drops overlapping boxes class by class, if the protocol asks for it. Of the
    rest, the detections with the highest scores are the answer.

    Args:
        regions: R boxes.
        features: (R, D) features of the boxes, unit length.
        head: (C + B, D) features of the texts, unit length: C classes, then B background words.
        classes: C.
        logit_scale: the model's logit scale, after the exponential.
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


def answer_native(
    found: Detections, classes: int, protocol: DetectionProtocol, size: tuple[int, int] | None = None
) -> Answer:
    """The detections of the model's own detector that reach the score threshold, the highest scores first.

    Args:
        size: width and height of the image, if the model was asked for masks.

    Raises:
        ModelError: a score or box is not finite, a label is not a class, the numbers of boxes, scores, labels and masks
            differ, or a mask has another size than the image.
    """
    boxes, scores, labels = found.boxes.float().cpu(), found.scores.float().cpu(), found.labels.long().cpu()
    if boxes.shape != (len(scores), 4) or labels.shape != scores.shape:
        raise ModelError(
            f"the detector returned boxes of shape {tuple(boxes.shape)}, {counted(len(scores), 'score')} and "
            f"{counted(len(labels), 'label')}: each box needs four numbers, one score and one label"
        )
    if not bool(torch.isfinite(boxes).all() and torch.isfinite(scores).all()):
        raise ModelError("the detector returned a box or a score that is NaN or infinite")
    if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= classes):
        raise ModelError(
            f"the detector returned labels from {int(labels.min())} to {int(labels.max())}, but the labels of the "
            f"{counted(classes, 'class', 'classes')} are 0 to {classes - 1}"
        )
    masks = None if size is None else _checked_masks(found.masks, len(scores), size)
    return answer_ranked(_xywh(boxes), scores, labels, protocol, masks)


def answer_ranked(
    xywh: Tensor,
    scores: Tensor,
    labels: Tensor,
    protocol: DetectionProtocol,
    masks: Sequence[RunLengths] | None = None,
) -> Answer:
    """The detections that reach the score threshold, the highest scores first, and not more than the protocol allows.

    Args:
        xywh: (N, 4) left, top, width, height.
        scores: (N,) finite. Detections with equal scores keep their order.
        labels: (N,) int64.
        masks: the mask of each detection; None if masks do not matter.
    """
    order = scores.sort(descending=True, stable=True).indices
    order = order[scores[order] >= protocol.score_threshold][: protocol.max_detections]
    chosen = None if masks is None else tuple(masks[place] for place in order.tolist())
    return Answer(xywh[order], scores[order], labels[order], masks=chosen)


def _checked_masks(masks: Sequence[RunLengths] | None, count: int, size: tuple[int, int]) -> Sequence[RunLengths]:
    if masks is None or len(masks) != count:
        raise ModelError(f"the model returned {counted(count, 'box', 'boxes')} and {len(masks or ())} masks")
    for mask in masks:
        if (mask.width, mask.height) != size:
            of = f"a mask of {mask.width} x {mask.height} pixels for an image of {size[0]} x {size[1]}"
            raise ModelError(f"the model returned {of}")
    try:
        check(masks)
    except ValueError as error:
        raise ModelError(f"the model returned a mask that cannot be used: {error}") from error
    return masks


def _xywh(corners: Tensor) -> Tensor:
    return torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], dim=1)
