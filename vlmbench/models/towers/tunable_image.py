"""Runs an image tower with extra tokens and with other weights, with gradients.

Adapters offer it as ``TunableImageTower``. The tower's own weights get no gradients and do not change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from vlmbench.errors import ModelError
from vlmbench.models.towers.overlay import Overlay
from vlmbench.models.towers.residual_blocks import Map, ResidualBlock
from vlmbench.models.tunable import TunableImageTower, Update
from vlmbench.wording import counted


@dataclass(frozen=True)
class TunableTransformer:
    """See :class:`~vlmbench.models.tunable.TunableImageTower`. The first token, the class token, becomes the feature.

    Attributes:
        embed: (B, 3, H, W) pixels to (B, L, W) tokens with their positions.
        norm: the norm before the blocks.
        blocks: the transformer.
        project: (B, W) states after the last block to (B, D), unit length.
        image_width: W.
        held: the tower's parameters.
    """

    embed: Map
    norm: Map
    blocks: Sequence[ResidualBlock]
    project: Map
    image_width: int
    held: Overlay

    @property
    def image_layers(self) -> int:
        return len(self.blocks)

    def parameters(self) -> Mapping[str, Tensor]:
        return self.held.parameters()

    def encode_pixels(
        self,
        pixels: Tensor,
        *,
        prompts: Sequence[Tensor] = (),
        weights: Mapping[str, Tensor] | None = None,
        update: Update | None = None,
    ) -> Tensor:
        if len(prompts) > len(self.blocks):
            blocks = counted(len(self.blocks), "block")
            raise ModelError(f"the image tower has {blocks}, and got prompts for {len(prompts)}")

        def forward() -> Tensor:
            x = self.embed(pixels)
            count, tokens = x.shape[:2]
            entering = [prompt.expand(count, -1, -1) for prompt in prompts]
            x = self.norm(torch.cat([x, *entering[:1]], dim=1))
            first = torch.zeros(count, 1, dtype=torch.int64, device=x.device)
            for number, block in enumerate(self.blocks):
                if 0 < number < len(prompts):
                    x = torch.cat([x[:, :tokens], entering[number]], dim=1)
                added = None if update is None else partial(update, number)
                x = block(x, None, first if number + 1 == len(self.blocks) else None, added)
            return self.project(x[:, 0])

        return self.held.compute(weights, forward)


@dataclass(frozen=True)
class TunableNetwork:
    """See :class:`~vlmbench.models.tunable.TunableImageTower`. A tower without tokens takes other weights alone.

    Attributes:
        encode: (B, 3, H, W) pixels to (B, D), unit length.
        held: the tower's parameters.
    """

    encode: Map
    held: Overlay
    image_width: int = 0
    image_layers: int = 0

    def parameters(self) -> Mapping[str, Tensor]:
        return self.held.parameters()

    def encode_pixels(
        self,
        pixels: Tensor,
        *,
        prompts: Sequence[Tensor] = (),
        weights: Mapping[str, Tensor] | None = None,
        update: Update | None = None,
    ) -> Tensor:
        if prompts or update is not None:
            raise ModelError("the image tower is no transformer, so it takes neither prompts nor updates of attention")
        return self.held.compute(weights, lambda: self.encode(pixels))


def in_full_precision(tower: TunableTransformer | TunableNetwork) -> TunableImageTower | None:
    """The tower; None if it has weights of less than 32 bits."""
    return tower if tower.held.in_full_precision else None
