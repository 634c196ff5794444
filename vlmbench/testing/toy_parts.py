"""Toy capabilities: patch features, a segmenter, and a detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.errors import ModelError, UnknownNameError
from vlmbench.models.base import Detections
from vlmbench.rgb import as_rgb
from vlmbench.testing.toy_models import DIM

PATCH = 4
"""The width and height of a toy model's patch in pixels."""


@dataclass
class ToyPatches:
    """A :class:`~vlmbench.models.base.DenseEncoder`. A patch's feature is a projection of its mean colour.

    The readout "other" reverses the order of the colours first.

    Attributes:
        calls: the shapes of all batches encoded so far.
    """

    readouts: tuple[str, ...] = ("plain", "other")
    patch_size: int = PATCH
    weight: Tensor = field(default_factory=lambda: torch.randn(3, DIM, generator=torch.Generator().manual_seed(5)))
    calls: list[tuple[int, ...]] = field(default_factory=list)

    def normalise(self, image: PIL.Image.Image) -> Tensor:
        """An image of any mode to (3, H, W), from -0.5 to 0.5."""
        return torch.from_numpy(np.asarray(as_rgb(image), dtype=np.float32).transpose(2, 0, 1) / 255 - 0.5)

    def encode_patches(self, pixels: Tensor, readout: str) -> Tensor:
        """(B, 3, H, W) to (B, 16, H / 4, W / 4), unit length at each place."""
        check_patches(self.readouts, self.patch_size, pixels, readout)
        self.calls.append(tuple(pixels.shape))
        colours = F.avg_pool2d(pixels if readout == "plain" else pixels.flip(1), self.patch_size)
        return F.normalize(torch.einsum("nchw,cd->ndhw", colours + 0.01, self.weight.to(pixels.device)), dim=1)


def check_patches(readouts: Sequence[str], patch_size: int, pixels: Tensor, readout: str) -> None:
    """Refuse a readout that does not exist, and a height or width that is not a multiple of the patch size.

    Raises:
        UnknownNameError, ModelError: see :class:`~vlmbench.models.base.DenseEncoder`.
    """
    if readout not in readouts:
        raise UnknownNameError(f"there is no readout {readout!r}")
    if pixels.shape[2] % patch_size or pixels.shape[3] % patch_size:
        raise ModelError(f"the height or width in {tuple(pixels.shape)} is not a multiple of {patch_size}")


@dataclass
class ToySegmenter:
    """A :class:`~vlmbench.models.base.Segmenter`: a text's score is its length times the pixel's brightness.

    Texts whose first letter has an even code are scored by darkness instead.

    Attributes:
        heard: the texts of the last call.
    """

    heard: list[str] = field(default_factory=list)

    def segment(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Tensor]:
        """Images and C texts to (C, H, W) scores of each image."""
        self.heard = list(labels)
        greys = [torch.from_numpy(np.asarray(image.convert("L"), dtype=np.float32) / 255) for image in images]
        return [
            torch.stack([len(text) * (grey if ord(text[0]) % 2 else 1 - grey) for text in labels]) for grey in greys
        ]


class ToyDetector:
    """A :class:`~vlmbench.models.base.Detector`: it finds a box for each text in the image's corner.

    The box of the first text has the highest score.
    """

    def detect(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        """Images and C texts to C boxes of each image, 8 pixels a side or as large as the image."""
        scores, found = 1 / torch.arange(1, len(labels) + 1), torch.arange(len(labels))
        return [Detections(_corner(image).repeat(len(labels), 1), scores.clone(), found.clone()) for image in images]


def _corner(image: PIL.Image.Image) -> Tensor:
    return torch.tensor([[0.0, 0.0, float(min(8, image.width)), float(min(8, image.height))]])
