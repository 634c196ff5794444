"""The plugin of retrieval: encodes captions and images, ranks them for each other, and computes metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch

from vlmbench.cards import TaskCard, fill_template
from vlmbench.data.base import Chosen, ImageDataset, TargetKind, frames_per_sample
from vlmbench.errors import CardError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.vectors.store import Floats, kept_array
from vlmbench.models.base import Model
from vlmbench.models.multi_vector import lacks_similarity, multi_vector, similarity_fields
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
from vlmbench.tasks.contents import ContentKeeper, Contents, dataset_order, in_order
from vlmbench.tasks.given.base import GivenAnswers
from vlmbench.tasks.given.contents import given_contents
from vlmbench.tasks.given.matching import refuse_or_leave_out
from vlmbench.tasks.retrieval.both_ways import both_ways, several_both_ways
from vlmbench.tasks.retrieval.given import SUFFIXES, ranked, read_answers
from vlmbench.tasks.retrieval.measures import MEASURES, Found, metric_values
from vlmbench.tasks.retrieval.pictures import draw_answers
from vlmbench.tasks.retrieval.protocol import RetrievalProtocol
from vlmbench.tasks.retrieval.ranks import Ranked
from vlmbench.tasks.retrieval.saved import saved_matrices
from vlmbench.tasks.subset import choose
from vlmbench.tasks.zero_shot import encoded_one_by_one
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
        several = multi_vector(model)
        return {
            **self.settings.model_dump(),
            "metrics": list(self.card.metrics),
            "main_metric": self.card.main_metric,
            "ties": "against the model",
            **(similarity_fields(several) if several else {}),
        }

    def unsupported(self, model: Model) -> str | None:
        return lacks_similarity(model, frames_per_sample(self.dataset))

    def encoded(self, model: Model) -> Chosen | None:
        return encoded_one_by_one(model, self.dataset, self.indices)

    def answer(self, engine: FeatureEngine) -> Outcome:
        """Encode the images and captions, rank all captions for each image and the reverse, and compute the metrics."""
        several = multi_vector(engine.model) is not None
        images, hashes = self._images(engine, several=several)
        contents, order = hashes.contents(), dataset_order(hashes.indices())
        flat, spans = self._all_captions(contents)
        template = self.settings.template
        filled = flat if template == "{}" else [fill_template(template, caption) for caption in flat]
        hexes = list(contents.values())
        ids = [self.dataset.samples[index].id for index in contents.indices]
        if several:
            vectors = engine.text_vectors(filled, called="caption")
            how, device = engine.multi_vector.similarity, engine.device
            with engine.timed("ranking"), saved_matrices(engine, ids, flat) as keep:
                by_image, by_caption = several_both_ways(images, order, vectors, hexes, spans, how, device, keep)
        else:
            texts = engine.texts(filled, called="caption")
            features = torch.from_numpy(in_order(images, order))
            with engine.timed("ranking"), saved_matrices(engine, ids, flat) as keep:
                by_image, by_caption = both_ways(features, texts, hexes, flat, spans, engine.device, keep)
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

    def _images(self, engine: FeatureEngine, *, several: bool) -> tuple[Floats, ContentKeeper]:
        """The features of the images that could be read, in the order of arrival, and these images' hashes.

        Features are (I, D), or (I, K, D) of a model with several vectors an image; a large array of these is in a file.
        """
        most, hashes = len(self.indices), ContentKeeper(len(self.indices))
        if several:
            encoder = engine.multi_vector
            features = kept_array((most, encoder.image_vectors, encoder.embedding_dim))
            stream = engine.image_vectors(self.dataset, self.indices)
        else:
            features = np.empty((most, engine.encoders.embedding_dim), dtype=np.float32)
            stream = engine.images(self.dataset, self.indices)
        with closing(stream) as batches:  # ends its threads, also after an error
            for batch in batches:
                features[hashes.add(batch)] = batch.features.numpy()
        count = len(hashes.indices())
        if not count:
            raise nothing_scored()
        return features[:count], hashes

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
