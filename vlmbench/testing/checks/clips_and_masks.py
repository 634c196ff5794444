"""Checks of datasets of clips and of masks; :func:`vlmbench.testing.check_source` calls them."""

from __future__ import annotations

import numpy as np

from vlmbench.data.base import ClipDataset, MaskDataset
from vlmbench.errors import BadSampleError, DataError
from vlmbench.testing.conformance import Inspection

_MOST = 8
"""At most this number of samples is read."""


def check_clips(inspection: Inspection, dataset: ClipDataset) -> None:
    """Check that each clip gives the number of frames that the dataset states."""
    count, samples = dataset.frames_per_clip, range(min(_MOST, len(dataset.samples)))
    with inspection.promise(
        "read_frames gives frames_per_clip encoded images of each clip, the same each time",
        fix="Take the frames at vlmbench.data.base.segment_centres, and repeat some of a clip that is too short.",
    ):
        inspection.require(isinstance(count, int) and count > 0, f"frames_per_clip is {count!r}")
        for index in samples:
            try:
                frames = list(dataset.read_frames(index))
            except BadSampleError:
                continue
            inspection.require(len(frames) == count, f"clip {index} gives {len(frames)} frames, not {count}")
            inspection.require(all(isinstance(frame, bytes) for frame in frames), f"clip {index}: a frame is not bytes")
            inspection.require(
                list(dataset.read_frames(index)) == frames, f"clip {index} gives other frames when it is read again"
            )
    with inspection.promise(
        "read gives the frame if a clip has one frame, and raises a DataError if a clip has several",
        fix="Raise DataError in read() if frames_per_clip is above 1.",
    ):
        if count == 1:
            inspection.require(dataset.read(0) == next(iter(dataset.read_frames(0))), "read gives another frame")
        else:
            with inspection.require_error(DataError, f"read gives an image, though a clip has {count} frames"):
                dataset.read(0)


def check_masks(inspection: Inspection, dataset: MaskDataset) -> None:
    """Check the masks: their shape and type, and the class of every pixel."""
    with inspection.promise(
        "Masks are (H, W) int64 with class indices and ignore_label, and mask_values describes the values of the files",
        fix="Map every value of the files to a class or to ignore_label, and raise BadSampleError for the others.",
    ):
        inspection.require(isinstance(dataset.ignore_label, int), f"ignore_label is {dataset.ignore_label!r}")
        words = dataset.mask_values
        inspection.require(isinstance(words, str) and words.strip(), f"mask_values is {words!r}")
        for index in range(min(_MOST, len(dataset.samples))):
            labels = dataset.labels(dataset.read_mask(index), dataset.samples[index].id)
            inspection.require(
                labels.ndim == 2 and labels.dtype == np.int64, f"mask {index} is {labels.dtype} of shape {labels.shape}"
            )
            if dataset.classes is not None:
                known = (labels >= 0) & (labels < len(dataset.classes))
                strange = labels[~known & (labels != dataset.ignore_label)]
                inspection.require(
                    not strange.size,
                    f"mask {index} has the label {strange[:1]}, but there are {len(dataset.classes)} classes",
                )
            again = dataset.labels(dataset.read_mask(index), dataset.samples[index].id)
            inspection.require(np.array_equal(labels, again), f"mask {index} has other labels when it is read again")
    with (
        inspection.promise(
            "Bytes that are not a mask raise a BadSampleError",
            fix="Decode with vlmbench.data.formats.decode, or catch Pillow's errors.",
        ),
        inspection.require_error(BadSampleError, "bytes that are not an image give labels"),
    ):
        dataset.labels(b"not an image", dataset.samples[0].id)
