"""Chooses the ``DenseEncoder`` of a transformers network by the exact classes of its parts. Its models offer it.

CLIP's image tower, and the copies of it that MetaCLIP 2, AltCLIP and Chinese-CLIP have, are split here. SigLIP's is in
:mod:`.siglip_patches`. A part of an unknown class may do anything in its forward pass, so a tower with such a part has
no patch features here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.base import DenseEncoder
from vlmbench.models.towers.patch_readouts import Grid, Heads, PatchEncoder, stretched
from vlmbench.models.towers.pooled_patches import VALUE_PATH, PooledPatchEncoder
from vlmbench.models.transformers.siglip_patches import siglip_tower
from vlmbench.rgb import as_rgb


@dataclass(frozen=True)
class Copy:
    """The classes of a copy of CLIP's image tower, by name, in one module of the library.

    Attributes:
        vision: the tower's class. Before version 5 of the library, the name ended in "Transformer".
        encoder, layer, attention: the classes of its stack of layers, of a layer and of a layer's attention.
        processors: how the names of its image processors begin.
    """

    module: str
    vision: tuple[str, ...]
    embeddings: str
    encoder: str
    layer: str
    attention: str
    processors: tuple[str, ...] = ("CLIPImageProcessor",)


def _copy(folder: str, name: str, *, inner: str = "", layer: str = "EncoderLayer", processors: str = "") -> Copy:
    return Copy(
        module=f"transformers.models.{folder}.modeling_{folder}",
        vision=(f"{name}VisionModel", f"{name}VisionTransformer"),
        embeddings=f"{name}VisionEmbeddings",
        encoder=f"{name}{inner}Encoder",
        layer=f"{name}{inner}{layer}",
        attention=f"{name}{inner}Attention",
        processors=("CLIPImageProcessor", *([processors] if processors else [])),
    )


COPIES: Mapping[str, Copy] = {
    # The key is the network's class.
    "CLIPModel": _copy("clip", "CLIP"),
    "MetaClip2Model": _copy("metaclip_2", "MetaClip2"),
    "AltCLIPModel": _copy("altclip", "AltCLIP"),
    "ChineseCLIPModel": _copy(
        "chinese_clip", "ChineseCLIP", inner="Vision", layer="Layer", processors="ChineseCLIPImageProcessor"
    ),
}
"""The networks whose image tower computes what CLIP's does, from the same inputs with parts of the same names."""


def dense_encoder(model: str, network: Any, processor: Any) -> DenseEncoder | None:
    """Make the ``DenseEncoder`` of the network's image tower; None if a part of it or the processor is unknown."""
    copy = COPIES.get(type(network).__name__)
    if copy is not None and _is_clip(network, copy) and type(processor).__name__.startswith(copy.processors):
        return PatchEncoder(model, ClipTower(network.vision_model, network.visual_projection), _colours(processor))
    if type(processor).__name__.startswith("SiglipImageProcessor") and (tower := siglip_tower(network)) is not None:
        return PooledPatchEncoder(model, tower, _colours(processor), VALUE_PATH)
    return None


def _is_clip(network: Any, copy: Copy) -> bool:
    def known(part: Any, *names: str) -> bool:
        return type(part).__module__ == copy.module and type(part).__name__ in names

    if not known(network, type(network).__name__):
        return False
    vision = network.vision_model
    if not known(vision, *copy.vision) or not known(vision.encoder, copy.encoder):
        return False
    layers = list(vision.encoder.layers)
    return (
        known(vision.embeddings, copy.embeddings)
        and len(layers) > 0
        and all(known(layer, copy.layer) and known(layer.self_attn, copy.attention) for layer in layers)
    )


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
