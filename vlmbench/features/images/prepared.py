"""Streams the images of a dataset as a model's transform gives them. The engine uses it for what is not cached.

Worker threads read, hash, decode and preprocess them; they come one by one, in order.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

from vlmbench.data.base import ImageDataset, frames_per_sample
from vlmbench.errors import UnsupportedError
from vlmbench.features.images.batch import ImageTally
from vlmbench.features.images.read import Bad, ImageReader, Ready
from vlmbench.features.progress import Progress
from vlmbench.features.settings import EngineSettings
from vlmbench.features.workers import in_threads
from vlmbench.models.base import VisionLanguageModel


def prepared_images(
    model: VisionLanguageModel,
    dataset: ImageDataset,
    indices: Sequence[int],
    settings: EngineSettings,
    *,
    progress: Progress,
    tally: ImageTally,
) -> Generator[Ready, None, None]:
    """The chosen samples after the model's transform: their ``pixels`` are there, and nothing is taken from a cache.

    Raises:
        UnsupportedError: a sample is a clip of several frames.
        BadSampleError: a sample cannot be decoded, and ``settings.skip_bad`` is off.
    """
    if frames_per_sample(dataset) > 1:
        raise UnsupportedError("a clip of several frames has features, and no pixels or patches of one image")
    reader = ImageReader(dataset, model.preprocess, None, tally.clock)
    progress.start("images", len(indices))
    with closing(in_threads(reader.read, indices, settings.decoding_threads, settings.batch_size, tally.clock)) as read:
        for sample in read:
            if not isinstance(sample, Bad):
                tally.pictures += 1
                yield sample[0]
            elif not settings.skip_bad:
                raise sample.error
            else:
                tally.bad.append(sample.sample())
            progress.advance(1)
