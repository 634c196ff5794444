"""Implements ``DenseEncoder`` for CLIP's image tower in the transformers library. Its models offer it.

SigLIP's towers have none: they pool by attention, so a single patch token has no feature in the space of the texts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.clip import modeling_clip

from vlmbench.models.base import DenseEncoder
from vlmbench.models.towers.patch_readouts import Grid, Heads, PatchEncoder, stretched
from vlmbench.rgb import as_rgb

VISION_CLASSES = ("CLIPVisionModel", "CLIPVisionTransformer")
"""The class of a CLIPModel's image tower: the first since version 5 of the library, the second before."""


def dense_encoder(model: str, network: Any, processor: Any) -> DenseEncoder | None:
    """Make the ``DenseEncoder`` of the network's image tower; None if any part of it is not CLIP's."""
    if type(network) is not modeling_clip.CLIPModel:
        return None
    vision = network.vision_model
    layers = list(vision.encoder.layers)
    understood = (
        type(vision) in [getattr(modeling_clip, name, None) for name in VISION_CLASSES]
        and type(vision.embeddings) is modeling_clip.CLIPVisionEmbeddings
        and type(vision.encoder) is modeling_clip.CLIPEncoder
        and layers
        and all(type(layer) is modeling_clip.CLIPEncoderLayer for layer in layers)
        and all(type(layer.self_attn) is modeling_clip.CLIPAttention for layer in layers)
        and type(processor).__name__.startswith("CLIPImageProcessor")
    )
    if not understood:
        return None
    return PatchEncoder(model, ClipTower(vision, network.visual_projection), _colours(processor))


class ClipTower:
    """CLIP's vision transformer as a ``Tower``.

    Args:
        vision: a tower that :func:`dense_encoder` understands, in evaluation mode.
    """

    def __init__(self, vision: Any, projection: Any) -> None:
        self.patch_size = int(vision.embeddings.patch_size)
        self._vision = vision
        self._layers = list(vision.encoder.layers)
        self._projection = projection

    def before_last(self, pixels: Tensor, grid: Grid, overshoot: float) -> Tensor:
        embeddings = self._vision.embeddings
        x = embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
        trained = (embeddings.image_size // embeddings.patch_size,) * 2
        positions = stretched(embeddings.position_embedding.weight, trained, grid, overshoot).to(x.dtype)
        first = (embeddings.class_embedding.to(x.dtype) + positions[0]).expand(len(x), 1, -1)
        x = self._vision.pre_layrnorm(torch.cat([first, x + positions[1:]], dim=1))
        # The arguments and results of the library's own layers change between versions.
        for layer in self._layers[:-1]:
            heads = _heads(layer, x, grid)
            mixed = F.scaled_dot_product_attention(heads.queries, heads.keys, heads.values)
            x = x + _attention_branch(layer, mixed)
            x = x + _mlp_branch(layer, x)
        return cast(Tensor, x)

    def heads(self, tokens: Tensor, grid: Grid) -> Heads:
        return _heads(self._layers[-1], tokens, grid)

    def attention_branch(self, mixed: Tensor) -> Tensor:
        return _attention_branch(self._layers[-1], mixed)

    def mlp_branch(self, tokens: Tensor) -> Tensor:
        return _mlp_branch(self._layers[-1], tokens)

    def project(self, tokens: Tensor) -> Tensor:
        return cast(Tensor, self._projection(self._vision.post_layernorm(tokens)))


def _heads(layer: Any, tokens: Tensor, grid: Grid) -> Heads:
    attention, x = layer.self_attn, layer.layer_norm1(tokens)
    shape = (*tokens.shape[:2], attention.num_heads, -1)
    queries, keys, values = (
        projection(x).reshape(shape).transpose(1, 2)
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    return Heads(queries, keys, values, grid)


def _attention_branch(layer: Any, mixed: Tensor) -> Tensor:
    return cast(Tensor, layer.self_attn.out_proj(mixed.transpose(1, 2).flatten(2)))


def _mlp_branch(layer: Any, tokens: Tensor) -> Tensor:
    return cast(Tensor, layer.mlp(layer.layer_norm2(tokens)))


def _colours(processor: Any) -> Callable[[PIL.Image.Image], Tensor]:

    def normalise(image: PIL.Image.Image) -> Tensor:
        batch = processor(images=as_rgb(image), return_tensors="pt", do_resize=False, do_center_crop=False)
        return cast(Tensor, batch["pixel_values"][0])

    return normalise
