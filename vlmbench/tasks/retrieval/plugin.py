"""The retrieval plugin: captions and images to features, features to ranks, ranks to recall."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from vlmbench.cards import TaskCard, fill_template
from vlmbench.data.base import ImageDataset, TargetKind
from vlmbench.errors import CardError, DataError, UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.models.base import VisionLanguageModel
from vlmbench.tasks.base import Outcome, TaskOptions, choose
from vlmbench.tasks.retrieval.measures import Found, check_metrics, metric_values
from vlmbench.tasks.retrieval.ranks import Ranked, rank

BARE = "{}"
"""The caption as it is: what CLIP_benchmark encodes. CLIP's paper put "a photo of" before it (section 3.1)."""


@dataclass(frozen=True)
class RetrievalQuestion:
    """Which of all captions are this image's, and which of all images is this caption's?"""

    card: TaskCard
    dataset: ImageDataset
    indices: Sequence[int]
    template: str
    template_from: str
    seed: int

    @property
    def prompts_sha256(self) -> str:
        """Over the template; captions are data, and the dataset's fingerprint holds them."""
        return sha256(json.dumps([self.template]).encode()).hexdigest()

    def protocol(self, model: VisionLanguageModel) -> Mapping[str, Any]:
        """See :class:`~vlmbench.tasks.base.Question`."""
        return {
            "captions_per_image": self.card.captions_per_image,
            "templates": [self.template],
            "templates_from": self.template_from,
            "metrics": list(self.card.metrics),
            "main_metric": self.card.main_metric,
            "ties": "against the model",
        }

    def unsupported(self, model: VisionLanguageModel) -> str | None:
        """Never: every model has what this needs."""
        return None

    def answer(self, engine: FeatureEngine) -> Outcome:
        """Encode images and captions, rank each against all of the others, measure."""
        features = torch.empty(len(self.indices), engine.model.embedding_dim)
        row_of = {index: row for row, index in enumerate(self.indices)}
        contents: dict[int, str] = {}
        with closing(engine.images(self.dataset, self.indices)) as batches:  # its threads end here, come what may
            for batch in batches:
                features[[row_of[index] for index in batch.indices]] = batch.features
                contents.update(zip(batch.indices, batch.contents, strict=True))
        if not contents:
            raise DataError("no sample could be scored", hint="Every one was bad or left out.")
        scored = [index for index in self.indices if index in contents]
        images = features[[row_of[index] for index in scored]]
        captions = [self._captions(index) for index in scored]
        spans = list(accumulate((len(own) for own in captions), initial=0))
        flat = [caption for own in captions for caption in own]
        texts = engine.texts([fill_template(self.template, caption) for caption in flat])
        with engine.timed("ranking"):
            by_image, by_caption = _both_ways(images, texts, flat, spans, engine.model.device)
        found = Found(by_image.ranks, by_caption.ranks, np.repeat(np.arange(len(scored)), np.diff(spans)))
        with engine.timed("metrics"):
            return Outcome(
                metrics=metric_values(self.card.metrics, found, self.seed),
                per_class=(),
                predictions=self._table(scored, contents, flat, spans, by_image, by_caption),
                contents=contents,
                warnings=self._warnings(scored),
            )

    def _captions(self, index: int) -> tuple[str, ...]:
        captions = self.dataset.samples[index].target
        assert isinstance(captions, tuple)  # check_captions has seen every target
        return tuple(map(str, captions[: self.card.captions_per_image]))

    def _warnings(self, scored: Sequence[int]) -> list[str]:
        wanted = self.card.captions_per_image
        few = sum(len(self._captions(index)) < wanted for index in scored) if wanted else 0
        return [f"{few:,} of {len(scored):,} images have fewer than {wanted} captions"] if few else []

    def _table(
        self,
        scored: Sequence[int],
        contents: Mapping[int, str],
        flat: Sequence[str],
        spans: Sequence[int],
        by_image: Ranked,
        by_caption: Ranked,
    ) -> pa.Table:
        """One row an image: its rank and best captions, and for each of its captions the rank and the best image."""
        ids = [self.dataset.samples[index].id for index in scored]
        best_images = [ids[image] for image in by_caption.top[:, 0]]
        offsets = pa.array(spans, pa.int32())
        return pa.table(
            {
                "sample": pa.array(ids, pa.string()),
                "content": pa.array([contents[index] for index in scored], pa.string()),
                "image_to_text_rank": pa.array(by_image.ranks, pa.int32()),
                "top_captions": pa.array([[flat[c] for c in row] for row in by_image.top], pa.list_(pa.string())),
                "captions": pa.ListArray.from_arrays(offsets, pa.array(flat, pa.string())),
                "text_to_image_ranks": pa.ListArray.from_arrays(offsets, pa.array(by_caption.ranks, pa.int32())),
                "top_image": pa.ListArray.from_arrays(offsets, pa.array(best_images, pa.string())),
            }
        )


def _both_ways(
    images: Tensor, texts: Tensor, captions: Sequence[str], spans: Sequence[int], device: str
) -> tuple[Ranked, Ranked]:
    """Image queries over captions, and caption queries over images.

    Args:
        images: (I, D), unit length.
        texts: (M, D), unit length, the captions of the first image first.
        captions: the M captions, some of which may be equal.
        spans: (I + 1,) where each image's captions begin.
        device: where the model is; similarities are computed there.
    """
    first_place = {caption: place for place, caption in reversed(list(enumerate(captions)))}
    distinct = sorted(first_place.values())
    row_of = {captions[place]: row for row, place in enumerate(distinct)}
    columns = torch.tensor([row_of[caption] for caption in captions], device=device)
    images, texts = images.to(device), texts.to(device)
    begins = torch.tensor(spans, device=device)
    owners = torch.repeat_interleave(torch.arange(len(images), device=device), begins.diff())
    return (
        rank(images, texts[distinct], begins[:-1], begins[1:], columns=columns),
        rank(texts, images, owners, owners + 1),
    )


class Retrieval:
    """See :class:`~vlmbench.tasks.base.TaskPlugin`."""

    version = 1
    protocol_fields: frozenset[str] = frozenset()

    def target(self, card: TaskCard) -> TargetKind:
        """Captions."""
        return "captions"

    def check(self, card: TaskCard, options: TaskOptions) -> None:
        """Refuse unknown metrics, and words for classes, of which there are none here."""
        where = f"task {card.name!r}"
        check_metrics(card.metrics, where=where)
        if card.classes is not None or card.multi_label:
            raise CardError(f"{where}: retrieval has no classes", hint="Leave out `classes` and `multi_label`.")
        if options.class_names is not None:
            raise UsageError(f"{where}: retrieval has no classes to name", hint="Leave out --classnames.")
        for templates, whose in ((card.templates, "the card"), (options.templates, "--templates")):
            if templates is not None and len(templates) != 1:
                raise UsageError(
                    f"{where}: {whose} has {len(templates)} templates", hint="Retrieval takes one; {} is the caption."
                )

    def ask(self, card: TaskCard, dataset: ImageDataset, options: TaskOptions) -> RetrievalQuestion:
        """Settle the template and the images; their captions come with them."""
        if options.templates is not None:
            template, template_from = options.templates[0], "option"
        else:
            template, template_from = (card.templates[0], "card") if card.templates else (BARE, "default")
        return RetrievalQuestion(
            card=card,
            dataset=dataset,
            indices=choose(len(dataset.samples), options.limit, options.seed),
            template=template,
            template_from=template_from,
            seed=options.seed,
        )


PLUGIN = Retrieval()
