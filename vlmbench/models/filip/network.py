"""Defines FILIP's network: CLIP's two towers, read at every patch and token, and two linear maps into one space.

The adapter builds it. Source: Sense-GVT/DeCLIP prototype/model/filip.py, ``encode_image_dense`` and
``encode_text_dense``, and the towers that they call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU, TextTransformer, VisionTransformer
from torch import Tensor, nn

HEAD_WIDTH = 64
"""The width of an attention head in both towers."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of a network.

    Attributes:
        image_size: the side of an image in pixels.
        embed_dim: the length of the global features, which the similarity does not use.
        dense_dim: the length of a patch's or token's vector.
    """

    image_size: int
    patch_size: int
    image_width: int
    image_layers: int
    text_width: int
    text_layers: int
    context_length: int
    vocabulary: int
    embed_dim: int
    dense_dim: int

    @property
    def patches(self) -> int:
        """The number of patches of an image."""
        return (self.image_size // self.patch_size) ** 2


class FilipNetwork(nn.Module):
    """The towers with QuickGELU, and the maps ``image_mapping`` and ``text_mapping``."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.visual = VisionTransformer(
            image_size=sizes.image_size,
            patch_size=sizes.patch_size,
            width=sizes.image_width,
            layers=sizes.image_layers,
            heads=sizes.image_width // HEAD_WIDTH,
            mlp_ratio=4.0,
            output_dim=sizes.embed_dim,
            act_layer=QuickGELU,
            norm_layer=partial(nn.LayerNorm, eps=1e-5),
        )
        self.text = TextTransformer(
            context_length=sizes.context_length,
            vocab_size=sizes.vocabulary,
            width=sizes.text_width,
            heads=sizes.text_width // HEAD_WIDTH,
            layers=sizes.text_layers,
            output_dim=sizes.embed_dim,
            proj_bias=True,
            act_layer=QuickGELU,
            norm_layer=partial(nn.LayerNorm, eps=1e-5),
        )
        self.image_mapping = nn.Linear(sizes.image_width, sizes.dense_dim)
        self.text_mapping = nn.Linear(sizes.text_width, sizes.dense_dim)
        self.logit_scale_dense = nn.Parameter(torch.zeros([]))

    def encode_patches(self, pixels: Tensor) -> Tensor:
        """Encode (B, 3, H, W) to (B, K, D), unit length: each patch after the last block, before the last norm."""
        visual = cast(Any, self.visual)
        patches = visual.conv1(pixels).flatten(2).transpose(1, 2)
        first = visual.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
        seen = visual.ln_pre(torch.cat([first, patches], dim=1) + visual.positional_embedding.to(patches.dtype))
        return F.normalize(self.image_mapping(visual.transformer(seen)[:, 1:]), dim=-1)

    def encode_tokens(self, ids: Tensor) -> Tensor:
        """Encode (N, L) ids to (N, L, D), unit length: each place after the last norm, the padding's places too."""
        text = cast(Any, self.text)
        read = text.transformer(text.token_embedding(ids) + text.positional_embedding, attn_mask=text.attn_mask)
        return F.normalize(self.text_mapping(text.ln_final(read)), dim=-1)


def built(sizes: Sizes, state: Mapping[str, Tensor]) -> FilipNetwork:
    """Make a network with these weights, in float32 and evaluation mode.

    Raises:
        RuntimeError: a weight is missing, has another shape, or has no place.
    """
    with torch.random.fork_rng(devices=[]):  # its random weights are replaced at once
        network = FilipNetwork(sizes)
    network.load_state_dict({name: value.float() for name, value in state.items()}, strict=True)
    return network.eval().requires_grad_(False)
