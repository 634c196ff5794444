"""The engine: one loaded model, its caches and its settings, asked by the tasks for features and capabilities."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeVar

import PIL.Image
import torch
from torch import Tensor

from vlmbench.data.base import ImageDataset
from vlmbench.data.shown import AnnotatedSize
from vlmbench.features.batches import halving
from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.images.batch import ImageBatch, ImageTally
from vlmbench.features.images.decoded import Picture, Truth, stream_pictures
from vlmbench.features.images.forward import ImageEncoder, Queued, overlapped
from vlmbench.features.images.stream import encode_images
from vlmbench.features.precision import forward_pass
from vlmbench.features.progress import Progress, Silent
from vlmbench.features.run_cache import RunCache
from vlmbench.features.settings import EngineSettings
from vlmbench.features.texts.cut import Called, cut_texts, tell_of_cut
from vlmbench.features.texts.encode import encode_texts
from vlmbench.features.texts.same import TOLERANCES, groups_of_equals, groups_of_same_tokens, tell_of_indistinct
from vlmbench.models.base import Model, TokenReader, VisionLanguageModel, capability, dual_encoder
from vlmbench.records import CacheUse

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class FeatureEngine:
    """A model at work on one pair: made anew for each, around a model that is loaded once.

    Attributes:
        spaces: where features are looked up and kept; None: nowhere.
        tally: what happened to the images so far.
        text_use: where the prompts' features came from.
    """

    model: Model
    settings: EngineSettings
    spaces: RunCache | None = None
    progress: Progress = field(default_factory=Silent)
    tally: ImageTally = field(default_factory=ImageTally)
    text_use: CacheUse = field(default_factory=CacheUse)

    def timed(self, stage: str) -> AbstractContextManager[None]:
        """Add the time of the block to a stage."""
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
        """The model, as one that encodes images and texts.

        Raises:
            UnsupportedError: it is none.
        """
        return dual_encoder(self.model)

    def _space(self, encoder: Literal["image", "text"]) -> FeatureSpace | None:
        return self.spaces.of(self.encoders, encoder) if self.spaces else None

    def texts(self, texts: Sequence[str], *, called: Called = "text") -> Tensor:
        """N texts to (N, D) float32 on the CPU, unit length; :func:`~vlmbench.features.texts.encode.encode_texts`."""
        space = self._space("text")
        with self.timed("text"):
            features, use = encode_texts(
                self.encoders,
                texts,
                precision=self.settings.precision,
                space=space,
                progress=self.progress,
                called=called,
            )
        self.text_use = CacheUse(
            text_hits=self.text_use.text_hits + use.text_hits,
            text_misses=self.text_use.text_misses + use.text_misses,
        )
        return features

    def tell_of_same_classes(self, features: Tensor, names: Sequence[str], owners: Sequence[int] | None = None) -> None:
        """Remark on classes whose features, (C, D) on the CPU, are equal but for rounding; :mod:`.texts.same`."""
        tell_of_indistinct(groups_of_equals(features, TOLERANCES[self.settings.precision]), names, owners)

    def tell_of_labels(self, labels: Sequence[str], names: Sequence[str], owners: Sequence[int] | None = None) -> None:
        """Remark on the prompts that a capability of the model reads by itself: those cut, and classes the same.

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
        """The chosen samples' features in batches; see :func:`~vlmbench.features.images.stream.encode_images`."""
        space = self._space("image")
        with self.timed("images"):
            yield from encode_images(
                self.encoders, dataset, indices, self.settings, space=space, progress=self.progress, tally=self.tally
            )

    def pictures(
        self,
        dataset: ImageDataset,
        indices: Sequence[int],
        load: Callable[[int, PIL.Image.Image], Truth[T]],
        annotated: AnnotatedSize | None = None,
    ) -> Generator[Picture[T], None, None]:
        """The chosen samples, decoded, with their truth; :func:`~vlmbench.features.images.decoded.stream_pictures`."""
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
        """Image features of pictures at hand, such as crops: N images to (N, D) float32 on the CPU, unit length.

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
        """What a capability of the model answers to N inputs.

        It is asked in batches of the settings' size, in their precision, and in halves where memory runs out; the time
        counts as the model's. Whether the answers are what the capability promises is for the caller to check.

        Args:
            call: B inputs to their answers: a tensor of B rows, a list, or anything else. It has no side effects,
                since after a lack of memory it is called again.
            inputs: images, tensors, or what else the capability takes.
            gradients: keep what a backward pass needs; by default it is not kept.

        Returns:
            The answers of each call, in order; :func:`~vlmbench.features.batches.rows_of` joins tensors.

        Raises:
            ModelError: one input alone does not fit into memory.
        """
        answers: list[R] = []
        for start in range(0, len(inputs), self.settings.batch_size):
            batch = inputs[start : start + self.settings.batch_size]
            with self.tally.forward(), forward_pass(self.device, self.settings.precision, gradients=gradients):
                answers += halving(call, batch)
        return answers

    def cache_use(self) -> CacheUse:
        """Hits and misses so far, images and prompts together."""
        return self.text_use.model_copy(update={"image_hits": self.tally.hits, "image_misses": self.tally.computed})
