"""Implements ``Detector`` for OmDet-Turbo. The adapter uses it for its family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import PIL.Image
import torch
from torch import Tensor
from torchvision.ops import batched_nms

from vlmbench.models.base import Detections
from vlmbench.models.towers.token_reader import TextTokens, library_counts
from vlmbench.models.transformers.family import Parts
from vlmbench.models.transformers.grounded.ranking import best_pairs
from vlmbench.models.transformers.grounded.told import tell_of_template
from vlmbench.models.transformers.label_features import TEXTS_AT_ONCE, chunks, full_precision
from vlmbench.models.transformers.owl import pixel_boxes
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import TASK_CUT
from vlmbench.rgb import as_rgb
from vlmbench.wording import counted

MAX_LENGTH = 77
"""The number of tokens of a label and of the task (OmDetTurboProcessor)."""
NMS_IOU = 0.5
"""The default of the library's post_process_grounded_object_detection and of the authors' DetEngine."""


@dataclass(frozen=True)
class _Asked:
    """C labels, their (C, 1, D) features, (L, 1, D) features and (1, L) mask of the task, and whether it was cut."""

    names: tuple[str, ...]
    labels: Tensor
    task: Tensor
    mask: Tensor
    cut: bool


class OmDetDetector:
    """The ``Detector`` of OmDet-Turbo.

    Each label is encoded by itself, and all labels are compared with all boxes at once, so long lists need no chunks.
    The decoder also reads a task: "Detect cat, dog.". Its text is cut at 77 tokens, as in the library and in the
    authors' clip.tokenize(truncate=True), so of a long list it names only the first labels; a remark tells this.

    The best pairs of a box and a label, as many as the network has queries or ``top_k``, pass non-maximum suppression
    by label (``nms_iou``), as in the library's ``post_process_grounded_object_detection`` without a threshold.
    """

    def __init__(self, parts: Parts) -> None:
        options = parts.card.options
        self._network = parts.network
        self._processor = parts.processor
        self._tokenizer = parts.tokenizer
        self._device = parts.device
        self._count: int = options.get("top_k", parts.network.config.num_queries)
        self._nms_iou = float(options.get("nms_iou", NMS_IOU))
        self._asked: _Asked | None = None

    @torch.inference_mode()
    def detect(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        if not images:
            return []
        if not labels:
            nothing = torch.zeros(0, device=self._device)
            return [Detections(nothing.reshape(0, 4), nothing, nothing.long()) for _ in images]
        asked = self._read(labels)
        tell_of_template(labels)
        if asked.cut:
            say(
                TASK_CUT,
                f"the text of the task names {counted(len(labels), 'label')} and has more than {MAX_LENGTH} tokens, so "
                "the model reads only its beginning; each label is still read by itself",
                brief="task text cut",
            )
        network, count = self._network, len(images)
        pixels = torch.cat([self._processor(images=as_rgb(one), return_tensors="pt")["pixel_values"] for one in images])
        states = network.encoder(network.vision_backbone(pixels.to(self._device))).extracted_states
        with full_precision(self._device):
            seen = network.decoder(
                [state.float() for state in states],
                asked.labels.expand(-1, count, -1),
                asked.task.expand(-1, count, -1),
                asked.mask.expand(count, -1),
            )
            pairs = best_pairs(seen.decoder_classes[-1].sigmoid(), seen.decoder_coords[-1], 0, self._count)
            return [
                self._kept(pixel_boxes(boxes, image.size, padded=False), scores, found, image.size)
                for image, boxes, scores, found in zip(images, pairs.boxes, pairs.scores, pairs.labels, strict=True)
            ]

    def _kept(self, boxes: Tensor, scores: Tensor, labels: Tensor, size: tuple[int, int]) -> Detections:
        """What non-maximum suppression leaves, cut at the image's border."""
        stays = batched_nms(boxes, scores, labels, self._nms_iou)
        within = torch.minimum(boxes[stays].clamp(min=0), boxes.new_tensor([*size, *size]))
        return Detections(within, scores[stays], labels[stays])

    def _read(self, labels: Sequence[str]) -> _Asked:
        """Encode labels and task. A task asks for the same labels again and again.

        The library's own caches hold 100 texts and keep features of any precision, so they are not used.
        """
        asked, names = self._asked, tuple(labels)
        if asked is None or asked.names != names:
            language = self._network.language_backbone
            task = task_text(labels)
            (tokens,) = library_counts(self._tokenizer, [task])
            with full_precision(self._device):
                parts = []
                for part in chunks(len(labels), TEXTS_AT_ONCE):
                    ids = tokenized(self._tokenizer, labels[part])["input_ids"]
                    parts.append(language(ids.to(self._device), encode_type="class"))
                read = tokenized(self._tokenizer, [task])
                mask = read["attention_mask"].to(self._device)
                features, mask = language(read["input_ids"].to(self._device), mask=mask, encode_type="task")
            asked = _Asked(names, torch.cat(parts)[:, None], features, mask, tokens > MAX_LENGTH)
            self._asked = asked  # another thread may ask for other labels meanwhile
        return asked


def task_text(labels: Sequence[str]) -> str:
    """The task that the library's processor makes of labels."""
    return f"Detect {', '.join(labels)}."


def tokenized(tokenizer: Any, texts: Sequence[str]) -> Any:
    """Tokenise N texts as the library's processor does: (N, 77) ids and mask."""
    return tokenizer(
        list(texts),
        padding="max_length",
        truncation=True,
        max_length=MAX_LENGTH,
        return_token_type_ids=False,
        return_tensors="pt",
    )


def label_reader(parts: Parts) -> TextTokens:
    """What the model reads of each label."""
    tokenizer = parts.tokenizer

    def ids(texts: Sequence[str]) -> Tensor:
        read: Tensor = tokenized(tokenizer, texts)["input_ids"] if texts else torch.zeros(0, 1, dtype=torch.long)
        return read

    return TextTokens(MAX_LENGTH, ids, lambda texts: library_counts(tokenizer, texts))
