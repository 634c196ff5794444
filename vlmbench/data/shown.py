"""Decides for pictures with boxes or masks whether their orientation tag is applied. Detection and segmentation use it.

Annotation tools turn a picture as its tag asks and store boxes and masks of the turned picture; readers such as
detectron2's turn it too. So the tag is applied, unless the size that the data states, or the size of the mask, is that
of the stored picture. For a half turn, a mirror image or a square picture both sizes are equal and decide nothing. Then
other pictures of the same dataset decide, if their sizes differ.
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
"""Gives the size of the picture to which a sample's annotations belong; None if the data does not state it. It is
called only for pictures with an orientation tag."""
_WITNESSES = 5
"""The number of pictures that decide, by majority, for those whose own size decides nothing."""
_LOOKED_AT = 2_000
"""Only this many samples are searched for them, so that a large dataset is not read twice for one picture."""


class ShownPictures:
    """The pictures of a dataset in the orientation in which they were annotated. Threads may share it.

    Args:
        annotated: None if the data states no sizes.
    """

    def __init__(self, dataset: ImageDataset, annotated: AnnotatedSize | None) -> None:
        self._dataset = dataset
        self._annotated = annotated
        self._lock = threading.Lock()

    def decode(self, index: int, data: bytes) -> RgbImage:
        """The picture of one sample, decoded from its bytes.

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
        assert self._annotated is not None  # _is_shown checks it first
        try:
            (data,) = sample_images(self._dataset, index)
            turn = turn_in(data)
            return turn.shows(self._annotated(index)) if turn is not None else None
        except (BadSampleError, LabelError):  # the error is reported when the sample itself is read
            return None
