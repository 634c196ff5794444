"""VP: a border of pixels is learnt, which is added to every image.

Source: Bahng et al. 2022 (arXiv 2203.17274), hjbahng/visual_prompting, models/prompters.py and main_clip.py. It crops
no image. Departures: the prompts of the texts are the task's own; the public code chooses the epoch on the test set,
and learns from whole data sets, so its warm-up of 1,000 steps is here at most a tenth of all steps. The border begins
as noise, from which a few images and epochs may not lead back to zero-shot; with spread=0 it begins as zero-shot.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier
from vlmbench.transfer.image_tower import TowerClassifier
from vlmbench.transfer.imaged import ImagedData, ImagedMethod, ImagedOptions
from vlmbench.transfer.training import Recipe, Weights, with_warm_up

_PUBLISHED_SIDE = 224
"""The side of the image for which the border's width is given."""


class VpOptions(ImagedOptions):
    """The settings of VP. Defaults: methods.csv, row "VP (pixel prompts)"."""

    border: int = Field(30, ge=0, le=112, description="width in pixels, for 224 x 224; other sizes: in proportion")
    spread: float = Field(1.0, ge=0, le=10, description="standard deviation of the border at step 0; 0 is zero-shot")
    lr: float = Field(40.0, gt=0, le=1000, description="learning rate of SGD")
    epochs: int = Field(1000, ge=1, le=10_000, description="passes over the support images")
    batch_size: int = Field(256, ge=1, le=100_000, description="images in one step")
    weight_decay: float = Field(0.0, ge=0, le=1, description="weight decay of SGD")
    views: int = Field(1, ge=1, le=1000, description="views of each image; each epoch takes one at random")
    warmup: int = Field(1000, ge=0, le=100_000, description="steps of warm-up, at most a tenth of all steps")

    def recipe(self, images: int, shots: float) -> Recipe:
        """SGD with momentum, a warm-up in equal rises, and a cosine by step."""
        recipe = Recipe(
            "sgd",
            self.lr,
            self.epochs,
            self.batch_size,
            weight_decay=self.weight_decay,
            schedule="cosine after warm-up",
        )
        return with_warm_up(recipe, self.warmup, images)


def border_mask(size: tuple[int, int], border: int) -> Tensor:
    """(H, W) bool: the pixels of the border.

    Args:
        border: its width for images of 224 x 224.
    """
    height, width = size
    wide = round(border * min(size) / _PUBLISHED_SIDE)
    mask = torch.ones(height, width, dtype=torch.bool)
    mask[wide : height - wide, wide : width - wide] = False
    return mask


def start(data: ImagedData, options: VpOptions) -> Weights:
    """The border's P pixels: "border", (3, P), normally distributed."""
    pixels = int(border_mask(data.size, options.border).sum())
    return {"border": data.tower.moved(options.spread * torch.randn(3, pixels, generator=data.generator()))}


def bordered(weights: Weights, data: ImagedData, options: VpOptions, pixels: Tensor) -> Tensor:
    """(B, 3, H, W) images plus the border."""
    added = data.tower.moved(torch.zeros(3, *data.size))
    added[:, border_mask(data.size, options.border).to(added.device)] = weights["border"]
    return data.tower.moved(pixels) + added


def loss(weights: Weights, data: ImagedData, options: VpOptions, pixels: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of (B, 3, H, W) images with their (B,) labels."""
    features = data.tower.features(bordered(weights, data, options, pixels))
    return F.cross_entropy(data.logit_scale * features @ data.hand.T, labels)


def head(weights: Weights, data: ImagedData, options: VpOptions) -> Classifier:
    """Zero-shot on images with the border."""

    def encode(pixels: Tensor) -> Tensor:
        return data.tower.features(bordered(weights, data, options, pixels))

    return TowerClassifier(data.tower, encode, data.hand, data.logit_scale)


METHOD = ImagedMethod(name="vp", version=1, options=VpOptions, start=start, loss=loss, head=head)
