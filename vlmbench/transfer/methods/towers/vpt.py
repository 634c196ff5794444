"""VPT: tokens beside the patches are learnt, before the first block (shallow) or before each block (deep).

Source: Jia et al. 2022 (arXiv 2203.12119), KMnP/vpt, src/models/vit_prompt/vit.py. There, a vision transformer without
texts gets a linear head of its own, and learning rate and weight decay are chosen for each data set from 40 pairs. Here
the images are compared with the texts of the task's own prompts, and one recipe serves all, as in the version for CLIP
of muzairkhattak/multimodal-prompt-learning (trainers/vpt.py, configs/trainers/VPT/vit_b16_c2_ep5_batch4_4.yaml). Tokens
stand after the patches, pass the norm before the blocks, and begin as normal numbers with a deviation of 0.02, as
there. That version computes in 16 bits; here it is 32.
"""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier
from vlmbench.transfer.image_tower import TowerClassifier
from vlmbench.transfer.imaged import ImagedData, ImagedMethod, ImagedOptions, drawn
from vlmbench.transfer.training import Weights


class VptOptions(ImagedOptions):
    """The settings of VPT. Defaults: methods.csv, row "Deep vision prompting (CLIP)"."""

    lr: float = Field(0.0025, gt=0, le=1000, description="learning rate of SGD")
    tokens: int = Field(8, ge=0, le=1000, description="tokens in each block; 0: zero-shot")
    depth: int = Field(12, ge=1, le=100, description="blocks that get tokens; 1: shallow; of a shorter tower, all")


def start(data: ImagedData, options: VptOptions) -> Weights:
    """ "tokens", (L, P, W), random: P tokens for each of the first L blocks."""
    tower = data.tower.tower
    depth = min(options.depth, tower.image_layers)
    return {"tokens": drawn(data.generator(), data.tower, depth, options.tokens, tower.image_width)}


def loss(weights: Weights, data: ImagedData, options: VptOptions, pixels: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of (B, 3, H, W) images with their (B,) labels."""
    images = data.tower.features(pixels, prompts=list(weights["tokens"]))
    return F.cross_entropy(data.logit_scale * images @ data.hand.T, labels)


def head(weights: Weights, data: ImagedData, options: VptOptions) -> Classifier:
    """Cosines of images with tokens and the texts of the task's own prompts."""
    encode = partial(data.tower.features, prompts=list(weights["tokens"].detach()))
    return TowerClassifier(data.tower, encode, data.hand, data.logit_scale)


METHOD = ImagedMethod(
    name="vpt", version=1, options=VptOptions, start=start, loss=loss, head=head, changes_tokens=lambda options: True
)
