"""Reads images as pixels, as the model's own transform gives them, for methods that train through the image tower.

Nothing here touches the feature cache. :mod:`vlmbench.transfer.imaged` learns from :class:`ViewPixels`, and
:data:`vlmbench.transfer.inputs.READERS` gives the test images to classifiers.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from vlmbench.data.base import (
    Chosen,
    ImageDataset,
    content_if_readable,
    frames_per_sample,
    sample_digest,
    sample_images,
)
from vlmbench.data.formats.pixels import Fact, decode_rgb, say_facts
from vlmbench.errors import BadSampleError, DataError, TransferError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.batch import ImageBatch
from vlmbench.features.images.read import Bad
from vlmbench.features.workers import in_threads
from vlmbench.transfer.views import SMALLEST_AREA, ViewDataset

MOST_BYTES = 2**30
"""How many bytes of pixels :class:`ViewPixels` keeps. What does not fit is made again each time."""
_AHEAD = 2
"""The number of batches that are read before they are needed."""


@dataclass(frozen=True)
class Ready:
    """One image.

    Attributes:
        pixels: (3, H, W) float32, on the CPU.
        content: the hex content hash of its sample.
        facts: what its file is like, for remarks.
    """

    index: int
    pixels: Tensor
    content: str
    facts: Sequence[Fact]


def read_pixels(
    engine: FeatureEngine, dataset: ImageDataset, indices: Sequence[int]
) -> Generator[Ready | Bad, None, None]:
    """Read, decode and transform images in threads, in order. It makes no remark.

    Raises:
        TransferError: a sample is a clip, or the model's transform gives something else than one tensor.
    """
    _check_images(dataset)
    transform, clock = engine.encoders.preprocess, engine.tally.clock

    def read(index: int) -> Ready | Bad:
        sample_id = dataset.samples[index].id
        try:
            with clock.timed("read"):
                (data,) = sample_images(dataset, index)
            with clock.timed("decode"):
                decoded = decode_rgb(data, sample_id)
            with clock.timed("preprocess"):
                pixels = transform(decoded.image)
        except BadSampleError as error:
            return Bad(error, content_if_readable(dataset, index))
        except (OSError, ValueError) as error:  # Pillow raises these for an image that it cannot resize
            reason = f"the model's transform refuses the image: {error}"
            return Bad(BadSampleError(sample_id, reason), content_if_readable(dataset, index))
        if not isinstance(pixels, Tensor):
            raise TransferError(
                f"the model's transform gives a {type(pixels).__name__}, and methods that train through the image "
                "tower need one tensor (3, H, W)"
            )
        with clock.timed("hash"):
            content = sample_digest([sha256(data).digest()]).hex()
        return Ready(index, pixels, content, decoded.facts)

    ahead = _AHEAD * engine.settings.batch_size
    with closing(in_threads(read, indices, engine.settings.decoding_threads, ahead, clock)) as images:
        yield from images


def _check_images(dataset: ImageDataset) -> None:
    if frames_per_sample(dataset) != 1:
        raise TransferError("a method that trains through the image tower learns from images, and these are clips")


def pixel_batches(engine: FeatureEngine, chosen: Chosen, settings: Mapping[str, Any]) -> Iterator[ImageBatch]:
    """The chosen images in batches of (B, 3, H, W), in order. They are read anew in each call.

    Zero-shot encodes the same images for comparison, so remarks on their files are made there.

    Raises:
        BadSampleError: an image cannot be read, and ``--skip-bad`` is off.
    """
    engine.progress.start("images", len(chosen.indices))
    waiting: list[Ready] = []
    with engine.timed("images"), closing(read_pixels(engine, chosen.dataset, chosen.indices)) as images:
        for image in images:
            engine.progress.advance(1)
            if isinstance(image, Ready):
                engine.tally.pictures += 1
                waiting.append(image)
            elif not engine.settings.skip_bad:
                raise image.error
            elif (bad := image.sample()) not in engine.tally.bad:
                engine.tally.bad.append(bad)
            if len(waiting) == engine.settings.batch_size:
                yield _batch(waiting)
                waiting = []
        if waiting:
            yield _batch(waiting)


def _batch(images: Sequence[Ready]) -> ImageBatch:
    pixels = torch.stack([image.pixels for image in images])
    return ImageBatch([image.index for image in images], pixels, [image.content for image in images])


class ViewPixels:
    """The pixels of V views of N images; see :class:`~vlmbench.transfer.views.ViewDataset` for what a view is.

    A view is made when it is asked for the first time. It is then kept in memory, if there is room.

    Args:
        smallest_area: the smallest part of an image that is a view.
        role: what the images are, for messages.
        most_bytes: how many bytes are kept.
    """

    def __init__(
        self,
        engine: FeatureEngine,
        chosen: Chosen,
        views: int,
        *,
        smallest_area: float = SMALLEST_AREA,
        role: str = "support",
        most_bytes: int = MOST_BYTES,
    ) -> None:
        _check_images(chosen.dataset)
        self.views, self.images = views, len(chosen.indices)
        self._dataset = ViewDataset(chosen.dataset, chosen.indices, views, smallest_area=smallest_area)
        self._engine, self._role, self._room = engine, role, most_bytes
        self._kept: dict[int, Tensor] = {}
        self._told: set[int] = set()

    def __call__(self, views: Tensor, rows: Tensor) -> Tensor:
        """The views ``views[i]`` of the images ``rows[i]``, both (B,), as (B, 3, H, W) float32 on the CPU.

        Raises:
            BadSampleError: an image cannot be read.
            DataError: the same, with ``--skip-bad``.
        """
        places = (rows * self.views + views).tolist()
        missing = sorted({place for place in places if place not in self._kept})
        with self._engine.timed("images"):
            made = {image.index: image.pixels for image in self._read(missing)}
        for place, pixels in made.items():
            if (size := pixels.numel() * pixels.element_size()) <= self._room:
                self._room -= size
                self._kept[place] = pixels
        return torch.stack([made[place] if place in made else self._kept[place] for place in places])

    def _read(self, places: Sequence[int]) -> Iterator[Ready]:
        with closing(read_pixels(self._engine, self._dataset, places)) as images:
            for image in images:
                if isinstance(image, Bad):
                    raise self._refusal(image.error)
                if image.index % self.views == 0 and image.index not in self._told:
                    self._told.add(image.index)
                    say_facts(image.facts, self._dataset.samples[image.index].id)
                yield image

    def _refusal(self, error: BadSampleError) -> BadSampleError | DataError:
        if not self._engine.settings.skip_bad:
            return error
        return DataError(
            f"an image of the {self._role} set cannot be read: {error}",
            hint="Remove or mend it: every method must learn from the same images.",
        )
