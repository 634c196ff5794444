"""Scores for every pixel and text from CLIPSeg and GroupViT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.transformers.label_features import LabelFeatures, chunks, full_precision
from vlmbench.models.transformers.model import TransformersModel

LABELS_AT_ONCE = 32
"""So many masks are made at a time. CLIPSeg decodes every pair of an image and a text on its own."""


class ClipSegSegmenter:
    """The ``Segmenter`` of CLIPSeg: logits of its decoder, which the texts condition, drawn to the image's size.

    The library runs the image tower once for each text (``CLIPSegForImageSegmentation.forward``); here it runs once
    an image, and what the decoder reads of it serves every text. The library has no post-processing: the logits are
    resized bilinearly.
    """

    def __init__(self, model: TransformersModel) -> None:
        self._model = model
        self._features = LabelFeatures(model)

    @torch.inference_mode()
    def segment(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Tensor]:
        if not images or not labels:
            return _no_scores(images, self._model.device)
        network, conditions = self._model.network, self._features(labels)
        seen = network.clip.vision_model(
            pixel_values=_batch(self._model, images), output_hidden_states=True, interpolate_pos_encoding=True
        ).hidden_states
        read = [seen[layer + 1] for layer in network.extract_layers]  # the first is of the embeddings

        def logits(row: int, part: slice) -> Tensor:
            conditioned = conditions[part]
            activations = [layer[row : row + 1].expand(len(conditioned), -1, -1) for layer in read]
            return cast(Tensor, network.decoder(activations, conditioned).logits)

        return _drawn(images, len(labels), logits, self._model.device)


class GroupVitSegmenter:
    """The ``Segmenter`` of GroupViT: each pixel has its groups' similarity to the text.

    These are ``GroupViTModel``'s ``segmentation_logits``, with the image tower run once for all texts, resized
    bilinearly. The authors' own evaluation differs: windows of 448 pixels, the five likeliest classes of the image
    only, and a threshold for the background.
    """

    def __init__(self, model: TransformersModel) -> None:
        self._model = model
        self._features = LabelFeatures(model)

    @torch.inference_mode()
    def segment(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Tensor]:
        if not images or not labels:
            return _no_scores(images, self._model.device)
        from transformers.models.groupvit.modeling_groupvit import get_grouping_from_attentions

        network, texts = self._model.network, F.normalize(self._features(labels), dim=-1)
        pixels = _batch(self._model, images)
        seen = network.vision_model(pixel_values=pixels, output_attentions=True)
        with full_precision(self._model.device):
            states = seen.last_hidden_state.float()  # (B, G, D), of G groups
            projected = network.visual_projection(states.flatten(0, 1)).reshape(*states.shape[:2], -1)
            groups = F.normalize(projected, dim=-1)
            belonging = get_grouping_from_attentions([stage.float() for stage in seen.attentions], pixels.shape[2:])
            scale = network.logit_scale.exp()

            def logits(row: int, part: slice) -> Tensor:
                similarity = texts[part] @ groups[row].T * scale
                drawn: Tensor = torch.einsum("cg,ghw->chw", similarity, belonging[row]) * scale
                return drawn  # scaled twice, as the library's

            return _drawn(images, len(labels), logits, self._model.device)


def _batch(model: TransformersModel, images: Sequence[PIL.Image.Image]) -> Tensor:
    return torch.stack([model.preprocess_whole(image) for image in images]).to(model.device)


def _drawn(
    images: Sequence[PIL.Image.Image], labels: int, logits: Callable[[int, slice], Tensor], device: torch.device
) -> list[Tensor]:
    """Each image's (C, H, W) scores.

    Args:
        logits: the (c, h, w) logits of an image, by its number, for some of the labels.
    """
    every = []
    for row, image in enumerate(images):
        scores = torch.empty(labels, image.height, image.width, device=device)
        for part in chunks(labels, LABELS_AT_ONCE):
            resized = F.interpolate(
                logits(row, part).float()[None],
                size=(image.height, image.width),
                mode="bilinear",
                align_corners=False,
            )
            scores[part] = resized[0]
        every.append(scores)
    return every


def _no_scores(images: Sequence[PIL.Image.Image], device: torch.device) -> list[Tensor]:
    return [torch.zeros(0, image.height, image.width, device=device) for image in images]
