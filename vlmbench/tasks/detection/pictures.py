"""Draws the detections and the objects of one image. The detection plugin uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from vlmbench.data.base import Box
from vlmbench.tasks.detection.answers import Answer
from vlmbench.visuals.boxes import BoxSet, draw_boxes


def draw_answer(
    image: PIL.Image.Image, answer: Answer, truth: Sequence[Box], class_names: Sequence[str], *, title: str
) -> bytes:
    """A PNG file of an image with the detections of an answer and the true objects."""
    found = _box_set(answer.xywh.numpy(), answer.labels.numpy(), answer.scores.numpy())
    xywh = np.array([box.xywh for box in truth], dtype=np.float64).reshape(-1, 4)
    objects = _box_set(xywh, np.array([box.label for box in truth], dtype=np.int64))
    return draw_boxes(image, found, objects, class_names, title=title)


def _box_set(xywh: NDArray[Any], labels: NDArray[Any], scores: NDArray[Any] | None = None) -> BoxSet:
    left_top, size = xywh[:, :2], xywh[:, 2:]
    return BoxSet(np.concatenate([left_top, left_top + size], axis=1), labels, scores)
