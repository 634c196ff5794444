"""Splits CLIP's towers of transformers into blocks of plain parts. Packed texts and tunable towers use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from vlmbench.models.towers.residual_blocks import ResidualBlock

MODULES = ("transformers.models.clip.modeling_clip", "transformers.models.metaclip_2.modeling_metaclip_2")
"""The modules whose blocks compute what :func:`_block` does. The second is a copy of the first."""


def text_blocks(towers: Any) -> list[ResidualBlock]:
    """The blocks of a text tower; an empty list if the class of a part of the tower is unknown."""
    text = towers.text_model
    return _blocks([text.embeddings], text.encoder.layers, towers.text_projection)


def image_blocks(towers: Any) -> list[ResidualBlock]:
    """The blocks of an image tower; an empty list if the class of a part of the tower is unknown."""
    if not _is_the_librarys(towers):
        return []
    vision = towers.vision_model
    return _blocks([vision, vision.embeddings], vision.encoder.layers, towers.visual_projection)


def _blocks(parts: Sequence[Any], layers: Sequence[Any], projection: Any) -> list[ResidualBlock]:
    if any(not _is_the_librarys(part) for part in (*parts, *layers)) or type(projection) is not nn.Linear:
        return []
    if any(not _is_the_librarys(layer.self_attn) for layer in layers):
        return []
    return [_block(layer) for layer in layers]


def _is_the_librarys(part: Any) -> bool:
    """Whether the class is the library's own. A hub repository's code may use the same class names."""
    return type(part).__module__ in MODULES


def _block(layer: Any) -> ResidualBlock:
    attention = layer.self_attn
    return ResidualBlock(
        heads=int(attention.num_heads),
        attention_norm=layer.layer_norm1,
        mlp_norm=layer.layer_norm2,
        queries=attention.q_proj,
        keys_values=lambda x: (cast(Tensor, attention.k_proj(x)), cast(Tensor, attention.v_proj(x))),
        out=attention.out_proj,
        mlp=layer.mlp,
    )
