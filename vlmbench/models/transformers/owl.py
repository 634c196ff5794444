"""Implements ``Detector`` for OWL-ViT and OWLv2, which find boxes for texts. The adapter uses it for their families."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.base import Detections
from vlmbench.models.transformers.label_features import LabelFeatures, chunks, full_precision
from vlmbench.models.transformers.model import TransformersModel

LABELS_AT_ONCE = 128
"""The number of texts compared with all patches at once. All 1,203 of LVIS with 3,600 patches need 17 MB an image."""

Chosen = tuple[Tensor, Tensor, Tensor]
"""(B, N) logits, and the patch and the label of each."""


class OwlDetector:
    """The ``Detector`` of the OWL families: each patch of the image has a box, and a logit for each text.

    Each box gets its best text, and its score is the logit's sigmoid, as in the library's
    ``post_process_grounded_object_detection`` without a threshold. With the option ``top_k`` the N best of all pairs of
    a box and a text are returned instead. The authors evaluate so (scenic, projects/owl_vit/evaluator.py, get_top_k:
    N = 300).
    """

    def __init__(self, model: TransformersModel) -> None:
        self._model = model
        self._features = LabelFeatures(model)
        self._top_k: int | None = model.card.options.get("top_k")
        # OWLv2 pads the image at the right and below to a square, then shrinks it. OWL-ViT only resizes it to a square.
        self._padded = bool(getattr(model.processor, "do_pad", False))

    @torch.inference_mode()
    def detect(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        if not images:
            return []
        device, network = self._model.device, self._model.network
        if not labels:
            nothing = torch.zeros(0, device=device)
            return [Detections(nothing.reshape(0, 4), nothing, nothing.long()) for _ in images]
        queries = F.normalize(self._features(labels), dim=-1)
        pixels = torch.stack([self._model.preprocess_whole(image) for image in images]).to(device)
        feature_map: Tensor = network.image_embedder(pixel_values=pixels)[0]  # (B, h, w, D)
        with full_precision(device):
            feature_map = feature_map.float()
            patches = feature_map.flatten(1, 2)
            boxes: Tensor = network.box_predictor(patches, feature_map)
            logits = self._logits(patches, queries)
            chosen = best_labels(logits) if self._top_k is None else best_pairs(logits, self._top_k)
        return [
            Detections(pixel_boxes(of_all[patch], image.size, padded=self._padded), logit.sigmoid(), label)
            for image, of_all, logit, patch, label in zip(images, boxes, *chosen, strict=True)
        ]

    def _logits(self, patches: Tensor, queries: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Compare (B, P, D) patches with (C, D) texts. Yields each chunk's first label and (B, P, c) logits."""
        for part in chunks(len(queries), LABELS_AT_ONCE):
            asked = queries[part].expand(len(patches), -1, -1)
            yield part.start, self._model.network.class_predictor(patches, asked)[0]


def best_labels(parts: Iterator[tuple[int, Tensor]]) -> Chosen:
    """Find the best label of each patch. Of equal labels it is the first."""
    start, logits = next(parts)
    best, labels = logits.max(dim=-1)
    for start, logits in parts:
        values, indices = logits.max(dim=-1)
        labels = torch.where(values > best, indices + start, labels)
        best = torch.maximum(best, values)
    return best, torch.arange(best.shape[1], device=best.device).expand_as(best), labels


def best_pairs(parts: Iterator[tuple[int, Tensor]], count: int) -> Chosen:
    """Find the ``count`` best pairs of a patch and a label, best first. If there are fewer pairs, all are returned."""
    best, patches, labels = _pairs(*next(parts), count)
    for start, logits in parts:
        more = _pairs(start, logits, count)
        best, order = torch.cat([best, more[0]], dim=1).topk(min(count, best.shape[1] + more[0].shape[1]), dim=1)
        patches = torch.cat([patches, more[1]], dim=1).gather(1, order)
        labels = torch.cat([labels, more[2]], dim=1).gather(1, order)
    return best, patches, labels


def _pairs(start: int, logits: Tensor, count: int) -> Chosen:
    """Find the best pairs of one chunk of (B, P, c) logits, whose first label is ``start``."""
    best, order = logits.flatten(1).topk(min(count, logits[0].numel()), dim=1)
    return best, order // logits.shape[2], order % logits.shape[2] + start


def pixel_boxes(boxes: Tensor, size: tuple[int, int], *, padded: bool) -> Tensor:
    """Convert (N, 4) boxes from fractions of the network's square to corners in the image's pixels.

    The input is centre, width and height. The library ignored OWLv2's padding here until its pull request 30686 (2024).

    Args:
        size: the image's width and height.
        padded: whether the image was padded to a square, and so lies at its left and top; if not, it was resized.
    """
    width, height = (max(size), max(size)) if padded else size
    centre, extent = boxes[:, :2], boxes[:, 2:]
    corners = torch.cat([centre - 0.5 * extent, centre + 0.5 * extent], dim=1)
    return corners * corners.new_tensor([width, height, width, height])
