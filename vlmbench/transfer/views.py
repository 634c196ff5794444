"""Random crops of support images, as a dataset: methods that were published with augmented images learn from them.

:func:`vlmbench.transfer.encoded.encoded` makes one. Its features are cached as those of any image, by content.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Iterator, Sequence
from hashlib import sha256

import PIL.Image

from vlmbench.data.base import ImageDataset, Sample, SourceInfo
from vlmbench.data.formats.pixels import decode_rgb

SMALLEST_AREA = 0.5
"""The smallest crop as a share of the image. Source: Tip-Adapter, APE, GDA and LP++ (CoOp and TPT: 0.08)."""
_RATIOS = (3 / 4, 4 / 3)
_TRIES = 10


class ViewDataset:
    """V views of each of N images: sample ``n * V + v`` is view v of image n.

    View 0 is the image itself. View v is a random part of it (by default an area of 50 to 100 %, a ratio of 3:4 to
    4:3), brought to a square of the same area and mirrored in half the cases. The part depends on the image's content
    and on v alone, so that all draws, methods and machines see the same views.

    Args:
        indices: the N images of ``dataset``.
        smallest_area: the smallest part as a share of the image.
    """

    def __init__(
        self, dataset: ImageDataset, indices: Sequence[int], views: int, *, smallest_area: float = SMALLEST_AREA
    ) -> None:
        self._dataset, self._indices, self._views = dataset, list(indices), views
        self._smallest_area = smallest_area
        self.info: SourceInfo = dataset.info
        self.samples: Sequence[Sample] = [
            Sample(dataset.samples[index].id if view == 0 else f"{dataset.samples[index].id}, view {view}", target)
            for index in indices
            for target in [dataset.samples[index].target]
            for view in range(views)
        ]
        self.classes = dataset.classes
        self.templates = dataset.templates

    def images_of_views(self) -> Iterator[tuple[Sample, int]]:
        """Each view with the index of its image in the dataset."""
        for place, sample in enumerate(self.samples):
            yield sample, self._indices[place // self._views]

    def read(self, index: int) -> bytes:
        """The file of an image, or one of its views as BMP.

        Raises:
            BadSampleError: it cannot be read.
        """
        image, view = divmod(index, self._views)
        data = self._dataset.read(self._indices[image])
        if view == 0:
            return data
        seed = sha256(sha256(data).digest() + view.to_bytes(4, "big")).hexdigest()
        picture = decode_rgb(data, self.samples[index].id).image
        sink = io.BytesIO()
        random_part(picture, random.Random(seed), self._smallest_area).save(sink, "BMP")
        return sink.getvalue()

    def state(self) -> str:
        """See :class:`~vlmbench.data.base.ImageDataset`."""
        return ""


def random_part(
    picture: PIL.Image.Image, generator: random.Random, smallest_area: float = SMALLEST_AREA
) -> PIL.Image.Image:
    """A random part of a picture as a square, mirrored in half the cases.

    Source: torchvision's ``RandomResizedCrop`` and ``RandomHorizontalFlip``, with a generator of its own.
    """
    width, height = picture.size
    left, top, wide, high = _box(width, height, generator, smallest_area)
    side = max(1, round(math.sqrt(wide * high)))
    part = picture.resize((side, side), PIL.Image.Resampling.BICUBIC, box=(left, top, left + wide, top + high))
    return part.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT) if generator.random() < 0.5 else part


def _box(
    width: int, height: int, generator: random.Random, smallest_area: float = SMALLEST_AREA
) -> tuple[int, int, int, int]:
    """Left, top, width and height of a random part; the largest centred part of a fitting ratio if ten tries fail."""
    for _ in range(_TRIES):
        area = width * height * generator.uniform(smallest_area, 1.0)
        ratio = math.exp(generator.uniform(*map(math.log, _RATIOS)))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            return generator.randint(0, width - wide), generator.randint(0, height - high), wide, high
    ratio = min(max(width / height, _RATIOS[0]), _RATIOS[1])
    wide, high = min(width, max(1, round(height * ratio))), min(height, max(1, round(width / ratio)))
    return (width - wide) // 2, (height - high) // 2, wide, high
