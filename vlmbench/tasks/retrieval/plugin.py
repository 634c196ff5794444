"""The plugin of retrieval: encodes captions and images, ranks them for each other, and computes metrics."""

from __future__ import annotations

import json
from array import array
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from vlmbench.cards import TaskCard, fill_template
from vlmbench.data.base import ImageDataset, TargetKind
from vlmbench.errors import CardError
from vlmbench.features.engine import FeatureEngine
from vlmbench.models.base import Model, lacks_encoders
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import FEW_CAPTIONS
from vlmbench.tasks.base import (
    Datasets,
    DrawPictures,
    Outcome,
    TaskOptions,
    check_known_metrics,
    nothing_scored,
    settle_protocol,
)
from vlmbench.tasks.contents import ContentKeeper, Contents, dataset_order
from vlmbench.tasks.given.base import GivenAnswers
from vlmbench.tasks.given.contents import given_contents
from vlmbench.tasks.given.matching import refuse_or_leave_out
from vlmbench.tasks.retrieval.given import SUFFIXES, ranked, read_answers
from vlmbench.tasks.retrieval.measures import MEASURES, Found, metric_values
from vlmbench.tasks.retrieval.pictures import draw_answers
from vlmbench.tasks.retrieval.protocol import RetrievalProtocol
from vlmbench.tasks.retrieval.ranks import Ranked, rank
from vlmbench.tasks.retrieval.saved import KeepBoth, saved_matrices
from vlmbench.tasks.subset import choose
from vlmbench.visuals.text import font_path
from vlmbench.wording import counted, either


@dataclass(frozen=True)
class RetrievalQuestion:
    """Which captions belong to this image, and which image belongs to this caption?"""

    answer_suffixes: ClassVar[Sequence[str]] = SUFFIXES
    card: TaskCard
    dataset: ImageDataset
    indices: Sequence[int]
    settings: RetrievalProtocol
    seed: int
    visuals: int = 0

    @property
    def prompts_sha256(self) -> str:
        """The hash of the template. The captions are data, and the dataset's fingerprint includes them."""
        return sha256(json.dumps([self.settings.template]).encode()).hexdigest()

    def protocol(self, model: Model) -> Mapping[str, Any]:
        return {
            **self.settings.model_dump(),
            "metrics": list(self.card.metrics),
            "main_metric": self.card.main_metric,
            "ties": "against the model",
        }

    def unsupported(self, model: Model) -> str | None:
        return lacks_encoders(model)

    def answer(self, engine: FeatureEngine) -> Outcome:
        """Encode the images and captions, rank all captions for each image and the reverse, and compute the metrics."""
        images, contents = self._images(engine)
        flat, spans = self._all_captions(contents)
        template = self.settings.template
        filled = flat if template == "{}" else [fill_template(template, caption) for caption in flat]
        texts = engine.texts(filled, called="caption")
        ids = [self.dataset.samples[index].id for index in contents.indices]
        with engine.timed("ranking"), saved_matrices(engine, ids, flat) as keep:
            by_image, by_caption = _both_ways(images, texts, list(contents.values()), flat, spans, engine.device, keep)
        return self._outcome(engine, contents, flat, spans, by_image, by_caption)

    def answer_given(self, engine: FeatureEngine, given: GivenAnswers) -> Outcome:
        """Read scores or ranked lists, rank all captions for each image and the reverse, and compute the metrics."""
        with engine.timed("answers"):
            answers = read_answers(given, self.dataset, range(len(self.dataset.samples)), self._captions)
        contents = given_contents(engine, self.dataset, self.indices, given)
        answered = np.isin(contents.indices, answers.images)
        missing = [self.dataset.samples[index].id for index in contents.indices[~answered]]
        refuse_or_leave_out(missing, len(contents), given.missing, str(given.path), str(given.path.parent))
        contents = contents.only(answered)
        flat, spans = self._all_captions(contents)
        with engine.timed("ranking"):
            by_image, by_caption = ranked(answers, contents.indices, flat, spans)
        return self._outcome(engine, contents, flat, spans, by_image, by_caption)

    def _all_captions(self, contents: Contents) -> tuple[list[str], list[int]]:
        """The M captions of the images, and (I + 1,) the place of each image's first caption, and M at the end."""
        captions = [self._captions(index) for index in contents.indices.tolist()]
        spans = list(accumulate((len(own) for own in captions), initial=0))
        return [caption for own in captions for caption in own], spans

    def _outcome(
        self,
        engine: FeatureEngine,
        contents: Contents,
        flat: Sequence[str],
        spans: Sequence[int],
        by_image: Ranked,
        by_caption: Ranked,
    ) -> Outcome:
        scored = contents.indices.tolist()
        found = Found(by_image.ranks, by_caption.ranks, np.repeat(np.arange(len(scored)), np.diff(spans)))
        with engine.timed("metrics"):
            metrics = metric_values(self.card.metrics, found, self.seed)
        return Outcome(
            metrics=metrics,
            per_class=(),
            predictions=self._table(scored, contents, flat, spans, by_image, by_caption),
            contents=contents,
            visuals=self._pictures(engine.model.card.name, scored, flat, spans, by_image) if self.visuals else None,
        )

    def _images(self, engine: FeatureEngine) -> tuple[Tensor, Contents]:
        """(I, D) the features of the images that could be read, in the dataset's order, and these images' hashes."""
        features = torch.empty(len(self.indices), engine.encoders.embedding_dim)
        hashes = ContentKeeper(len(self.indices))
        with closing(engine.images(self.dataset, self.indices)) as batches:  # ends its threads, also after an error
            for batch in batches:
                features[hashes.add(batch)] = batch.features
        indices = hashes.indices()
        if not len(indices):
            raise nothing_scored()
        order = dataset_order(indices)
        features = features[: len(indices)]
        return features if order is None else features[torch.from_numpy(order)], hashes.contents()

    def _pictures(
        self, model: str, scored: Sequence[int], flat: Sequence[str], spans: Sequence[int], by_image: Ranked
    ) -> DrawPictures:
        return partial(
            draw_answers,
            self.dataset,
            scored,
            flat,
            spans,
            by_image,
            where=f"{model} on {self.card.name}",
            count=self.visuals,
            seed=self.seed,
        )

    def tell_of_few_captions(self) -> None:
        """Make a remark about images with fewer captions than the protocol uses."""
        wanted = self.settings.captions_per_image or 0
        few = [self.dataset.samples[index].id for index in self.indices if len(self._captions(index)) < wanted]
        if few:
            say(
                FEW_CAPTIONS,
                f"{len(few):,} of {counted(len(self.indices), 'image')} {either(len(few), 'has', 'have')} fewer than "
                f"{counted(wanted, 'caption')}",
                brief=f"{counted(len(few), 'image')} with few captions",
                count=len(few),
                examples=few,
            )

    def _captions(self, index: int) -> tuple[str, ...]:
        captions = self.dataset.samples[index].target
        assert isinstance(captions, tuple)  # check_captions in data/labels.py has checked every target
        return tuple(map(str, captions[: self.settings.captions_per_image]))

    def _table(
        self,
        scored: Sequence[int],
        contents: Contents,
        flat: Sequence[str],
        spans: Sequence[int],
        by_image: Ranked,
        by_caption: Ranked,
    ) -> pa.Table:
        """One row for each image: the rank of its best own caption, and the captions with the highest scores.

        For each of its own captions, the row has the rank of the image and the image with the highest score.
        """
        ids = [self.dataset.samples[index].id for index in scored]
        best_images = [ids[image] if image >= 0 else None for image in by_caption.top[:, 0]]
        offsets = pa.array(spans, pa.int32())
        captions = pa.array(flat, pa.string())
        known = by_image.top >= 0
        top_offsets = np.concatenate([[0], np.cumsum(known.sum(axis=1))]).astype(np.int32)
        return pa.table(
            {
                "sample": pa.array(ids, pa.string()),
                "content": contents.column(),
                "image_to_text_rank": pa.array(by_image.ranks, pa.int32()),
                "top_captions": pa.ListArray.from_arrays(top_offsets, captions.take(by_image.top[known])),
                "captions": pa.ListArray.from_arrays(offsets, captions),
                "text_to_image_ranks": pa.ListArray.from_arrays(offsets, pa.array(by_caption.ranks, pa.int32())),
                "top_image": pa.ListArray.from_arrays(offsets, pa.array(best_images, pa.string())),
            }
        )


def _both_ways(
    images: Tensor,
    texts: Tensor,
    contents: Iterable[Hashable],
    captions: Sequence[str],
    spans: Sequence[int],
    device: torch.device,
    keep: KeepBoth = (None, None),
) -> tuple[Ranked, Ranked]:
    """Rank all captions for each image, and all images for each caption.

    Args:
        images: (I, D), unit length.
        texts: (M, D), unit length; the captions of the first image come first.
        contents: I content hashes. Images with the same hash are equal.
        captions: M texts. Some may be equal.
        spans: (I + 1,) the place of each image's first caption, and M at the end.
        device: the device that computes the scores.
        keep: are given all scores: those of captions for images, and those of images for captions.
    """
    image_rows, image_columns = _distinct(contents)
    text_rows, text_columns = _distinct(captions)
    images, texts = _taken(images.to(device), image_rows), _taken(texts.to(device), text_rows)
    begins = torch.tensor(spans, device=device)
    owners = torch.repeat_interleave(torch.arange(len(spans) - 1, device=device), begins.diff())
    image_columns, text_columns = image_columns.to(device), text_columns.to(device)
    return (
        rank(_taken(images, image_columns), texts, begins[:-1], begins[1:], columns=text_columns, keep=keep[0]),
        rank(_taken(texts, text_columns), images, owners, owners + 1, columns=image_columns, keep=keep[1]),
    )


def _distinct(names: Iterable[Hashable]) -> tuple[Tensor, Tensor]:
    """(R,) the first place of each different name, and (N,) for each of the N names, which of the R it is."""
    number: dict[Hashable, int] = {}
    first, columns = array("q"), array("q")
    for place, name in enumerate(names):
        row = number.setdefault(name, len(number))
        if row == len(first):
            first.append(place)
        columns.append(row)
    return torch.tensor(first), torch.tensor(columns)


def _taken(features: Tensor, rows: Tensor) -> Tensor:
    """Some rows of the features. If these are all rows in their order, the features themselves and no copy."""
    same = len(rows) == len(features) and bool((rows.cpu() == torch.arange(len(features))).all())
    return features if same else features[rows.to(features.device)]


class Retrieval:
    """See :class:`~vlmbench.tasks.base.TaskPlugin`."""

    version = 1
    class_prompts = False
    protocol_fields = frozenset(RetrievalProtocol.model_fields)

    def target(self, card: TaskCard) -> TargetKind:
        return "captions"

    def check(self, card: TaskCard, options: TaskOptions) -> None:
        """Refuse unknown metrics and card fields about classes, because retrieval has no classes."""
        where = f"task {card.name!r}"
        check_known_metrics(card.metrics, MEASURES, where=where)
        if card.classes is not None or card.multi_label or card.templates is not None:
            raise CardError(
                f"{where}: retrieval has no classes",
                hint="Remove classes, multi_label and templates. To add text to the captions, set "
                "`protocol: {template: …}`.",
            )
        settle_protocol(RetrievalProtocol, card, options)
        if options.visuals:
            font_path()  # raises if the user's font file is not a font

    def ask(self, card: TaskCard, datasets: Datasets, options: TaskOptions) -> RetrievalQuestion:
        """Settle the template, and choose the images. Their captions are chosen with them."""
        dataset = datasets["test"]
        question = RetrievalQuestion(
            card=card,
            dataset=dataset,
            indices=choose(dataset.samples, options),
            settings=settle_protocol(RetrievalProtocol, card, options),
            seed=options.seed,
            visuals=options.visuals,
        )
        question.tell_of_few_captions()
        return question


PLUGIN = Retrieval()
