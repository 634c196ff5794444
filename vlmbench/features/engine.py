"""The engine: one loaded model, its caches and its settings, asked for features by the tasks."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.data.base import ImageDataset
from vlmbench.errors import ModelError, NonFiniteFeaturesError
from vlmbench.features.batches import encode_halving
from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.images.batch import ImageBatch, ImageTally
from vlmbench.features.images.decoded import Picture, Truth, stream_pictures
from vlmbench.features.images.forward import ImageEncoder, Queued, batches_in_flight, overlapped
from vlmbench.features.images.stream import encode_images
from vlmbench.features.images.to_device import PixelPath, pixel_path
from vlmbench.features.precision import Precision, inference
from vlmbench.features.progress import Progress, Silent
from vlmbench.features.texts.encode import encode_texts
from vlmbench.features.workers import default_workers
from vlmbench.models.base import DenseEncoder, Detections, Detector, Segmenter, VisionLanguageModel
from vlmbench.records import CacheUse

T = TypeVar("T")


@dataclass(frozen=True)
class EngineSettings:
    """How features are computed; nothing here but the precision may change a number.

    Attributes:
        precision: fp32, or autocast to bf16 or fp16.
        batch_size: images a forward pass.
        workers: decoding threads; None: one a core.
        skip_bad: leave out samples that cannot be decoded instead of failing.
    """

    precision: Precision = "fp32"
    batch_size: int = 64
    workers: int | None = None
    skip_bad: bool = False

    @property
    def decoding_threads(self) -> int:
        """How many threads decode."""
        return self.workers or default_workers()


@dataclass
class FeatureEngine:
    """Features for one pair: made anew for each, around a model that is loaded once.

    Attributes:
        tally: what happened to the images so far.
        text_use: where the prompts' features came from.
    """

    model: VisionLanguageModel
    settings: EngineSettings
    image_space: FeatureSpace | None = None
    text_space: FeatureSpace | None = None
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

    def texts(self, texts: Sequence[str]) -> Tensor:
        """N texts to (N, D) float32 on the CPU, unit length; :func:`~vlmbench.features.texts.encode.encode_texts`."""
        with self.timed("text"):
            features, use = encode_texts(
                self.model,
                texts,
                precision=self.settings.precision,
                space=self.text_space,
                progress=self.progress,
            )
        self.text_use = CacheUse(
            text_hits=self.text_use.text_hits + use.text_hits,
            text_misses=self.text_use.text_misses + use.text_misses,
        )
        return features

    def images(self, dataset: ImageDataset, indices: Sequence[int]) -> Generator[ImageBatch, None, None]:
        """The chosen samples' features in batches; see :func:`~vlmbench.features.images.stream.encode_images`."""
        with self.timed("images"):
            yield from encode_images(
                self.model,
                dataset,
                indices,
                batch_size=self.settings.batch_size,
                precision=self.settings.precision,
                space=self.image_space,
                progress=self.progress,
                tally=self.tally,
                skip_bad=self.settings.skip_bad,
                workers=self.settings.decoding_threads,
            )

    def pictures(
        self, dataset: ImageDataset, indices: Sequence[int], load: Callable[[int, PIL.Image.Image], Truth[T]]
    ) -> Generator[Picture[T], None, None]:
        """The chosen samples, decoded, with their truth; :func:`~vlmbench.features.images.decoded.stream_pictures`."""
        with self.timed("images"):
            yield from stream_pictures(
                dataset,
                indices,
                load,
                progress=self.progress,
                tally=self.tally,
                skip_bad=self.settings.skip_bad,
                workers=self.settings.decoding_threads,
            )

    def pixels(self, images: Sequence[PIL.Image.Image]) -> Tensor:
        """Image features of pictures at hand, such as crops: N images to (N, D) float32 on the CPU, unit length.

        Raises:
            ModelError, NonFiniteFeaturesError: see :func:`~vlmbench.features.batches.checked`.
        """
        path, encoder, size = self._path, self._encoder, self.settings.batch_size

        def start(first: int) -> Queued:
            batch = images[first : first + size]
            with self.tally.clock.timed("crop_preprocess"):
                pixels = [path.prepare(image) for image in batch]
            return encoder.queue(pixels, [f"picture {first + row}" for row in range(len(batch))])

        batches = overlapped(range(0, len(images), size), start, lambda _, queued: encoder.fetch(queued), self._ahead)
        encoded = [features for _, features in batches]
        return torch.cat(encoded) if encoded else torch.empty(0, self.model.embedding_dim)

    @property
    def _ahead(self) -> int:
        return batches_in_flight(self.model.device)

    @cached_property
    def _path(self) -> PixelPath:
        return pixel_path(self.model)

    @cached_property
    def _encoder(self) -> ImageEncoder:
        return ImageEncoder(self.model, self._path, self.settings.precision, self.tally, self._ahead)

    def segment(self, segmenter: Segmenter, image: PIL.Image.Image, labels: Sequence[str]) -> Tensor:
        """What the model's own head says of an RGB image: C texts to (C, H, W) float32 at the image's own size.

        Raises:
            ModelError: the head returned another shape.
            NonFiniteFeaturesError: a score is NaN or infinite.
        """
        with self.tally.forward(), inference(self.model.device, self.settings.precision):
            scores = segmenter.segment([image], labels)
        expected = (len(labels), image.height, image.width)
        if [tuple(each.shape) for each in scores] != [expected]:
            shapes = [tuple(each.shape) for each in scores]
            raise ModelError(f"the segmentation head returned shapes {shapes} for one image, not {expected}")
        if not bool(torch.isfinite(scores[0]).all()):
            raise NonFiniteFeaturesError("the segmentation head returned scores that are NaN or infinite")
        return scores[0].float()

    def patches(self, encoder: DenseEncoder, windows: Sequence[Tensor], readout: str) -> Tensor:
        """Patch features of windows of one size: N of (3, H, W) to (N, D, h, w) float32 on the model's device.

        Raises:
            ModelError: one window alone does not fit into memory, or the encoder returned another shape.
            NonFiniteFeaturesError: a feature is NaN or infinite.
        """
        features = self._forward(
            lambda chosen: encoder.encode_patches(torch.stack(list(chosen)).to(self.model.device), readout), windows
        ).float()
        expected = (
            len(windows),
            self.model.embedding_dim,
            *(side // encoder.patch_size for side in windows[0].shape[1:]),
        )
        if tuple(features.shape) != expected:
            raise ModelError(f"readout {readout!r} returned shape {tuple(features.shape)}, not {expected}")
        if not bool(torch.isfinite(features).all()):
            raise NonFiniteFeaturesError(f"readout {readout!r} returned patch features that are NaN or infinite")
        return F.normalize(features, dim=1) if self.settings.precision != "fp32" else features

    def detect(self, detector: Detector, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        """What the model's own detector finds in RGB images, one entry each.

        Raises:
            ModelError: it answered for another number of images.
        """
        with self.tally.forward(), inference(self.model.device, self.settings.precision):
            found = detector.detect(images, labels)
        if len(found) != len(images):
            raise ModelError(f"the detector answered for {len(found)} images, not {len(images)}")
        return found

    def _forward(self, encode: Callable[[Sequence[Tensor]], Tensor], inputs: Sequence[Tensor]) -> Tensor:
        with self.tally.forward(), inference(self.model.device, self.settings.precision):
            return encode_halving(encode, inputs)

    def cache_use(self) -> CacheUse:
        """Hits and misses so far, images and prompts together."""
        return self.text_use.model_copy(update={"image_hits": self.tally.hits, "image_misses": self.tally.computed})
