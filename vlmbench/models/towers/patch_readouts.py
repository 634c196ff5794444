"""Reads patch features out of CLIP's vision transformers by the published readouts, for the tower of any library.

Adapters make a :class:`PatchEncoder` with it. CLIP's image feature comes from the class token, and its training does
not ask patch tokens to describe their own place. Each readout changes only the last block. The class token stays among
the queries and keys, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.errors import ModelError, UnknownNameError
from vlmbench.registry import did_you_mean

Grid = tuple[int, int]
"""The number of patches vertically and horizontally."""

OVERSHOOT = 0.1
"""SCLIP, ClearCLIP and NACLIP add it to the sides of a new grid (``interpolate_pos_encoding``, taken from DINO)."""

GAUSSIAN_STD = 5.0
"""The standard deviation of NACLIP's ω, in patches (sinahmr/NACLIP, naclip.py)."""


@dataclass(frozen=True)
class Heads:
    """The queries, keys and values of the last block's attention. The class token is first.

    Attributes:
        queries, keys, values: (B, heads, 1 + h*w, d), as they enter the attention's products.
        grid: h and w.
        bias: (1, heads, 1 + h*w, 1 + h*w), what the tower adds to the products of queries and keys because of their
            places; None if it adds nothing. Readouts that multiply other vectors add it too.
    """

    queries: Tensor
    keys: Tensor
    values: Tensor
    grid: Grid
    bias: Tensor | None = None


class Tower(Protocol):
    """A vision transformer, split into the parts that the readouts combine."""

    patch_size: int

    def before_last(self, pixels: Tensor, grid: Grid, overshoot: float) -> Tensor:
        """Map (B, 3, H, W) to the last block's input, (B, 1 + h*w, width). Positions are :func:`stretched`."""

    def heads(self, tokens: Tensor, grid: Grid) -> Heads:
        """Compute the queries, keys and values of the last block from its input."""

    def attention_branch(self, mixed: Tensor) -> Tensor:
        """Map (B, heads, 1 + h*w, d) mixed values to (B, 1 + h*w, width), which the block adds to its input."""

    def mlp_branch(self, tokens: Tensor) -> Tensor:
        """Map (B, 1 + h*w, width) tokens to the values that the block's feed-forward part adds to them."""

    def project(self, tokens: Tensor) -> Tensor:
        """Apply the final norm and projection: (B, N, width) to (B, N, D)."""


def plain_mix(heads: Heads) -> Tensor:
    """Attention as the tower itself computes it: softmax(q kᵀ / √d) v."""
    return F.scaled_dot_product_attention(heads.queries, heads.keys, heads.values, attn_mask=heads.bias)


def value_mix(heads: Heads) -> Tensor:
    """No attention: each token keeps its own value (MaskCLIP, section 3.2)."""
    return heads.values


def correlative_mix(heads: Heads) -> Tensor:
    """(softmax(q qᵀ / √d) + softmax(k kᵀ / √d)) v, a sum and not a mean (SCLIP, clip/model.py, ``custom_attn``)."""
    q, k, v, bias = heads.queries, heads.keys, heads.values, heads.bias
    by_queries = F.scaled_dot_product_attention(q, q, v, attn_mask=bias)
    return by_queries + F.scaled_dot_product_attention(k, k, v, attn_mask=bias)


def query_mix(heads: Heads) -> Tensor:
    """softmax(q qᵀ / √d) v (ClearCLIP, open_clip/transformer.py, ``custom_attn``)."""
    return F.scaled_dot_product_attention(heads.queries, heads.queries, heads.values, attn_mask=heads.bias)


def neighbour_mix(heads: Heads) -> Tensor:
    """softmax(k kᵀ / √d + ω) v; ω prefers nearby places (NACLIP, clip/model.py, ``custom_attn``)."""
    bias = neighbourhood(heads.grid, heads.keys.device).to(heads.keys.dtype)
    if heads.bias is not None:
        bias = bias + heads.bias
    return F.scaled_dot_product_attention(heads.keys, heads.keys, heads.values, attn_mask=bias)


def neighbourhood(grid: Grid, device: torch.device | str = "cpu") -> Tensor:
    """NACLIP's ω: exp(-distance² / 2σ²) for two patches, with the distance in patches; 0 for the class token.

    Returns:
        (1 + h*w, 1 + h*w) float32.
    """
    sides = [torch.arange(side, device=device, dtype=torch.float32) for side in grid]
    # The exponential of a sum is a product: of the vertical part and the horizontal part.
    down, across = (torch.exp(-((side[:, None] - side) ** 2) / (2 * GAUSSIAN_STD**2)) for side in sides)
    return F.pad(torch.kron(down, across), (1, 0, 1, 0))


@dataclass(frozen=True)
class Readout:
    """One way to read patch features out of the last block.

    Attributes:
        mix: computes the mixed values, (B, heads, 1 + h*w, d).
        reduced: only the attention's output goes to the final norm, without residual and feed-forward part.
        overshoot: added to the grid's sides when positional embeddings are interpolated, see :func:`stretched`.
    """

    mix: Callable[[Heads], Tensor]
    reduced: bool
    overshoot: float = 0.0


READOUTS: Mapping[str, Readout] = {
    # The first is the default. ClearCLIP reads only the attention and has no parameter. NACLIP has one, its spread: the
    # same number of patches for every grid.
    "clearclip": Readout(query_mix, reduced=True, overshoot=OVERSHOOT),  # Lan et al. 2024, arXiv 2407.12442
    "naclip": Readout(neighbour_mix, reduced=True, overshoot=OVERSHOOT),  # Hajimiri et al. 2024, arXiv 2404.08181
    "sclip": Readout(correlative_mix, reduced=False, overshoot=OVERSHOOT),  # Wang et al. 2023, arXiv 2312.01597
    # The authors' ViT keeps residual and feed-forward part: return_qkv in mmseg/models/backbones/vit.py of
    # chongzhou96/MaskCLIP. Later papers often call a version without them "MaskCLIP"; this is not that version.
    "maskclip": Readout(value_mix, reduced=False),  # Zhou et al. 2022, arXiv 2112.01071
    "plain": Readout(plain_mix, reduced=False),
}


class PatchEncoder:
    """The ``DenseEncoder`` of a vision transformer.

    Args:
        normalise: maps an image in any mode to (3, H, W) with the model's colours, without resizing.
    """

    readouts = tuple(READOUTS)

    def __init__(self, model: str, tower: Tower, normalise: Callable[[PIL.Image.Image], Tensor]) -> None:
        self.patch_size = tower.patch_size
        self._model = model
        self._tower = tower
        self.normalise = normalise

    def encode_patches(self, pixels: Tensor, readout: str) -> Tensor:
        chosen = READOUTS[known_readout(self._model, readout, self.readouts)]
        grid = patch_grid(self._model, pixels, self.patch_size)
        tokens = self._tower.before_last(pixels, grid, chosen.overshoot)
        attended = self._tower.attention_branch(chosen.mix(self._tower.heads(tokens, grid)))
        if not chosen.reduced:
            attended = tokens + attended
            attended = attended + self._tower.mlp_branch(attended)
        return as_map(self._tower.project(attended[:, 1:]), grid)


def known_readout(model: str, name: str, readouts: tuple[str, ...]) -> str:
    """Check the name of a readout, and return it.

    Raises:
        UnknownNameError: the model has no readout of this name.
    """
    if name not in readouts:
        raise UnknownNameError(
            f"model {model!r} has no readout {name!r}",
            hint=did_you_mean(name, readouts),
        )
    return name


def patch_grid(model: str, pixels: Tensor, patch_size: int) -> Grid:
    """The grid of patches of (B, 3, H, W).

    Raises:
        ModelError: a side is not a multiple of the patch size, or is 0.
    """
    height, width = pixels.shape[-2:]
    if height % patch_size or width % patch_size or not height or not width:
        raise ModelError(
            f"model {model!r}: an image of {height} by {width} pixels cannot be divided into patches of {patch_size}",
            hint=f"Resize, crop or pad it so that both sides are multiples of {patch_size}.",
        )
    return height // patch_size, width // patch_size


def as_map(features: Tensor, grid: Grid) -> Tensor:
    """Map (B, h*w, D) to (B, D, h, w), unit length at each place."""
    return F.normalize(features, dim=-1).transpose(1, 2).reshape(len(features), -1, *grid)


def stretched(positions: Tensor, trained: Grid, grid: Grid, overshoot: float) -> Tensor:
    """Interpolate positional embeddings to another grid, bicubically. The class token's embedding does not change.

    Corners are not aligned. The scale is the ratio of the grids' sides (MaskCLIP, ``resize_pos_embed``). The overshoot
    is added to the new sides first, which moves the embeddings a little to the upper left.

    Args:
        positions: (1 + h*w, width) for the trained grid, row by row.
        overshoot: from 0 to below 1, in patches.

    Returns:
        (1 + the new h*w, width); ``positions`` itself if the grids are equal.
    """
    if grid == trained:
        return positions
    return torch.cat([positions[:1], stretched_patches(positions[1:], trained, grid, overshoot)])


def stretched_patches(positions: Tensor, trained: Grid, grid: Grid, overshoot: float) -> Tensor:
    """Interpolate the positional embeddings of patches to another grid, as :func:`stretched` does.

    Args:
        positions: (h*w, width) for the trained grid, row by row, without the class token.

    Returns:
        (the new h*w, width); ``positions`` itself if the grids are equal.
    """
    if grid == trained:
        return positions
    patches = positions.float().transpose(0, 1).reshape(1, -1, *trained)
    scale = [(new + overshoot) / old for new, old in zip(grid, trained, strict=True)]
    target = {"scale_factor": scale} if overshoot else {"size": grid}
    patches = F.interpolate(patches, mode="bicubic", align_corners=False, **target)
    return patches[0].flatten(1).transpose(0, 1).to(positions.dtype)
