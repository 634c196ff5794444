"""Does the work of the image stream's threads: reads, hashes, looks up, decodes and preprocesses a sample.

It also measures the time of each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

import PIL.Image
import torch
from torch import Tensor

from vlmbench.data.base import ImageDataset, sample_digest, sample_images
from vlmbench.data.formats.pixels import decode_rgb, facts_of_notes, notes_of, say_facts
from vlmbench.errors import BadSampleError, ModelError
from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.stopwatch import Stopwatch
from vlmbench.models.base import Pixels
from vlmbench.records import BadSample

Prepare = Callable[[PIL.Image.Image], Pixels]


@dataclass(frozen=True)
class Ready:
    """One image from a worker: either its cached features or its pixels.

    Attributes:
        note: what the cache keeps with its features, see :class:`~vlmbench.features.cache.space.Kept`.
    """

    index: int
    content: bytes
    cached: Tensor | None
    pixels: Pixels | None
    note: str = ""


@dataclass(frozen=True)
class Bad:
    """One sample that cannot be used.

    ``content`` is its content hash if its files can be read, so that a later run recognises it.
    """

    error: BadSampleError
    content: str | None

    def sample(self) -> BadSample:
        return BadSample(id=self.error.sample_id, reason=self.error.reason, content=self.content)


@dataclass(frozen=True)
class ImageReader:
    """Turns samples into the encoder's input. Several threads call it at once.

    Attributes:
        clock: gets the time of every step, summed over threads.
    """

    dataset: ImageDataset
    prepare: Prepare
    space: FeatureSpace | None
    clock: Stopwatch

    def read(self, index: int) -> list[Ready] | Bad:
        """Read the images of one sample."""
        ready: list[Ready] = []
        digests: list[bytes] = []
        problem: BadSampleError | None = None
        images = sample_images(self.dataset, index)
        try:
            while (data := self._next(images)) is not None:
                with self.clock.timed("hash"):
                    digests.append(sha256(data).digest())
                try:
                    if problem is None:
                        ready.append(self._image(index, data, digests[-1]))
                except BadSampleError as error:
                    problem = error  # the whole sample is bad, but its content hash needs the remaining images
        except BadSampleError as error:
            return Bad(problem or error, None)
        return Bad(problem, sample_digest(digests).hex()) if problem else ready

    def _next(self, images: Iterator[bytes]) -> bytes | None:
        with self.clock.timed("read"):
            return next(images, None)

    def _image(self, index: int, data: bytes, content: bytes) -> Ready:
        sample_id = self.dataset.samples[index].id
        if self.space is not None:
            with self.clock.timed("cache_lookup"):
                known = self.space.get(content)
            if known is not None:
                say_facts(facts_of_notes(known.note), sample_id)
                return Ready(index, content, torch.from_numpy(known.vector.copy()), None)
        with self.clock.timed("decode"):
            decoded = decode_rgb(data, sample_id)
        say_facts(decoded.facts, sample_id)
        try:
            with self.clock.timed("preprocess"):
                pixels = self.prepare(decoded.image)
        except (OSError, ValueError) as error:  # Pillow raises these for an image that it cannot resize
            raise BadSampleError(sample_id, f"the model's transform refuses the image: {error}") from error
        tensors = list(pixels.values()) if isinstance(pixels, Mapping) else [pixels]
        if not tensors or not all(isinstance(tensor, Tensor) for tensor in tensors):
            raise ModelError(
                f"the model's transform returned a {type(pixels).__name__} for {sample_id!r}, "
                "not a tensor (3, H, W) or several named tensors"
            )
        return Ready(index, content, None, pixels, notes_of(decoded.facts))
