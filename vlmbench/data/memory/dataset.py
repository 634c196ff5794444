"""A dataset in memory with the ``ImageDataset`` protocol. An image is encoded as a file when it is read.

:func:`vlmbench.as_task` makes it, and the source ``memory`` gives it to a run.
"""

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
        image: returns the image of an index, in any form that :func:`~vlmbench.data.memory.pictures.encoded` takes.
        broken: the indices of samples whose label could not be read, with the reasons.
        one_at_a_time: a lock that is held while an image is fetched. Several threads read the dataset, and its items
            may share an open file.
        own_transform: the name of the dataset's own transform, which changes images before vlmbench gets them; "" if it
            has none.
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
        except Exception as error:  # the caller's code may raise any error
            raise BadSampleError(sample, raised_in_words(error)) from error
        return encoded(image, sample)

    def state(self) -> str:
        """Always "": data in memory may change at any time, so only its content tells whether it is the same."""
        return ""
