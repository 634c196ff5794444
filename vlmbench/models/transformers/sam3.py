"""Implements boxes, instance masks and semantic segmentation for SAM 3, which finds what one noun phrase names.

Its family makes the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.base import Detections
from vlmbench.models.towers.token_reader import TextTokens, library_counts
from vlmbench.models.transformers.family import Family, Parts
from vlmbench.models.transformers.heads import HeadModel
from vlmbench.models.transformers.label_features import TEXTS_AT_ONCE, chunks, full_precision
from vlmbench.rgb import as_rgb
from vlmbench.run_lengths import RunLengths, compressed

CONTEXT_LENGTH = 32
"""The tokens of a phrase that ``Sam3Processor`` pads to. The tower of a lighter text encoder may have more places."""
TOP = 300
"""The objects of an image that are kept over all labels, as LVIS counts them. The authors' evaluation, too, asks for
each label and keeps the best over all of them (facebookresearch/sam3, sam3/eval/postprocessors.py)."""
LABELS_AT_ONCE = 8
"""The number of labels asked at once. Each has feature maps of 288 x 288 places, in all about 0.3 GB."""
PIXELS_AT_ONCE = 2**24
"""The pixels of the masks that are resized at once."""
MASK_THRESHOLD = 0.5


@dataclass(frozen=True)
class _Best:
    """The best N pairs of a query and a label, best first.

    Attributes:
        scores: (N,).
        boxes: (N, 4) left, top, right, bottom as shares of the image's sides.
        labels: (N,) int64.
        masks: (N, h, w) logits; None if they are not wanted.
    """

    scores: Tensor
    boxes: Tensor
    labels: Tensor
    masks: Tensor | None

    def with_more(self, other: _Best, count: int) -> _Best:
        """The best ``count`` of both. Of equal scores, the first label's comes first."""
        order = torch.cat([self.scores, other.scores]).argsort(descending=True, stable=True)[:count]

        def chosen(name: str) -> Tensor:
            return torch.cat([getattr(self, name), getattr(other, name)])[order]

        masks = None if self.masks is None or other.masks is None else chosen("masks")
        return _Best(chosen("scores"), chosen("boxes"), chosen("labels"), masks)

    def first(self, count: int) -> _Best:
        order = self.scores.argsort(descending=True, stable=True)[:count]
        masks = None if self.masks is None else self.masks[order]
        return _Best(self.scores[order], self.boxes[order], self.labels[order], masks)


class Sam3:
    """The ``Detector``, ``InstanceSegmenter`` and ``Segmenter`` of SAM 3.

    The network answers for one phrase: 200 queries with a logit, a box and a mask each, the logit of the phrase's
    presence, and a map of all pixels that the phrase names. A label is asked as it is, without a template of its own.
    The image's features are computed once for all labels, and the features of the labels once for all images. Scores,
    boxes and masks are those of the library's ``post_process_instance_segmentation`` without a threshold on the score.
    """

    def __init__(self, parts: Parts) -> None:
        self._network = parts.network
        self._processor = parts.processor
        self._tokenizer = parts.tokenizer
        self._device = parts.device
        self._top: int = parts.card.options.get("top_k", TOP)
        self._context = context_length(parts.network)
        self._labels: tuple[str, ...] = ()
        self._texts: tuple[Tensor, Tensor] | None = None

    def detect(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        """See :class:`~vlmbench.models.base.Detector`."""
        return self._found(images, labels, masks=False)

    def segment_instances(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        """See :class:`~vlmbench.models.base.InstanceSegmenter`."""
        return self._found(images, labels, masks=True)

    @torch.inference_mode()
    def segment(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Tensor]:
        """See :class:`~vlmbench.models.base.Segmenter`. A score is the probability that the label names the pixel."""
        made = []
        for image, seen in zip(images, self._seen(images), strict=True):
            size = (image.height, image.width)
            scores = torch.empty(len(labels), *size, device=self._device)
            for part, output in self._answers(seen, labels):
                likely = output.semantic_seg.float().sigmoid()
                scores[part] = F.interpolate(likely, size=size, mode="bilinear", align_corners=False)[:, 0]
            made.append(scores)
        return made

    def token_ids(self, texts: Sequence[str]) -> Tensor:
        """Map N strings to (N, L) ids; N may be 0."""
        return self._tokens(texts)[0] if texts else torch.zeros(0, self._context, dtype=torch.long)

    def reader(self) -> TextTokens:
        """The :class:`~vlmbench.models.base.TokenReader` of the phrases."""
        return TextTokens(self._context, self.token_ids, lambda texts: library_counts(self._tokenizer, texts))

    @torch.inference_mode()
    def _found(self, images: Sequence[PIL.Image.Image], labels: Sequence[str], *, masks: bool) -> list[Detections]:
        made = []
        for image, seen in zip(images, self._seen(images), strict=True):
            best: _Best | None = None
            for part, output in self._answers(seen, labels):
                some = _scored(output, part.start, masks=masks).first(self._top)
                best = some if best is None else best.with_more(some, self._top)
            made.append(_detections(best, image.size) if best is not None else self._nothing(masks=masks))
        return made

    def _nothing(self, *, masks: bool) -> Detections:
        none = torch.zeros(0, device=self._device)
        return Detections(none.reshape(0, 4), none, none.long(), () if masks else None)

    def _seen(self, images: Sequence[PIL.Image.Image]) -> Iterator[Any]:
        """The features of each image, in a batch of one."""
        if not images:
            return
        pixels = torch.cat([self._pixels(image) for image in images]).to(self._device)
        features = self._network.get_vision_features(pixel_values=pixels)
        for row in range(len(images)):
            yield type(features)(
                fpn_hidden_states=tuple(level[row : row + 1].float() for level in features.fpn_hidden_states),
                fpn_position_encoding=tuple(level[row : row + 1].float() for level in features.fpn_position_encoding),
            )

    def _pixels(self, image: PIL.Image.Image) -> Tensor:
        return cast(Tensor, self._processor(images=as_rgb(image), return_tensors="pt")["pixel_values"])

    def _answers(self, seen: Any, labels: Sequence[str]) -> Iterator[tuple[slice, Any]]:
        """The network's output for each chunk of labels of one image."""
        if not labels:
            return
        embedded, attended = self._embedded(labels)
        for part in chunks(len(labels), LABELS_AT_ONCE):
            count = part.stop - part.start
            with full_precision(self._device):
                yield (
                    part,
                    self._network(
                        vision_embeds=type(seen)(
                            fpn_hidden_states=_repeated(seen.fpn_hidden_states, count),
                            fpn_position_encoding=_repeated(seen.fpn_position_encoding, count),
                        ),
                        text_embeds=_as_output(embedded[part]),
                        attention_mask=attended[part],
                    ),
                )

    def _embedded(self, labels: Sequence[str]) -> tuple[Tensor, Tensor]:
        """(C, L, D) features of the labels' tokens, and (C, L) which of them are not padding.

        A task has the same labels for all its images, so those of the last list are kept.
        """
        if self._texts is None or self._labels != tuple(labels):
            features, attended = [], []
            for part in chunks(len(labels), TEXTS_AT_ONCE):
                ids, mask = (tensor.to(self._device) for tensor in self._tokens(labels[part]))
                with full_precision(self._device):
                    output = self._network.get_text_features(input_ids=ids, attention_mask=mask)
                features.append(cast(Tensor, output.pooler_output))
                attended.append(mask)
            self._labels, self._texts = tuple(labels), (torch.cat(features), torch.cat(attended))
        return self._texts

    def _tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        batch = self._tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=self._context,
            return_attention_mask=True,
            return_tensors="pt",
        )
        return batch["input_ids"], batch["attention_mask"]


def sam3_model(family: Family, parts: Parts) -> HeadModel:
    """Make the model of a SAM 3 checkpoint."""
    own = Sam3(parts)  # one object for all capabilities, so that they share the labels' features
    able = {name: lambda _: own for name in ("Detector", "InstanceSegmenter", "Segmenter")}
    return HeadModel(
        parts,
        {**able, "TokenReader": lambda _: own.reader()},
        texts=f"padded to {context_length(parts.network)} tokens, one label a text",
    )


def context_length(network: Any) -> int:
    """The number of tokens of a phrase that the network reads."""
    return min(CONTEXT_LENGTH, int(network.config.text_config.max_position_embeddings))


def _as_output(features: Tensor) -> Any:
    """Features in the form in which the network takes them: the library's output of its text tower."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    return BaseModelOutputWithPooling(pooler_output=features)


def _repeated(levels: Sequence[Tensor], count: int) -> tuple[Tensor, ...]:
    return tuple(level.expand(count, *level.shape[1:]) for level in levels)


def _scored(output: Any, start: int, *, masks: bool) -> _Best:
    """All pairs of one chunk of labels, whose first is ``start``."""
    scores = output.pred_logits.float().sigmoid() * output.presence_logits.float().sigmoid()  # (c, Q) times (c, 1)
    labels = torch.arange(start, start + len(scores), device=scores.device)[:, None].expand_as(scores)
    return _Best(
        scores.flatten(),
        output.pred_boxes.float().flatten(0, 1),
        labels.flatten(),
        output.pred_masks.float().flatten(0, 1) if masks else None,
    )


def _detections(best: _Best, size: tuple[int, int]) -> Detections:
    boxes = best.boxes * best.boxes.new_tensor([*size, *size])
    masks = None if best.masks is None else _resized(best.masks, size)
    return Detections(boxes, best.scores, best.labels, masks)


def _resized(logits: Tensor, size: tuple[int, int]) -> list[RunLengths]:
    """(N, h, w) logits to N masks of an image of this width and height."""
    width, height = size
    made: list[RunLengths] = []
    for part in chunks(len(logits), max(1, PIXELS_AT_ONCE // (width * height))):
        likely = logits[part].sigmoid()[None]
        full = F.interpolate(likely, size=(height, width), mode="bilinear", align_corners=False)[0]
        made += compressed((full > MASK_THRESHOLD).cpu().numpy())
    return made
