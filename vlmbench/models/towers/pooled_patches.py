"""Reads patch features out of image towers that pool all places of the image alike, for the tower of any library.

Adapters make a :class:`PooledPatchEncoder` with it. Such a tower has no class token that its head reads: it pools its
places by attention or by a mean, and its head maps the pooled token to the space of the texts. A patch's feature is
then what the tower would give if its pool got the patch alone. Attention over one token is this token's value, so for
attention pools this is the value path of MaskCLIP (Zhou et al. 2022, section 3.2). The mean of one token is the token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import PIL.Image
import torch.nn.functional as F
from torch import Tensor, nn

from vlmbench.models.towers.patch_readouts import Grid, as_map, known_readout, patch_grid

VALUE_PATH = "maskclip"
"""The readout of attention pools. Their query plays no part, so a readout with each place as its query is the same."""

EACH_PLACE = "plain"
"""The readout of pools that take the mean."""


class PooledTower(Protocol):
    """An image tower, split where it pools."""

    patch_size: int

    def places(self, pixels: Tensor, grid: Grid) -> Tensor:
        """Map (B, 3, H, W) to what the pool gets of each place, (B, h*w, width), row by row."""

    def alone(self, places: Tensor) -> Tensor:
        """Map (B, N, width) to (B, N, D): for each place, the tower's feature if the pool got this place alone."""


class PooledPatchEncoder:
    """The ``DenseEncoder`` of a tower that pools all places alike.

    Args:
        normalise: maps an image in any mode to (3, H, W) with the model's colours, without resizing.
        readout: the name of the only readout.
    """

    def __init__(
        self, model: str, tower: PooledTower, normalise: Callable[[PIL.Image.Image], Tensor], readout: str
    ) -> None:
        self.patch_size = tower.patch_size
        self.readouts: tuple[str, ...] = (readout,)
        self._model = model
        self._tower = tower
        self.normalise = normalise

    def encode_patches(self, pixels: Tensor, readout: str) -> Tensor:
        known_readout(self._model, readout, self.readouts)
        return as_map(self.patch_features(pixels), patch_grid(self._model, pixels, self.patch_size))

    def patch_features(self, pixels: Tensor) -> Tensor:
        """Encode (B, 3, H, W) to (B, h*w, D), row by row, not normalised.

        If nothing but linear layers follow a pool that takes the mean, their mean is the tower's own feature of the
        image. If a norm or an activation follows it, their mean is another vector.

        Raises:
            ModelError: a height or width is not a multiple of the patch size.
        """
        grid = patch_grid(self._model, pixels, self.patch_size)
        return self._tower.alone(self._tower.places(pixels, grid))


def attends_fully(attention: Any) -> bool:
    """Whether the attention gives its whole weight to the only token that it gets (it has no tokens of its own)."""
    return type(attention) is nn.MultiheadAttention and attention.bias_k is None and not attention.add_zero_attn


def value_path(attention: nn.MultiheadAttention, tokens: Tensor) -> Tensor:
    """The attention's output for each token as the only key and value: (B, N, width) to (B, N, D)."""
    packed, bias = attention.in_proj_weight, attention.in_proj_bias
    weight = cast(Tensor, attention.v_proj_weight) if packed is None else packed.chunk(3)[2]
    values = F.linear(tokens, weight, None if bias is None else bias.chunk(3)[2])
    return cast(Tensor, attention.out_proj(values))
