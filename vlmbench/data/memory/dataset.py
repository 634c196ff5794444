"""A dataset in memory behind the ``ImageDataset`` protocol: its images are encoded when they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from vlmbench.data.base import Sample, SourceInfo
from vlmbench.data.memory.parts import raised_in_words
from vlmbench.data.memory.pictures import encoded
from vlmbench.errors import BadSampleError, VlmbenchError


@dataclass(eq=False)
class GivenDataset:
    """See :class:`~vlmbench.data.base.ImageDataset`.

    Attributes:
        image: an index to the image, in any form that :func:`~vlmbench.data.memory.pictures.encoded` takes.
        broken: samples whose label could not be read, and why.
        one_at_a_time: held while an image is fetched. A caller's dataset may share an open file between its items, and
            is asked from several threads.
        own_transform: what the dataset does to its images before it gives them, in words; empty for nothing.
    """

    info: SourceInfo
    samples: Sequence[Sample]
    classes: tuple[str, ...] | None
    image: Callable[[int], Any]
    broken: Mapping[int, str] = field(default_factory=dict)
    templates: tuple[str, ...] | None = None
    one_at_a_time: AbstractContextManager[Any] = field(default_factory=nullcontext)
    own_transform: str = ""

    def read(self, index: int) -> bytes:
        sample = self.samples[index].id
        if index in self.broken:
            raise BadSampleError(sample, self.broken[index])
        try:
            with self.one_at_a_time:
                image = self.image(index)
        except (MemoryError, VlmbenchError):
            raise
        except Exception as error:  # the caller's own code may fail in any way
            raise BadSampleError(sample, raised_in_words(error)) from error
        return encoded(image, sample)

    def state(self) -> str:
        """Empty: what is in memory may change, and only its content tells."""
        return ""
