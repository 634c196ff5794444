"""Implements ``Detector`` for Grounding DINO and MM-Grounding DINO. The adapter uses it for their families."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import PIL.Image
import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from vlmbench.errors import ModelError
from vlmbench.models.base import Detections
from vlmbench.models.transformers.family import Parts
from vlmbench.models.transformers.grounded.label_spans import Caption, LabelTokens
from vlmbench.models.transformers.grounded.ranking import Pairs, best_pairs, merged
from vlmbench.models.transformers.grounded.told import tell_of_split, tell_of_template
from vlmbench.models.transformers.label_features import full_precision
from vlmbench.models.transformers.owl import pixel_boxes
from vlmbench.rgb import as_rgb

TOP = 300
"""The number of pairs of a box and a label, as the authors evaluate: num_select of IDEA-Research/GroundingDINO,
demo/test_ap_on_coco.py; max_per_img of open-mmlab/mmdetection, configs/mm_grounding_dino."""


def label_tokens(parts: Parts) -> LabelTokens:
    """The labels' tokens as a checkpoint of these families reads them."""
    network = parts.network
    return LabelTokens(
        parts.tokenizer,
        max_length=int(network.config.max_text_len),
        delimiters=network.model.special_tokens.tolist(),
        spec=parts.spec,
    )


@dataclass(frozen=True)
class _Asked:
    """A caption, with what the network needs of it for every image: (1, L, D) features, (1, L) ids, (L, c) weights."""

    caption: Caption
    ids: Tensor
    features: Tensor
    weights: Tensor


class GroundingDinoDetector:
    """The ``Detector`` of the Grounding DINO families.

    The labels are written into captions, in their order, as many in each as fit. A label's score for a box is the mean
    of the sigmoids of its tokens, as in the authors' evaluations (IDEA-Research/GroundingDINO, demo/test_ap_on_coco.py;
    open-mmlab/mmdetection, convert_grounding_to_cls_scores). The best pairs over all captions are returned. In the
    network, a caption changes the image's features, so the score of a label depends on the labels beside it.

    The image backbone runs once for all captions, and the text backbone once for all images. Images of different sizes
    are not padded to one batch: padding changes the answers, because the backbone and the group norms see it. Parts of
    the network are replaced during a call, so calls of several threads wait for each other.

    Args:
        clip: whether boxes end at the image's border, as in mmdetection.
        most: the largest number of labels in one caption; None: as many as fit.
    """

    def __init__(self, parts: Parts, *, clip: bool = False, most: int | None = None) -> None:
        self._network = parts.network
        self._processor = parts.processor
        self._device = parts.device
        self._tokens = label_tokens(parts)
        self._clip = clip
        self._most = most
        self._count: int = parts.card.options.get("top_k", TOP)
        self._lock = Lock()
        self._labels: tuple[str, ...] = ()
        self._split: list[str] = []
        self._asked: list[_Asked] = []

    @torch.inference_mode()
    def detect(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        if not labels:
            nothing = torch.zeros(0, device=self._device)
            return [Detections(nothing.reshape(0, 4), nothing, nothing.long()) for _ in images]
        with self._lock:
            self._read(labels)
            tell_of_split(self._split)
            tell_of_template(labels)
            return self._found(images)

    def _found(self, images: Sequence[PIL.Image.Image]) -> list[Detections]:
        """The answers to the labels that were read."""
        seen = [self._processor(images=as_rgb(image), return_tensors="pt") for image in images]
        alike: dict[torch.Size, list[int]] = {}
        for row, pixels in enumerate(seen):
            alike.setdefault(pixels["pixel_values"].shape, []).append(row)
        found: dict[int, Detections] = {}
        for rows in alike.values():
            batch = {name: torch.cat([seen[row][name] for row in rows]).to(self._device) for name in seen[rows[0]]}
            pairs = self._pairs(batch["pixel_values"], batch.get("pixel_mask"), [images[row].size for row in rows])
            for place, row in enumerate(rows):
                found[row] = self._detections(pairs, place, images[row].size)
        return [found[row] for row in range(len(images))]

    def _read(self, labels: Sequence[str]) -> None:
        """Write captions, and encode their texts. A task asks for the same labels again and again."""
        if self._labels == tuple(labels):
            return
        model = self._network.model
        masks = sys.modules[type(model).__module__].generate_masks_with_special_tokens_and_transfer_map
        asked = []
        with full_precision(self._device):
            for caption in self._tokens.captions(labels, self._most):
                ids = caption.ids[None].to(self._device)
                sees, positions = masks(ids, model.special_tokens)
                read = model.text_backbone(ids, sees[:, None], torch.zeros_like(ids), positions)
                asked.append(_Asked(caption, ids, read.last_hidden_state, caption.weights().to(self._device)))
        self._labels, self._asked, self._split = tuple(labels), asked, self._tokens.split(labels)

    def _pairs(self, pixels: Tensor, mask: Tensor | None, sizes: Sequence[tuple[int, int]]) -> Pairs:
        """The best pairs of B images of one size, with boxes as fractions of the image."""
        model = self._network.model
        mask = torch.ones_like(pixels[:, 0], dtype=torch.long) if mask is None else mask
        maps = [(seen.float(), inside) for seen, inside in model.backbone.conv_encoder(pixels, mask)]
        self._refuse_narrow(maps, sizes[0])
        best: Pairs | None = None
        with full_precision(self._device):
            places = [model.backbone.position_embedding(*level) for level in maps]
            for asked in self._asked:
                texts = BaseModelOutput(last_hidden_state=asked.features.expand(len(pixels), -1, -1))
                # The library's forward adds to these lists, so each call gets its own.
                with _answers(model.backbone, (list(maps), list(places))), _answers(model.text_backbone, texts):
                    seen = self._network(
                        pixel_values=pixels, pixel_mask=mask, input_ids=asked.ids.expand(len(pixels), -1)
                    )
                scores = seen.logits[..., : asked.ids.shape[1]].sigmoid() @ asked.weights
                best = merged(best, best_pairs(scores, seen.pred_boxes, asked.caption.first, self._count), self._count)
        assert best is not None  # there is at least one label, and so one caption
        return best

    def _detections(self, pairs: Pairs, place: int, size: tuple[int, int]) -> Detections:
        boxes = pixel_boxes(pairs.boxes[place], size, padded=False)
        if self._clip:
            boxes = torch.minimum(boxes.clamp(min=0), boxes.new_tensor([*size, *size]))
        return Detections(boxes, pairs.scores[place], pairs.labels[place])

    def _refuse_narrow(self, maps: Sequence[tuple[Tensor, Tensor]], size: tuple[int, int]) -> None:
        """Refuse an image with fewer places than the network has queries: the library would crash."""
        config = self._network.config
        shapes = [tuple(level.shape[-2:]) for level, _ in maps]
        while len(shapes) < config.num_feature_levels:  # further levels: stride 2, kernel 3, padding 1
            shapes.append(((shapes[-1][0] + 1) // 2, (shapes[-1][1] + 1) // 2))
        places = sum(height * width for height, width in shapes)
        if places < config.num_queries:
            raise ModelError(
                f"an image of {size[0]} x {size[1]} pixels has {places} places for the model's {config.num_queries} "
                "queries: it is too narrow",
                hint="Leave the image out, or use a checkpoint with fewer queries.",
            )


@contextmanager
def _answers(module: Any, answer: object) -> Iterator[None]:
    """Let a module give one answer in the block, in place of its computation."""
    module.forward = lambda *_, **__: answer
    try:
        yield
    finally:
        del module.forward
