"""Patch features of CLIP's vision transformers: the published ways to read them out, for any library's tower.

CLIP's image feature is the class token's; nothing in training asks of a patch token that it tell of its own place. Each
readout changes the last block alone, and leaves the class token among the queries and keys, as its authors do.
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
"""Patches down and across."""

OVERSHOOT = 0.1
"""What SCLIP, ClearCLIP and NACLIP add to the sides of a new grid (``interpolate_pos_encoding``, which is DINO's)."""

GAUSSIAN_STD = 5.0
"""NACLIP's, in patches (sinahmr/NACLIP, naclip.py)."""


@dataclass(frozen=True)
class Heads:
    """What the last block's attention compares and mixes, class token first.

    Attributes:
        queries, keys, values: (B, heads, 1 + h*w, d), as the attention takes their products.
        grid: h and w.
    """

    queries: Tensor
    keys: Tensor
    values: Tensor
    grid: Grid


class Tower(Protocol):
    """A vision transformer in the parts that the readouts put together."""

    patch_size: int

    def before_last(self, pixels: Tensor, grid: Grid, overshoot: float) -> Tensor:
        """(B, 3, H, W) to (B, 1 + h*w, width): the last block's input, with positions :func:`stretched` to the grid."""

    def heads(self, tokens: Tensor, grid: Grid) -> Heads:
        """The last block's queries, keys and values of its input."""

    def attention_branch(self, mixed: Tensor) -> Tensor:
        """(B, heads, 1 + h*w, d) mixed values to (B, 1 + h*w, width): what the block adds to its input."""

    def mlp_branch(self, tokens: Tensor) -> Tensor:
        """(B, 1 + h*w, width): what the block's feed-forward part adds to the tokens."""

    def project(self, tokens: Tensor) -> Tensor:
        """Final norm and projection, (B, N, width) to (B, N, D)."""


def plain_mix(heads: Heads) -> Tensor:
    """The tower's own attention, softmax(q kᵀ / √d) v."""
    return F.scaled_dot_product_attention(heads.queries, heads.keys, heads.values)


def value_mix(heads: Heads) -> Tensor:
    """No attention: each token keeps its own value (MaskCLIP, section 3.2)."""
    return heads.values


def correlative_mix(heads: Heads) -> Tensor:
    """(softmax(q qᵀ / √d) + softmax(k kᵀ / √d)) v, a sum and no mean (SCLIP, clip/model.py, ``custom_attn``)."""
    q, k, v = heads.queries, heads.keys, heads.values
    return F.scaled_dot_product_attention(q, q, v) + F.scaled_dot_product_attention(k, k, v)


def query_mix(heads: Heads) -> Tensor:
    """softmax(q qᵀ / √d) v (ClearCLIP, open_clip/transformer.py, ``custom_attn``)."""
    return F.scaled_dot_product_attention(heads.queries, heads.queries, heads.values)


def neighbour_mix(heads: Heads) -> Tensor:
    """softmax(k kᵀ / √d + ω) v, where ω prefers the places nearby (NACLIP, clip/model.py, ``custom_attn``)."""
    bias = neighbourhood(heads.grid, heads.keys.device).to(heads.keys.dtype)
    return F.scaled_dot_product_attention(heads.keys, heads.keys, heads.values, attn_mask=bias)


def neighbourhood(grid: Grid, device: torch.device | str = "cpu") -> Tensor:
    """NACLIP's ω: exp(-distance² / 2σ²) between two patches, distance in patches; 0 to and from the class token.

    Returns:
        (1 + h*w, 1 + h*w) float32.
    """
    sides = [torch.arange(side, device=device, dtype=torch.float32) for side in grid]
    # The exponential of a sum is a product: that of the way down and the way across.
    down, across = (torch.exp(-((side[:, None] - side) ** 2) / (2 * GAUSSIAN_STD**2)) for side in sides)
    return F.pad(torch.kron(down, across), (1, 0, 1, 0))


@dataclass(frozen=True)
class Readout:
    """One way to read patch features out of the last block.

    Attributes:
        mix: the values, mixed: (B, heads, 1 + h*w, d).
        reduced: the attention's output alone goes on to the final norm, without residual and feed-forward part.
        overshoot: how its authors stretch positional embeddings, see :func:`stretched`.
    """

    mix: Callable[[Heads], Tensor]
    reduced: bool
    overshoot: float = 0.0


READOUTS: Mapping[str, Readout] = {
    # The first is the default: ClearCLIP reads the attention alone and has no number to set, such as NACLIP's spread,
    # which is in patches, whatever their number.
    "clearclip": Readout(query_mix, reduced=True, overshoot=OVERSHOOT),  # Lan et al. 2024, arXiv 2407.12442
    "naclip": Readout(neighbour_mix, reduced=True, overshoot=OVERSHOOT),  # Hajimiri et al. 2024, arXiv 2404.08181
    "sclip": Readout(correlative_mix, reduced=False, overshoot=OVERSHOOT),  # Wang et al. 2023, arXiv 2312.01597
    # The authors' ViT keeps residual and feed-forward part: return_qkv in mmseg/models/backbones/vit.py of
    # chongzhou96/MaskCLIP. Later papers' "MaskCLIP" often drops them, and is not this.
    "maskclip": Readout(value_mix, reduced=False),  # Zhou et al. 2022, arXiv 2112.01071
    "plain": Readout(plain_mix, reduced=False),
}


class PatchEncoder:
    """The ``DenseEncoder`` of a vision transformer.

    Args:
        normalise: an image in any mode to (3, H, W), the model's colours at the image's own size.
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
    """The name itself.

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
    """How many patches lie down and across (B, 3, H, W).

    Raises:
        ModelError: a side that is no multiple of the patch size, or nothing at all.
    """
    height, width = pixels.shape[-2:]
    if height % patch_size or width % patch_size or not height or not width:
        raise ModelError(
            f"model {model!r}: an image of {height} by {width} pixels does not divide into patches of {patch_size}",
            hint=f"Resize, crop or pad it so that both sides are multiples of {patch_size}.",
        )
    return height // patch_size, width // patch_size


def as_map(features: Tensor, grid: Grid) -> Tensor:
    """(B, h*w, D) to (B, D, h, w), unit length at each place."""
    return F.normalize(features, dim=-1).transpose(1, 2).reshape(len(features), -1, *grid)


def stretched(positions: Tensor, trained: Grid, grid: Grid, overshoot: float) -> Tensor:
    """Positional embeddings of another grid: the class token's as it is, the patches' by bicubic interpolation.

    Corners are not aligned. The scale is that of the two grids' sides (MaskCLIP, ``resize_pos_embed``), the new ones
    longer by the overshoot, which draws the embeddings a little to the upper left.

    Args:
        positions: (1 + h*w, width) of the trained grid, row by row.
        overshoot: 0, or below 1, in patches.

    Returns:
        (1 + the new h*w, width); ``positions`` itself where the grids are the same.
    """
    if grid == trained:
        return positions
    patches = positions[1:].float().transpose(0, 1).reshape(1, -1, *trained)
    scale = [(new + overshoot) / old for new, old in zip(grid, trained, strict=True)]
    target = {"scale_factor": scale} if overshoot else {"size": grid}
    patches = F.interpolate(patches, mode="bicubic", align_corners=False, **target)
    return torch.cat([positions[:1], patches[0].flatten(1).transpose(0, 1).to(positions.dtype)])
