"""Asks a model with the prompts of the classes alone: with one feature or several vectors an image, or with clips.

Classification and rare actions use it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vlmbench.data.base import Chosen, ClipDataset, ImageDataset, frames_per_sample
from vlmbench.features.batches import rows_of
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.batch import ImageBatch
from vlmbench.models.base import Model, capability, lacks_encoders
from vlmbench.models.clip_encoder import ClipEncoder
from vlmbench.models.multi_vector import lacks_similarity, multi_vector, similarity_fields
from vlmbench.prompts import PromptSet
from vlmbench.tasks.base import clip_protocol
from vlmbench.tasks.several_vectors import multi_vector_classifier
from vlmbench.transfer.base import Classifier, FewShot
from vlmbench.transfer.methods.zero_shot import METHOD


@dataclass(frozen=True)
class ClipClassifier:
    """A :class:`~vlmbench.transfer.base.Classifier` of clips that a ``ClipEncoder`` encoded.

    Attributes:
        prompts: (C * P, D), on the model's device.
        num_classes: C.
    """

    engine: FeatureEngine
    encoder: ClipEncoder
    prompts: Tensor
    num_classes: int
    scale: float

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, K) rows of clips to (B, C) cosines on the CPU."""

        def compare(rows: Sequence[Tensor]) -> Tensor:
            clips = torch.stack(list(rows)).to(self.engine.device)
            return self.encoder.similarities(clips, self.prompts, self.num_classes).float().cpu()

        return rows_of(self.engine.ask(compare, list(inputs)))


def zero_shot(
    engine: FeatureEngine, dataset: ImageDataset, indices: Sequence[int], prompts: PromptSet
) -> tuple[Classifier, Generator[ImageBatch, None, None]]:
    """The classifier of the prompts, and the chosen samples as it takes them."""
    if multi_vector(engine.model):
        return multi_vector_classifier(engine, prompts), engine.image_vectors(dataset, indices)
    encoder = _clip_encoder(engine.model, dataset)
    if encoder is None:
        return METHOD.fit(engine, FewShot(), prompts, {}), engine.images(dataset, indices)
    count = len(prompts.class_names)
    engine.tell_of_labels(prompts.prompts[:: len(prompts.prompts) // count], prompts.class_names)
    with engine.timed("text"):
        features = rows_of(engine.ask(encoder.encode_prompts, prompts.prompts))
    return ClipClassifier(engine, encoder, features, count, encoder.logit_scale), engine.clips(
        encoder, dataset, indices
    )


def encoded_one_by_one(model: Model, dataset: ImageDataset, indices: Sequence[int]) -> Chosen | None:
    """The samples, if the model is a dual encoder; None if it is asked in another way."""
    return None if lacks_encoders(model) else Chosen(dataset, indices)


def lacks(model: Model, dataset: ImageDataset) -> str | None:
    """Why the model cannot be asked with prompts alone, and what would help; None if it can be asked."""
    frames, encoder = frames_per_sample(dataset), capability(model, ClipEncoder)
    reason = lacks_similarity(model, frames)
    if reason is None or encoder is None or not isinstance(dataset, ClipDataset):
        return reason
    if frames != encoder.frames_per_clip:
        return (
            f"it takes clips of {encoder.frames_per_clip} frames, and the data gives {frames}. "
            f"Set options: {{frames: {encoder.frames_per_clip}}} of the source in a card of your own"
        )
    return None


def comparison_fields(model: Model, dataset: ImageDataset) -> dict[str, Any]:
    """The protocol fields about clips and about several vectors. They are empty for images and one feature an image."""
    whole = {"clips": "encoded as a whole"} if _clip_encoder(model, dataset) is not None else {}
    several = multi_vector(model)
    vectors = {**similarity_fields(several), "ensemble": several.ensemble} if several else {}
    return {**clip_protocol(dataset), **whole, **vectors}


def compared_by(model: Model) -> str:
    """What a logit is a multiple of."""
    return "similarity" if multi_vector(model) else "cosine"


def _clip_encoder(model: Model, dataset: ImageDataset) -> ClipEncoder | None:
    """The model's clip encoder, if the model cannot encode the frames of these clips one by one."""
    several = frames_per_sample(dataset) > 1
    return capability(model, ClipEncoder) if several and lacks_encoders(model) is not None else None
