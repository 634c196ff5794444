"""Checks the capabilities of models that answer about whole pictures: Detector, InstanceSegmenter and Segmenter.

:func:`vlmbench.testing.check_model` calls them.
"""

from __future__ import annotations

import PIL.Image
import torch
from torch import Tensor

from vlmbench.models.base import Detections, Detector, InstanceSegmenter, Model, Segmenter
from vlmbench.run_lengths import areas, check
from vlmbench.testing.checks import inputs
from vlmbench.testing.checks.features import apart
from vlmbench.testing.conformance import Inspection
from vlmbench.wording import counted

LABELS = ("a cat", "red", "a photo of a big dog")
_BESIDE = 0.5
"""How far a box may reach out of its image, as a share of the image's side. Regression is not exact."""
_TINY = 2.0
"""If all boxes end before this pixel, they are probably fractions of the image (0 to 1), not pixels."""


def check_detector(inspection: Inspection, model: Model, detector: Detector, *, rounding: float) -> None:
    """Check the boxes that a detector finds."""
    pictures, found = inputs.images(4), list[Detections]()
    with inspection.promise(
        "Detector: detect gives each image boxes (N, 4), scores (N,) and labels (N,) int64, indices of the texts",
        fix="Return one Detections for each image, in the order of the images.",
    ):
        found = list(_detect(detector, pictures))
        inspection.require(len(found) == len(pictures), f"{len(pictures)} images give {counted(len(found), 'answer')}")
        for each in found:
            count = len(each.scores)
            inspection.require(
                tuple(each.boxes.shape) == (count, 4) and tuple(each.labels.shape) == (count,),
                f"{counted(count, 'score')}, boxes {tuple(each.boxes.shape)}, labels {tuple(each.labels.shape)}",
            )
            inspection.require(each.labels.dtype == torch.int64, f"labels are {each.labels.dtype}")
            known = bool(((each.labels >= 0) & (each.labels < len(LABELS))).all())
            inspection.require(known, f"labels are not all from 0 to {len(LABELS) - 1}")
            finite = bool(torch.isfinite(each.scores).all() and torch.isfinite(each.boxes).all())
            inspection.require(finite, "some scores or boxes are NaN or infinite")
    if not found:
        return
    with inspection.promise(
        "Detector: boxes are left, top, right, bottom in the image's own pixels",
        fix="Multiply fractions by the image's sides, undo resizing and padding, turn centres into corners.",
    ):
        for each, picture in zip(found, pictures, strict=True):
            if not len(each.boxes):
                continue
            left, top, right, bottom = each.boxes.float().cpu().unbind(dim=1)
            inspection.require(bool((left <= right).all() and (top <= bottom).all()), "a box ends before it begins")
            inspection.require(
                float(right.max()) > _TINY and float(bottom.max()) > _TINY,
                f"in an image of {picture.width} x {picture.height} pixels, all boxes end before pixel {_TINY:g}",
            )
            for low, high, side in ((left, right, picture.width), (top, bottom, picture.height)):
                inspection.require(
                    float(low.min()) >= -_BESIDE * side and float(high.max()) <= (1 + _BESIDE) * side,
                    f"boxes reach from pixel {float(low.min()):.4g} to {float(high.max()):.4g}, but the side is {side}",
                )
    with inspection.promise(
        "Detector: boxes are not filtered by score",
        fix="Set the threshold of the post-processing to 0: average precision needs the whole ranking.",
    ):
        inspection.require(any(len(each.scores) for each in found), "images of noise give no box")
    with inspection.promise(
        "Detector: an image has the same boxes alone, in a batch, and in a second call",
        fix="Resize each image by its own size, mask padding, and switch dropout off.",
    ):
        again, alone = _detect(detector, pictures), [_detect(detector, [picture])[0] for picture in pictures]
        for others in (again, alone):
            for first, other in zip(found, others, strict=True):
                difference = apart(_sorted(first), _sorted(other))
                # Boxes are in pixels, so their rounding is larger than that of features.
                inspection.require(difference <= 100 * rounding, f"scores or boxes differ by up to {difference:.3g}")


def check_instances(inspection: Inspection, model: Model, segmenter: InstanceSegmenter, *, rounding: float) -> None:
    """Check the masks of the objects that a model finds."""
    pictures, found = inputs.images(4), list[Detections]()
    with inspection.promise(
        "InstanceSegmenter: segment_instances gives each image one mask for each box, of the image's own size",
        fix="Resize each mask to the image's height and width, and compress it with vlmbench.run_lengths.compressed.",
    ):
        with torch.inference_mode():
            found = list(segmenter.segment_instances(pictures, list(LABELS)))
        inspection.require(len(found) == len(pictures), f"{len(pictures)} images give {counted(len(found), 'answer')}")
        for each, picture in zip(found, pictures, strict=True):
            masks = [] if each.masks is None else list(each.masks)
            count = len(each.scores)
            inspection.require(
                len(masks) == count and tuple(each.boxes.shape) == (count, 4) and tuple(each.labels.shape) == (count,),
                f"{counted(count, 'score')}, {counted(len(masks), 'mask')}, boxes {tuple(each.boxes.shape)}, labels "
                f"{tuple(each.labels.shape)}",
            )
            sizes = {(mask.width, mask.height) for mask in masks}
            inspection.require(sizes <= {picture.size}, f"masks of {sizes} for an image of {picture.size}")
            check(masks)
    if not found:
        return
    with inspection.promise(
        "InstanceSegmenter: an image has the same scores and masks alone, and in a batch",
        fix="Resize each image by its own size, mask padding, and switch dropout off.",
    ):
        for picture, together in zip(pictures, found, strict=True):
            with torch.inference_mode():
                (alone,) = segmenter.segment_instances([picture], list(LABELS))
            difference = apart(_sorted(together), _sorted(alone))
            inspection.require(difference <= 100 * rounding, f"scores or boxes differ by up to {difference:.3g}")
            # A pixel may lie on the threshold of a mask.
            sizes_of = [torch.tensor(sorted(areas(each.masks or ()).tolist())) for each in (together, alone)]
            moved = float((sizes_of[0] - sizes_of[1]).abs().max()) if len(sizes_of[0]) else 0.0
            inspection.require(moved <= 1 + 0.01 * picture.width * picture.height, f"masks differ by {moved:g} pixels")


def _detect(detector: Detector, pictures: list[PIL.Image.Image]) -> list[Detections]:
    with torch.inference_mode():
        return list(detector.detect(pictures, list(LABELS)))


def _sorted(found: Detections) -> Tensor:
    """Scores and boxes (N, 5), sorted from the highest score."""
    rows = torch.cat([found.scores[:, None].float().cpu(), found.boxes.float().cpu()], dim=1)
    return rows[torch.argsort(rows[:, 0], descending=True, stable=True)]


def check_segmenter(inspection: Inspection, model: Model, segmenter: Segmenter, *, rounding: float) -> None:
    """Check the scores that a segmenter gives each pixel."""
    pictures, found = inputs.images(4), list[Tensor]()
    with inspection.promise(
        "Segmenter: segment gives each image finite scores (C, H, W) of the image's own height and width",
        fix="Resize the scores to the image's height and width, and keep one layer for each text.",
    ):
        with torch.inference_mode():
            found = list(segmenter.segment(pictures, list(LABELS)))
        inspection.require(len(found) == len(pictures), f"{len(pictures)} images give {counted(len(found), 'answer')}")
        for each, picture in zip(found, pictures, strict=True):
            wanted = (len(LABELS), picture.height, picture.width)
            inspection.require(tuple(each.shape) == wanted, f"the shape is {tuple(each.shape)}, not {wanted}")
            inspection.require(bool(torch.isfinite(each).all()), "some scores are NaN or infinite")
    if not found:
        return
    with (
        torch.inference_mode(),
        inspection.promise(
            "Segmenter: an image has the same scores alone, in a batch, and in a second call",
            fix="Resize each image by its own size, mask padding, and switch dropout off.",
        ),
    ):
        again = segmenter.segment(pictures, list(LABELS))
        alone = [segmenter.segment([picture], list(LABELS))[0] for picture in pictures]
        for others in (again, alone):
            for first, other in zip(found, others, strict=True):
                difference = apart(first, other)
                inspection.require(difference <= rounding, f"scores differ by up to {difference:.3g}")
