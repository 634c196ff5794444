"""A model that knows nothing. Its answers are random, but always the same for the same image or text.

:func:`vlmbench.testing.check_task` uses it to check ``chance``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.testing.toy_models import DIM, ToyModel


@dataclass
class NoiseModel(ToyModel):
    """A dual encoder and segmenter whose answers are unrelated to what an image shows."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.capabilities = {"Segmenter": self}

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(B, 3, 4, 4) to (B, 16), unit length, drawn from a hash of the pixels."""
        rows = [_drawn(image.contiguous().numpy().tobytes(), DIM) for image in pixels.cpu()]
        return F.normalize(torch.stack(rows), dim=-1).to(self.device)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts to (N, 16), unit length, drawn from a hash of the text."""
        rows = [_drawn(text.encode(errors="surrogateescape"), DIM) for text in texts]
        return F.normalize(torch.stack([*rows, torch.ones(DIM)]), dim=-1)[:-1].to(self.device)

    def segment(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Tensor]:
        """Images and C texts to (C, H, W) random scores of each image."""
        return [
            torch.stack([_drawn(label.encode() + image.tobytes(), image.height, image.width) for label in labels])
            for image in images
        ]


def _drawn(data: bytes, *shape: int) -> Tensor:
    seed = int.from_bytes(sha256(data).digest()[:4], "big")
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
