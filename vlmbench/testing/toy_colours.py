"""A model that knows colours and answers all toy data correctly. :func:`vlmbench.testing.check_task` uses it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.models.base import Detections, ModelIdentity
from vlmbench.rgb import as_rgb
from vlmbench.testing.toy_parts import PATCH, check_patches

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "magenta": (255, 0, 255),
    "cyan": (0, 255, 255),
}
_HEX = re.compile(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})")
_SIDE = 4
_LIKE = 0.95
"""The smallest cosine at which a pixel counts as a text's colour, for boxes."""
_CPU = torch.device("cpu")


@dataclass
class ColourModel:
    """A dual encoder of colours. An image's feature is its mean colour. A text's feature is the sum of its colours.

    A text names colours in words ("red") or as ``#rrggbb``. The model is a DenseEncoder too, and with ``heads`` also a
    Segmenter and a Detector.

    Attributes:
        heads: whether it offers a Segmenter and a Detector.
    """

    card: ModelCard = field(default_factory=lambda: ModelCard(name="colours", adapter="colours"))
    device: torch.device = _CPU
    heads: bool = True
    embedding_dim: int = 4
    logit_scale: float = 20.0
    logit_bias: float = 0.0
    readouts: tuple[str, ...] = ("plain", "other")
    patch_size: int = PATCH
    capabilities: Mapping[str, object] = field(init=False)

    def __post_init__(self) -> None:
        self.identity = ModelIdentity(
            weights_sha256="none",  # it has no weights
            parameters=0,
            architecture="mean colour",
            preprocess=f"{_SIDE}x{_SIDE} grid",
            tokenizer="names of colours",
            libraries={"torch": torch.__version__},
        )
        self.capabilities = dict.fromkeys(
            ("DenseEncoder", "Segmenter", "Detector") if self.heads else ("DenseEncoder",), self
        )

    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        """An image of any mode to (3, 4, 4), from 0 to 1."""
        return self.normalise(as_rgb(image).resize((_SIDE, _SIDE), PIL.Image.Resampling.BOX))

    def normalise(self, image: PIL.Image.Image) -> Tensor:
        """An image of any mode to (3, H, W), from 0 to 1."""
        return torch.from_numpy(np.asarray(as_rgb(image), dtype=np.float32).transpose(2, 0, 1) / 255)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(B, 3, 4, 4) to (B, 4), unit length."""
        return _with_a_constant(pixels.mean(dim=(2, 3)))

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts to (N, 4), unit length."""
        named = torch.tensor([_named(text) for text in texts]).reshape(len(texts), 3)
        return _with_a_constant(named.to(self.device))

    def encode_patches(self, pixels: Tensor, readout: str) -> Tensor:
        """(B, 3, H, W) to (B, 4, H / 4, W / 4), unit length at each place."""
        check_patches(self.readouts, self.patch_size, pixels, readout)
        cells = F.avg_pool2d(pixels, self.patch_size)
        return _with_a_constant(cells.movedim(1, -1)).movedim(-1, 1)

    def segment(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Tensor]:
        """Images and C texts to (C, H, W) cosines of each image."""
        return [self._cosines(image, labels) for image in images]

    def detect(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        """Images and C texts to C boxes of each image.

        A text's box is around all pixels of its colour, or around the whole image if there are no such pixels. The
        score is the share of the box's pixels that have the colour.
        """
        found = []
        for image in images:
            boxes, scores = zip(*(_box(row >= _LIKE) for row in self._cosines(image, labels)), strict=True)
            found.append(Detections(torch.tensor(boxes), torch.tensor(scores), torch.arange(len(labels))))
        return found

    def _cosines(self, image: PIL.Image.Image, labels: Sequence[str]) -> Tensor:
        pixels = _with_a_constant(self.normalise(image).movedim(0, -1)).to(self.device)
        return torch.einsum("hwd,cd->chw", pixels, self.encode_text(labels))


def _named(text: str) -> list[float]:
    """The colour that a text names. If it names several colours, they are added."""
    codes = [tuple(int(part, 16) for part in code) for code in _HEX.findall(text)]
    found = codes + [colour for name, colour in COLOURS.items() if name in text]
    return [min(1.0, sum(colour[channel] for colour in found) / 255) for channel in range(3)]


def _box(inside: Tensor) -> tuple[tuple[float, float, float, float], float]:
    """The box around some pixels, given as (H, W) bool, and the share of the box that they fill."""
    rows, columns = inside.any(dim=1).nonzero().flatten(), inside.any(dim=0).nonzero().flatten()
    if not len(rows):
        return (0.0, 0.0, float(inside.shape[1]), float(inside.shape[0])), 0.0
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    share = float(inside[top:bottom, left:right].float().mean())
    return (float(left), float(top), float(right), float(bottom)), share


def _with_a_constant(colours: Tensor) -> Tensor:
    """(…, 3) to (…, 4), unit length. The added constant gives black a direction, too."""
    return F.normalize(torch.cat([colours, torch.full_like(colours[..., :1], 0.1)], dim=-1), dim=-1)
