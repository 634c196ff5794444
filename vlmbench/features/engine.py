"""Defines the engine: one loaded model with its caches and settings. Tasks ask it for features and for capabilities.

Runs make one for each loaded model.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import PIL.Image
import torch
from torch import Tensor

from vlmbench.data.base import ImageDataset, frames_per_sample
from vlmbench.data.shown import AnnotatedSize
from vlmbench.errors import UnsupportedError, UsageError
from vlmbench.features.batches import halving
from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.images.batch import ImageBatch, ImageTally
from vlmbench.features.images.decoded import Picture, Truth, stream_pictures
from vlmbench.features.images.forward import ImageEncoder, Queued, overlapped
from vlmbench.features.images.prepared import prepared_images
from vlmbench.features.images.read import Ready
from vlmbench.features.images.stream import encode_images
from vlmbench.features.images.whole_clips import encode_clips
from vlmbench.features.memory import FeatureMemory
from vlmbench.features.precision import forward_pass
from vlmbench.features.progress import Progress, Silent
from vlmbench.features.run_cache import Encoder, RunCache
from vlmbench.features.saved_answers import SavedAnswers
from vlmbench.features.settings import EngineSettings
from vlmbench.features.texts.cut import Called, cut_texts, tell_of_cut
from vlmbench.features.texts.encode import encode_texts
from vlmbench.features.texts.same import TOLERANCES, groups_of_equals, groups_of_same_tokens, tell_of_indistinct
from vlmbench.features.vectors.flat import FlatVectors, separate
from vlmbench.features.vectors.texts import TextVectors, encode_text_vectors
from vlmbench.models.base import (
    Model,
    TokenReader,
    VisionLanguageModel,
    capability,
    dual_encoder,
    lacks_encoders,
)
from vlmbench.models.clip_encoder import ClipEncoder
from vlmbench.models.multi_vector import MultiVectorEncoder, multi_vector
from vlmbench.records import CacheUse

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class FeatureEngine:
    """A loaded model that works on one pair of model and task. Each pair gets a new engine; the model is loaded once.

    Attributes:
        spaces: the caches of features; None: features are not cached.
        tally: counts and times of the images so far.
        text_use: how many prompts' features came from the cache, and how many were computed.
        memory: what is asked for again and again with this model, such as the features of a test set.
        others: gives an engine of another model by its name; None: no other model can be loaded here.
        saving: where the question keeps the model's answers for ``predictions:``; None: nowhere.
    """

    model: Model
    settings: EngineSettings
    spaces: RunCache | None = None
    progress: Progress = field(default_factory=Silent)
    tally: ImageTally = field(default_factory=ImageTally)
    text_use: CacheUse = field(default_factory=CacheUse)
    memory: FeatureMemory = field(default_factory=FeatureMemory)
    others: Callable[[str], FeatureEngine] | None = None
    saving: SavedAnswers | None = None
    _others: dict[str, FeatureEngine] = field(default_factory=dict, init=False, repr=False, compare=False)

    def other(self, name: str) -> FeatureEngine:
        """An engine of another model, with the same settings. It counts its own images, and stays the same one.

        Args:
            name: as ``-m`` takes it.

        Raises:
            UsageError: this engine cannot load other models.
            VlmbenchError: the model cannot be loaded.
        """
        if self.others is None:
            raise UsageError(
                f"the model {name!r} cannot be loaded beside {self.model.card.name}: this engine has no loader",
                hint="Use `vlmbench run` or vlmbench.evaluate, or give the engine `others`.",
            )
        if name not in self._others:
            self._others[name] = self.others(name)
        return self._others[name]

    def timed(self, stage: str) -> AbstractContextManager[None]:
        """Add the time that the block takes to a stage."""
        return self.tally.clock.timed(stage)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds spent in each stage so far; see :class:`vlmbench.records.RunInfo`."""
        found = self.tally.clock.seconds()
        return {**found, "image_forward": self.tally.forward_seconds} if "images" in found else found

    @cached_property
    def device(self) -> torch.device:
        return torch.device(self.model.device)

    @cached_property
    def encoders(self) -> VisionLanguageModel:
        """The model, if it encodes images and texts.

        Raises:
            UnsupportedError: it is not a dual encoder.
        """
        return dual_encoder(self.model)

    @cached_property
    def multi_vector(self) -> MultiVectorEncoder:
        """The model's encoders of several vectors, if it is to be asked with them.

        Raises:
            UnsupportedError: it is a dual encoder, or has no such encoders.
        """
        if (found := multi_vector(self.model)) is None:
            reason = lacks_encoders(self.model) or "it is a dual encoder: ask it for features"
            raise UnsupportedError(f"{self.model.card.name}: {reason}")
        return found

    def _space(self, encoder: Encoder, width: int | None = None) -> FeatureSpace | None:
        return self.spaces.of(self.model, encoder, width) if self.spaces else None

    def image_space(self) -> FeatureSpace | None:
        """The cache of the features of whole images; None if nothing is cached."""
        return self._space("image")

    def text_space(self) -> FeatureSpace | None:
        """The cache of the features of texts; None if nothing is cached."""
        return self._space("text")

    def texts(self, texts: Sequence[str], *, called: Called = "text") -> Tensor:
        """Encode N texts to (N, D) float32 on the CPU, unit length, with :func:`.texts.encode.encode_texts`."""
        encoders, space = self.encoders, self._space("text")
        with self.timed("text"):
            features, use = encode_texts(
                encoders,
                texts,
                precision=self.settings.precision,
                space=space,
                progress=self.progress,
                called=called,
            )
        self._count(use)
        return features

    def text_vectors(self, texts: Sequence[str], *, called: Called = "text") -> TextVectors:
        """Encode N texts to L vectors each, with :func:`.vectors.texts.encode_text_vectors`."""
        encoder = self.multi_vector
        model = FlatVectors(self.model, encoder, "text")
        space = self._space("text vectors", model.embedding_dim)
        with self.timed("text"):
            encoded, use = encode_text_vectors(
                model,
                texts,
                encoder.text_vectors,
                precision=self.settings.precision,
                space=space,
                progress=self.progress,
                called=called,
            )
        self._count(use)
        return encoded

    def _count(self, use: CacheUse) -> None:
        self.text_use = CacheUse(
            text_hits=self.text_use.text_hits + use.text_hits,
            text_misses=self.text_use.text_misses + use.text_misses,
        )

    def tell_of_same_classes(self, features: Tensor, names: Sequence[str], owners: Sequence[int] | None = None) -> None:
        """Remark on classes whose features, (C, D) on the CPU, differ only by rounding; see :mod:`.texts.same`."""
        tell_of_indistinct(groups_of_equals(features, TOLERANCES[self.settings.precision]), names, owners)

    def tell_of_labels(self, labels: Sequence[str], names: Sequence[str], owners: Sequence[int] | None = None) -> None:
        """Remark on prompts that were cut and on equal classes, if a capability of the model reads the prompts itself.

        Args:
            labels: one prompt for each of the C names.
        """
        reader = capability(self.model, TokenReader)
        if reader is None or not labels:
            return

        def groups(some: Sequence[str]) -> list[list[int]]:
            return groups_of_same_tokens(reader.tokenize(some))

        tell_of_cut(cut_texts(self.model, list(dict.fromkeys(labels))), labels, "prompt", groups)
        tell_of_indistinct(groups(labels), names, owners)

    def images(self, dataset: ImageDataset, indices: Sequence[int]) -> Generator[ImageBatch, None, None]:
        """Encode the chosen samples in batches; see :func:`~vlmbench.features.images.stream.encode_images`."""
        encoders, space = self.encoders, self._space("image")
        with self.timed("images"):
            yield from encode_images(
                encoders, dataset, indices, self.settings, space=space, progress=self.progress, tally=self.tally
            )

    def clips(
        self, encoder: ClipEncoder, dataset: ImageDataset, indices: Sequence[int]
    ) -> Generator[ImageBatch, None, None]:
        """Encode the chosen clips as a whole, in batches; see :func:`.images.whole_clips.encode_clips`."""
        with self.timed("images"):
            yield from encode_clips(
                encoder, self.device, dataset, indices, self.settings, progress=self.progress, tally=self.tally
            )

    def image_vectors(self, dataset: ImageDataset, indices: Sequence[int]) -> Generator[ImageBatch, None, None]:
        """Encode the chosen samples to K vectors each: as :meth:`images`, but features are (B, K, D)."""
        encoder = self.multi_vector
        if frames_per_sample(dataset) > 1:
            raise UnsupportedError("a clip of several frames has no vectors of one image")
        model = FlatVectors(self.model, encoder, "image")
        space = self._space("image vectors", model.embedding_dim)
        with (
            self.timed("images"),
            closing(
                encode_images(
                    model, dataset, indices, self.settings, space=space, progress=self.progress, tally=self.tally
                )
            ) as batches,
        ):
            for batch in batches:
                names = [dataset.samples[index].id for index in batch.indices]
                yield replace(batch, features=separate(batch.features, encoder.image_vectors, names))

    def prepared(self, dataset: ImageDataset, indices: Sequence[int]) -> Generator[Ready, None, None]:
        """The chosen samples after the model's transform; see :func:`.images.prepared.prepared_images`."""
        with self.timed("images"):
            yield from prepared_images(
                self.encoders, dataset, indices, self.settings, progress=self.progress, tally=self.tally
            )

    def pictures(
        self,
        dataset: ImageDataset,
        indices: Sequence[int],
        load: Callable[[int, PIL.Image.Image], Truth[T]],
        annotated: AnnotatedSize | None = None,
    ) -> Generator[Picture[T], None, None]:
        """Decode the chosen samples and load their truth, with :func:`.images.decoded.stream_pictures`."""
        with self.timed("images"):
            yield from stream_pictures(
                dataset,
                indices,
                load,
                self.settings,
                annotated=annotated,
                progress=self.progress,
                tally=self.tally,
            )

    def pixels(self, images: Sequence[PIL.Image.Image]) -> Tensor:
        """Encode N images in memory, such as crops, to (N, D) float32 on the CPU, unit length.

        Raises:
            ModelError, NonFiniteFeaturesError: see :func:`~vlmbench.features.batches.checked`.
        """
        encoder, size = self._encoder, self.settings.batch_size

        def start(first: int) -> Queued:
            batch = images[first : first + size]
            with self.tally.clock.timed("crop_preprocess"):
                pixels = [encoder.path.prepare(image) for image in batch]
            return encoder.queue(pixels, [f"picture {first + row}" for row in range(len(batch))])

        starts = range(0, len(images), size)
        batches = overlapped(starts, start, lambda _, queued: encoder.fetch(queued), encoder.in_flight)
        encoded = [features for _, features in batches]
        return torch.cat(encoded) if encoded else torch.empty(0, self.encoders.embedding_dim)

    @cached_property
    def _encoder(self) -> ImageEncoder:
        return ImageEncoder(self.encoders, self.settings.precision, self.tally)

    def ask(self, call: Callable[[Sequence[T]], R], inputs: Sequence[T], *, gradients: bool = False) -> list[R]:
        """Ask a capability of the model for its answers to N inputs.

        The settings give the batch size and the precision. If memory runs out, the batch is halved. The time counts as
        the model's. The caller must check that the answers keep the capability's promises.

        Args:
            call: maps B inputs to their answers: a tensor of B rows, a list, or anything else. It must have no side
                effects, because it is called again if memory runs out.
            inputs: images, tensors, or other inputs of the capability.
            gradients: keep what a backward pass needs.

        Returns:
            The answers of each call, in order; :func:`~vlmbench.features.batches.rows_of` joins tensors.

        Raises:
            ModelError: a single input does not fit into memory.
        """
        answers: list[R] = []
        for start in range(0, len(inputs), self.settings.batch_size):
            batch = inputs[start : start + self.settings.batch_size]
            with self.tally.forward(), forward_pass(self.device, self.settings.precision, gradients=gradients):
                answers += halving(call, batch)
        return answers

    def cache_use(self) -> CacheUse:
        """The cache's hits and misses so far, of images and of prompts."""
        return self.text_use.model_copy(update={"image_hits": self.tally.hits, "image_misses": self.tally.computed})
