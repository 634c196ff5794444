"""UPL: CoOp on labels that zero-shot gives to images without labels.

Source: Huang et al. 2022 (arXiv 2204.03649), tonyhuang2022/UPL. It averages the probabilities of 16 contexts with
other seeds; here one is learnt. It labels the whole training set; here the images are the support set, whose labels are
not read.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from vlmbench.transfer.methods.prompts.coop import loss
from vlmbench.transfer.prompted import PromptData, PromptedMethod, PromptOptions


class UplOptions(PromptOptions):
    """The settings of UPL. Defaults: methods.csv, row "UPL"."""

    words: str = Field("", description="words that the context begins as; empty: random numbers")
    epochs: int | None = Field(50, ge=1, le=10_000, description="passes")
    per_class: int = Field(
        16, ge=1, le=10_000, description="images that get each class as their label; K at most, those of a support set"
    )


def labelled(data: PromptData, options: UplOptions) -> PromptData:
    """The data with pseudo-labels: for each class the images to which zero-shot gives it with the highest probability.

    An image may stand for several classes, or for none.
    """
    whole = data.images[0]
    count = max(1, min(options.per_class, int(data.shots)))
    likely = (data.logit_scale * whole @ data.hand.T).softmax(dim=-1)
    rows = likely.topk(count, dim=0).indices.T.flatten()  # the images of the first class first
    labels = data.labels.new_tensor([label for label in range(len(data.classes)) for _ in range(count)])
    return replace(data, images=data.images[:, rows], labels=labels)


METHOD = PromptedMethod(name="upl", version=1, options=UplOptions, loss=loss, prepared=labelled, learns_from="images")
