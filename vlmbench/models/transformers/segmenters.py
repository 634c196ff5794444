"""Implements ``Segmenter`` for CLIPSeg and GroupViT: a score for every pixel and text.

The adapter uses it for their families.
"""

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
"""The number of masks made at once. CLIPSeg decodes every pair of an image and a text separately."""


Logits = Callable[[int, slice], Tensor]
"""Maps an image's number and a slice of the labels to (c, h, w) logits."""


class HeadSegmenter:
    """The ``Segmenter`` of a model with a segmentation head.

    The logits of a chunk of labels are resized bilinearly to each image's size. Neither the library nor the authors
    define a post-processing for all pixels.

    Args:
        model: the model with the head.
        head: maps the model, (B, 3, H, W) pixels and (C, D) features of the labels to the logits of each image.
    """

    def __init__(self, model: TransformersModel, head: Callable[[TransformersModel, Tensor, Tensor], Logits]) -> None:
        self._model = model
        self._head = head
        self._features = LabelFeatures(model)

    @torch.inference_mode()
    def segment(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Tensor]:
        device = self._model.device
        every = [torch.empty(len(labels), image.height, image.width, device=device) for image in images]
        if not images or not labels:
            return every
        pixels = torch.stack([self._model.preprocess_whole(image) for image in images]).to(device)
        logits = self._head(self._model, pixels, self._features(labels))
        for row, scores in enumerate(every):
            for part in chunks(len(labels), LABELS_AT_ONCE):
                some = logits(row, part).float()[None]
                scores[part] = F.interpolate(some, size=scores.shape[1:], mode="bilinear", align_corners=False)[0]
        return every


def clipseg_logits(model: TransformersModel, pixels: Tensor, conditions: Tensor) -> Logits:
    """Compute the logits of CLIPSeg's decoder for each text.

    The library runs the image tower once for each text (``CLIPSegForImageSegmentation.forward``). Here it runs once for
    each image, and all texts share its hidden states.
    """
    network = model.network
    seen = network.clip.vision_model(
        pixel_values=pixels, output_hidden_states=True, interpolate_pos_encoding=True
    ).hidden_states
    read = [seen[layer + 1] for layer in network.extract_layers]  # index 0 holds the embeddings

    def logits(row: int, part: slice) -> Tensor:
        conditioned = conditions[part]
        activations = [layer[row : row + 1].expand(len(conditioned), -1, -1) for layer in read]
        return cast(Tensor, network.decoder(activations, conditioned).logits)

    return logits


def groupvit_logits(model: TransformersModel, pixels: Tensor, features: Tensor) -> Logits:
    """Compute each pixel's logits: the similarity of its groups to each text.

    They equal ``GroupViTModel``'s ``segmentation_logits``, but the image tower runs once for all texts. The authors'
    own evaluation differs: it uses windows of 448 pixels, only the five likeliest classes of an image, and a threshold
    for the background.
    """
    from transformers.models.groupvit.modeling_groupvit import get_grouping_from_attentions

    network, texts = model.network, F.normalize(features, dim=-1)
    seen = network.vision_model(pixel_values=pixels, output_attentions=True)
    with full_precision(model.device):
        states = seen.last_hidden_state.float()  # (B, G, D), for G groups
        projected = network.visual_projection(states.flatten(0, 1)).reshape(*states.shape[:2], -1)
        groups = F.normalize(projected, dim=-1)
        belonging = get_grouping_from_attentions([stage.float() for stage in seen.attentions], pixels.shape[2:])
        scale = network.logit_scale.exp()

    def logits(row: int, part: slice) -> Tensor:
        with full_precision(model.device):
            similarity = texts[part] @ groups[row].T * scale
            drawn: Tensor = torch.einsum("cg,ghw->chw", similarity, belonging[row]) * scale
            return drawn  # scaled twice, as in the library

    return logits
