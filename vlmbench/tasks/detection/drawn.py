"""Draws the detections of an image and its annotated objects, with their masks if there are any.

The detection plugin uses it for ``--save-visuals``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from vlmbench.data.base import Box
from vlmbench.run_lengths import RunLengths
from vlmbench.tasks.detection.answers import Answer
from vlmbench.visuals.boxes import MOST_PREDICTIONS, BoxSet, draw_boxes


def draw_answer(
    image: PIL.Image.Image,
    answer: Answer,
    objects: Sequence[Box],
    masks: Sequence[RunLengths] | None,
    class_names: Sequence[str],
    title: str,
) -> bytes:
    """Draw an answer and the truth as PNG.

    Args:
        objects: the annotated objects.
        masks: the mask of each object; None if the model was not asked for masks.
        class_names: C names.
        title: the heading.
    """
    true = np.array([box.xywh for box in objects], dtype=np.float64).reshape(-1, 4)
    labels = np.array([box.label for box in objects], dtype=np.int64)
    # An answer is sorted by score, so the masks of the drawn detections are the first ones.
    found = None if answer.masks is None else [mask.pixels() for mask in answer.masks[:MOST_PREDICTIONS]]
    return draw_boxes(
        image,
        _box_set(answer.xywh.numpy(), answer.labels.numpy(), answer.scores.numpy(), found),
        _box_set(true, labels, masks=None if masks is None else [mask.pixels() for mask in masks]),
        class_names,
        title=title,
    )


def _box_set(
    xywh: NDArray[Any],
    labels: NDArray[Any],
    scores: NDArray[Any] | None = None,
    masks: Sequence[NDArray[np.bool_]] | None = None,
) -> BoxSet:
    left_top, size = xywh[:, :2], xywh[:, 2:]
    return BoxSet(np.concatenate([left_top, left_top + size], axis=1), labels, scores, masks)
