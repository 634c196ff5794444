"""The engine: one loaded model, its caches and its settings, asked for features by the tasks."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from torch import Tensor

from vlmbench.data.base import ImageDataset
from vlmbench.features.cache import FeatureSpace
from vlmbench.features.image_batch import ImageBatch, ImageTally
from vlmbench.features.images import encode_images
from vlmbench.features.precision import Precision
from vlmbench.features.progress import Progress, Silent
from vlmbench.features.text import encode_texts
from vlmbench.models.base import VisionLanguageModel
from vlmbench.records import CacheUse


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


@dataclass
class FeatureEngine:
    """Features for one pair: made anew for each, around a model that is loaded once.

    Attributes:
        seconds: wall-clock seconds spent in each stage so far.
        tally: what happened to the images so far.
        text_use: where the prompts' features came from.
    """

    model: VisionLanguageModel
    settings: EngineSettings
    image_space: FeatureSpace | None = None
    text_space: FeatureSpace | None = None
    progress: Progress = field(default_factory=Silent)
    seconds: dict[str, float] = field(default_factory=dict)
    tally: ImageTally = field(default_factory=ImageTally)
    text_use: CacheUse = field(default_factory=CacheUse)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + perf_counter() - started

    def texts(self, texts: Sequence[str]) -> Tensor:
        """N texts to (N, D) float32 on the CPU, unit length; see :func:`~vlmbench.features.text.encode_texts`."""
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
        """The chosen samples' features in batches; see :func:`~vlmbench.features.images.encode_images`."""
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
                workers=self.settings.workers,
            )
        self.seconds["image_forward"] = self.tally.forward_seconds

    def cache_use(self) -> CacheUse:
        """Hits and misses so far, images and prompts together."""
        return self.text_use.model_copy(update={"image_hits": self.tally.hits, "image_misses": self.tally.encoded})
