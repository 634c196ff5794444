"""PLOT: several contexts are learnt, and each image's patches are moved to them at the least cost.

Source: Chen et al. 2022 (arXiv 2210.01253), CHENGY12/PLOT, plot-coop/trainers/plot.py. Departures: the plan of each
image and class stops by its own change, where the code stops all of a batch together, so that an image's logits depend
on the others; the random crops of each epoch are cached views, as of CoOp. The code's image tower gives every place of
a ResNet's attention pool; the readout "plain" is the same for each tower.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.data.base import Chosen
from vlmbench.features.engine import FeatureEngine
from vlmbench.models.base import DenseEncoder
from vlmbench.models.tunable import TunableTowers
from vlmbench.transfer.base import Classifier
from vlmbench.transfer.class_texts import ClassTexts
from vlmbench.transfer.features import check_finite
from vlmbench.transfer.patch_inputs import AUTO, patch_views, settled_readout
from vlmbench.transfer.prompted import PromptData, PromptedMethod, PromptOptions
from vlmbench.transfer.training import Weights

_AT_ONCE = 2**23
"""Costs, images x classes x patches x contexts, that are in memory at once when images are scored."""


class PlotOptions(PromptOptions):
    """The settings of PLOT. Defaults: methods.csv, row "PLOT"; its start is random."""

    words: str = Field("", description="words that every context begins as, with noise after the first; empty: random")
    sets: int = Field(4, ge=1, le=64, description="how many contexts are learnt")
    epochs: int | None = Field(50, ge=1, le=10_000, description="passes")
    batch_size: int = Field(128, ge=1, le=100_000, description="images in one step")
    epsilon: float = Field(0.1, gt=0, le=100, description="how even the plan is: entropy against cost")
    iterations: int = Field(100, ge=0, le=10_000, description="most rounds of Sinkhorn; 0 is an even plan")
    threshold: float = Field(0.01, ge=0, le=1, description="a plan is done when its factors change less than this")
    readout: str = Field(AUTO, description="which features of patches; auto: plain, or the model's first without it")


def transport_plan(similarity: Tensor, options: PlotOptions) -> Tensor:
    """Sinkhorn's plan from patches to contexts with even margins, at the cost 1 - cosine.

    Args:
        similarity: (…, P, S) cosines of P patches with S contexts.

    Returns:
        (…, P, S), without a gradient; each sums to 1.
    """
    patches, contexts = similarity.shape[-2:]
    if not options.iterations:
        return torch.full_like(similarity, 1 / (patches * contexts))
    kernel = torch.exp((similarity.detach() - 1) / options.epsilon)
    rows, columns = kernel.new_ones(kernel.shape[:-1]), kernel.new_ones(*kernel.shape[:-2], contexts)
    active = torch.ones(kernel.shape[:-2], dtype=torch.bool)
    for _ in range(options.iterations):
        new = 1 / patches / (kernel @ columns[..., None])[..., 0]
        other = 1 / contexts / (kernel.mT @ new[..., None])[..., 0]
        change = (new - rows).abs().mean(dim=-1)
        rows = torch.where(active[..., None], new, rows)
        columns = torch.where(active[..., None], other, columns)
        active = active & (change >= options.threshold)
        if not bool(active.any()):
            break
    return rows[..., None] * kernel * columns[..., None, :]


def matched(images: Tensor, texts: Tensor, options: PlotOptions) -> Tensor:
    """The cosines under the plan: (B, 1 + P, D) images and (S, C, D) texts to (B, C)."""
    similarity = torch.einsum("bpd,scd->bcps", images[:, 1:], texts)
    return (transport_plan(similarity, options) * similarity).sum(dim=(-2, -1))


def texts_of(context: Tensor, classes: ClassTexts) -> Tensor:
    """(S, M, W) contexts to (S, C, D) texts."""
    return torch.stack([classes.features(own) for own in context])


def start(data: PromptData, options: PlotOptions) -> Weights:
    """The contexts: "context", (S, M, W), normal with a standard deviation of 0.02, which is added to the words if any.

    With words, the first context is the words themselves.
    """
    generator = torch.Generator().manual_seed(data.seed)
    vectors = len(data.words) if options.words else options.vectors
    noise = 0.02 * torch.randn(options.sets, vectors, data.classes.width, generator=generator).to(data.words.dtype)
    if options.words:
        noise[0] = 0
        noise = noise + data.words
    return {"context": noise}


def loss(weights: Weights, data: PromptData, options: PlotOptions, images: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of (B, 1 + P, D) images with their (B,) labels."""
    found = matched(images, texts_of(weights["context"], data.classes), options)
    return F.cross_entropy(data.logit_scale * found, labels)


@dataclass(frozen=True)
class TransportClassifier:
    """Cosines of an image's patches with each class's texts, under the plan of least cost.

    Attributes:
        texts: (S, C, D).
    """

    texts: Tensor
    options: PlotOptions
    scale: float

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, 1 + P, D) to (B, C)."""
        size = max(1, _AT_ONCE // (inputs.shape[1] * self.texts.shape[0] * self.texts.shape[1]))
        return torch.cat([matched(part, self.texts, self.options) for part in torch.split(inputs, size)])


def head(weights: Weights, data: PromptData, options: PlotOptions) -> Classifier:
    """The texts of the learnt contexts."""
    with torch.no_grad():
        texts = texts_of(weights["context"], data.classes)
    check_finite(texts, "the features of the learnt prompts")
    return TransportClassifier(texts, options, data.logit_scale)


def read(engine: FeatureEngine, chosen: Chosen, options: PlotOptions, views: int) -> Tensor:
    """(V, N, 1 + P, D): the features of images and their patches."""
    return patch_views(engine, chosen, settled_readout(engine, options.readout), views=views)


def settled(engine: FeatureEngine, options: PlotOptions) -> Mapping[str, str]:
    """The readout of the model."""
    return {"readout": settled_readout(engine, options.readout)}


METHOD = PromptedMethod(
    name="plot",
    version=1,
    options=PlotOptions,
    loss=loss,
    start=start,
    head=head,
    read=read,
    settled=settled,
    needs=frozenset({TunableTowers, DenseEncoder}),
    reads="patches",
)
