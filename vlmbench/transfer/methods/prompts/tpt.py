"""TPT: for each test image, the first words of the prompts move until the image's views agree.

Source: Shu et al. 2022 (arXiv 2209.07511), azshue/TPT, tpt_classification.py. Departures: the random parts of an image
depend on its content, so that each run sees the same; they are cut and brought to a square of the same area before the
model's own resize; AugMix, which the code adds for fine-grained sets, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from vlmbench.features.engine import FeatureEngine
from vlmbench.models.tunable import TunableTowers
from vlmbench.prompts import PromptSet
from vlmbench.transfer.base import Classifier, FewShot, Fitted, LearnsFrom, MethodOptions, PlannedCost, Reads
from vlmbench.transfer.class_texts import ClassTexts, class_texts
from vlmbench.transfer.features import check_finite
from vlmbench.transfer.options import settle_options
from vlmbench.transfer.prompted import towers_of


class TptOptions(MethodOptions):
    """The settings of TPT. Defaults: methods.csv, row "TPT"; of the smallest area and the weight decay, its code."""

    words: str = Field("a photo of a", min_length=1, description="words before each class name, which are learnt")
    views: int = Field(64, ge=1, le=1000, description="views of each test image; the first is the image itself")
    confident: float = Field(
        0.1, gt=0, le=1, description="share of the views, the least uncertain, that are learnt from"
    )
    steps: int = Field(1, ge=0, le=1000, description="steps for each test image; 0 is zero-shot with these words")
    lr: float = Field(0.005, gt=0, le=100, description="learning rate of AdamW")
    weight_decay: float = Field(0.01, ge=0, le=1, description="weight decay of AdamW")
    smallest_area: float = Field(0.08, gt=0, le=1, description="the smallest view as a share of the image")
    chunk: int | None = Field(
        None, ge=1, description="classes that go through the text tower at once; by default by an estimate of memory"
    )


def entropies(logits: Tensor) -> Tensor:
    """(V, C) logits to (V,)."""
    return -(logits.softmax(dim=1) * logits.log_softmax(dim=1)).sum(dim=1)


def confident_views(logits: Tensor, share: float) -> Tensor:
    """The rows of (V, C) logits with the least entropy: a share of them, rounded down, and at least one."""
    return entropies(logits).argsort(stable=True)[: max(1, int(len(logits) * share))]


def entropy_of_mean(logits: Tensor) -> Tensor:
    """The entropy of the mean probabilities of (V, C) logits."""
    mean = logits.log_softmax(dim=1).logsumexp(dim=0) - math.log(len(logits))
    return -(mean.exp() * mean.clamp(min=torch.finfo(mean.dtype).min)).sum()


@dataclass(frozen=True)
class TestTimeClassifier:
    """Cosines of each image with texts that its own views move.

    Attributes:
        classes: the texts without their context.
        words: (M, W): the context before the first step.
        scale: the model's own factor of cosines.
    """

    __test__ = False  # its name begins as a test's, and pytest would collect it
    classes: ClassTexts
    words: Tensor
    options: TptOptions
    scale: float

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, V, D) to (B, C). Each image costs C texts forward and backward for each step, and C texts forward."""
        if not self.options.steps:
            with torch.no_grad():
                return inputs[:, 0] @ self.classes.features(self.words).T
        with torch.inference_mode(False), torch.enable_grad():
            context = self.words.clone().requires_grad_()
            texts = self.classes.features(context)  # the first step of every image begins with these texts
            moved = [self._moved(views.clone(), context, texts) for views in inputs]
        with torch.no_grad():
            rows = [views[0] @ self.classes.features(own).T for views, own in zip(inputs, moved, strict=True)]
        return torch.stack(rows) if rows else inputs.new_empty(0, len(self.classes))

    def _moved(self, views: Tensor, start: Tensor, texts: Tensor) -> Tensor:
        """The context after all steps on one image's (V, D) views."""
        options, context = self.options, start.detach().clone().requires_grad_()
        optimiser = torch.optim.AdamW([context], lr=options.lr, weight_decay=options.weight_decay)
        chosen: Tensor | None = None
        for step in range(options.steps):
            leaf, now = (start, texts) if step == 0 else (context, self.classes.features(context))
            logits = self.scale * views @ now.T
            if chosen is None:
                chosen = confident_views(logits.detach(), options.confident)
            loss = entropy_of_mean(logits[chosen])
            check_finite(loss.detach(), f"the entropy of step {step + 1}")
            (context.grad,) = torch.autograd.grad(loss, leaf, retain_graph=step == 0)
            optimiser.step()
        return context.detach()


class Tpt:
    """See :class:`~vlmbench.transfer.base.TransferMethod`."""

    name = "tpt"
    version = 1
    needs: frozenset[type] = frozenset({TunableTowers})
    reads: Reads = "views"
    scores_new_classes = True
    learns_from: LearnsFrom = "nothing"
    at_once = False
    options: type[MethodOptions] = TptOptions

    def planned(self, images: int, test: int, classes: int, shots: int, options: Mapping[str, Any]) -> PlannedCost:
        """See :class:`~vlmbench.transfer.base.PlansCost`. All of it is for the test images."""
        asked = settle_options(self.name, TptOptions, options)
        return PlannedCost(asked.steps * test, (asked.views - 1) * test, _texts(classes, asked) * test)

    def fit(
        self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: Mapping[str, Any]
    ) -> Classifier:
        """Make the texts that get a context. All learning is done for each test image."""
        return self.fit_draws(engine, [support], prompts, options)[0].classifier

    def fit_draws(
        self, engine: FeatureEngine, supports: Sequence[FewShot], prompts: PromptSet, options: Mapping[str, Any]
    ) -> list[Fitted]:
        """See :class:`~vlmbench.transfer.base.FitsDraws`. Draws do not differ.

        Raises:
            UsageError: an unknown option, a value out of its range, or a context that does not fit into a text.
            TransferError: the model's tokens leave no place for a context.
        """
        asked = settle_options(self.name, TptOptions, options)

        def classifier(engine: FeatureEngine, prompts: PromptSet) -> TestTimeClassifier:
            texts, words = class_texts(towers_of(engine), prompts.class_names, asked.words, chunk=asked.chunk)
            return TestTimeClassifier(texts, words, asked, engine.encoders.logit_scale)

        found = classifier(engine, prompts)
        passes = _texts(len(prompts.class_names), asked)
        return [
            Fitted(
                found,
                for_classes=classifier,
                parameters=found.words.numel(),
                test_image_passes=asked.views,
                test_text_passes=passes,
            )
            for _ in supports
        ]


def _texts(classes: int, options: TptOptions) -> int:
    """How many texts go through the tower for a test image: those of each step, and of the moved words."""
    return classes * (options.steps + 1 if options.steps else 0)


METHOD = Tpt()
