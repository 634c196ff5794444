"""Whole pictures as their annotations see them: turned as their orientation tag asks, or as they are stored.

Annotation tools show a picture turned and keep boxes and masks as shown, and readers such as detectron2's turn it too.
So a tag is applied, unless the size that the data states for its annotations, or the mask's own, is that of the stored
picture. Where the size tells nothing, of a half turn, a mirror image or a square picture, other pictures of the same
dataset decide, if their sizes tell.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from itertools import islice

from vlmbench.data.base import ImageDataset, sample_images
from vlmbench.data.formats.pixels import RgbImage, Size, Turn, decode_rgb, turn_in
from vlmbench.errors import BadSampleError, LabelError

AnnotatedSize = Callable[[int], Size | None]
"""The size of the picture that a sample's annotations are of, if the data tells; asked of pictures with a tag."""
_WITNESSES = 5
"""Pictures that decide for those whose size tells nothing: the first, by majority."""
_LOOKED_AT = 2_000
"""Samples among which they are looked for, so that a large dataset is not read twice for one picture."""


class ShownPictures:
    """The pictures of a dataset as their annotations see them. Threads may share it.

    Args:
        annotated: None where the data states no sizes.
    """

    def __init__(self, dataset: ImageDataset, annotated: AnnotatedSize | None) -> None:
        self._dataset = dataset
        self._annotated = annotated
        self._lock = threading.Lock()

    def decode(self, index: int, data: bytes) -> RgbImage:
        """One sample's picture, from its bytes.

        Raises:
            BadSampleError: see :func:`~vlmbench.data.formats.pixels.decode_rgb`.
        """
        return decode_rgb(data, self._dataset.samples[index].id, lambda turn: self._is_shown(index, turn))

    def _is_shown(self, index: int, turn: Turn) -> bool:
        if self._annotated is None:
            return True
        told = turn.shows(self._annotated(index))
        if told is not None:
            return told
        with self._lock:
            return self._others_are_shown

    @cached_property
    def _others_are_shown(self) -> bool:
        looked_at = range(len(self._dataset.samples))[:_LOOKED_AT]
        told = (told for index in looked_at if (told := self._told(index)) is not None)
        votes = list(islice(told, _WITNESSES))
        return 2 * sum(votes) >= len(votes)

    def _told(self, index: int) -> bool | None:
        assert self._annotated is not None  # _is_shown has seen to it
        try:
            (data,) = sample_images(self._dataset, index)
            turn = turn_in(data)
            return turn.shows(self._annotated(index)) if turn is not None else None
        except (BadSampleError, LabelError):  # it is told of when it is asked
            return None
