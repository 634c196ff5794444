"""Turns an image in memory (a PIL image, an array, a tensor, a path, a file's bytes) into an encoded image file.

The file is a binary PPM. It is lossless, and is written and read in less than a millisecond. torch is not imported: a
tensor is recognised by its methods. :mod:`vlmbench.data.memory.dataset` calls :func:`encoded` for each image.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlmbench.data.formats import netpbm
from vlmbench.data.formats.pixels import Fact, picture_rgb, say_facts
from vlmbench.data.image_files import read_file
from vlmbench.data.memory.items import is_tensor
from vlmbench.errors import BadSampleError, DataError
from vlmbench.paths import user_path

_CHANNELS = (1, 3, 4)
_WHITE = 255
_OVERSHOOT = 0.1
"""How far real numbers may be outside the range from 0 to 1: resizing with a cubic filter overshoots by this much."""
_KINDS = "An image must be a PIL image, an array, a tensor, a path or a file's bytes: file.read()."
_ITEM = "If labels are given separately, give only the images: as_task([item[0] for item in dataset], labels)."
_BYTES = "Give pixels as uint8 from 0 to 255."
_RAW = "Give images without any transform, because the model applies its own: set the dataset's transform to None."


def encoded(image: Any, sample_id: str) -> bytes:
    """The image as a file's bytes.

    Facts that a reader must know about the conversion become remarks, such as the range of real numbers.

    Raises:
        BadSampleError: this image cannot be used.
        DataError: no image of this kind can be used. The error says what to do.
    """
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, str | os.PathLike):
        return _file(image, sample_id)
    if isinstance(image, Mapping) and {"bytes", "path"} & image.keys():  # an undecoded cell of the datasets library
        stored = image.get("bytes")
        return encoded(stored if stored is not None else image.get("path"), sample_id)
    if isinstance(image, Image.Image):
        return _picture(image, sample_id)
    if image is None:
        raise BadSampleError(sample_id, "its image is None")
    return _picture(_from_array(image, sample_id), sample_id)


def _file(path: str | os.PathLike[str], sample_id: str) -> bytes:
    try:
        return read_file(user_path(Path(path)), sample_id)
    except BadSampleError as error:
        raise BadSampleError(sample_id, f"its file {os.fspath(path)!r}: {error.reason}") from error


def _picture(image: Image.Image, sample_id: str) -> bytes:
    found = picture_rgb(image, sample_id)
    if not all(found.image.size):
        raise BadSampleError(sample_id, f"the image has no pixels: {found.image.width} x {found.image.height}")
    say_facts(found.facts, sample_id)
    return netpbm.encode(found.image)


def _from_array(image: Any, sample_id: str) -> Image.Image:
    pixels = _as_array(image, sample_id)
    pixels = _channels_last(pixels, sample_id, channels_first=is_tensor(image))
    if pixels.dtype == np.uint16 and pixels.ndim == 2:
        return Image.fromarray(pixels)
    if pixels.dtype == bool:
        return Image.fromarray(pixels.astype(np.uint8) * _WHITE)
    if pixels.dtype.kind == "f":
        return Image.fromarray(_from_unit_range(pixels, sample_id))
    return Image.fromarray(_from_bytes(pixels, sample_id))


def _as_array(image: Any, sample_id: str) -> NDArray[Any]:
    if is_tensor(image):
        image = image.detach().cpu()
        if str(image.dtype) == "torch.bfloat16":  # NumPy has no such type
            image = image.float()
        image = image.numpy()
    if not isinstance(image, np.ndarray):
        raise DataError(
            f"sample {sample_id!r}: its image is a {type(image).__name__}",
            hint=_ITEM if isinstance(image, Mapping | tuple) else _KINDS,
        )
    if image.dtype.kind not in "buif":
        raise DataError(f"sample {sample_id!r}: its image is an array of {image.dtype}, not of pixels")
    if image.dtype.kind in "ui" and image.dtype.itemsize > 1 and image.dtype != np.uint16:
        return _narrowed(image, sample_id)
    found: NDArray[Any] = image
    return found


def _narrowed(pixels: NDArray[Any], sample_id: str) -> NDArray[Any]:
    """Pixels from 0 to 255 in a wide type, such as int64, as uint8.

    Raises:
        DataError: some pixels are outside this range.
    """
    low, high = (int(pixels.min()), int(pixels.max())) if pixels.size else (0, 0)
    if low < 0 or high > _WHITE:
        raise DataError(
            f"sample {sample_id!r}: its pixels are {pixels.dtype} numbers from {low} to {high}, not from 0 to 255",
            hint=_BYTES,
        )
    return pixels.astype(np.uint8)


def _channels_last(pixels: NDArray[Any], sample_id: str, *, channels_first: bool) -> NDArray[Any]:
    """Pixels (H, W), or (H, W, C) with 3 or 4 channels.

    Usually an array has its channels last, and a tensor has them first. If the shape allows only the other order, that
    order is used.

    Raises:
        DataError: the image has another shape.
    """
    if pixels.ndim == 3:
        first, last = pixels.shape[0] in _CHANNELS, pixels.shape[2] in _CHANNELS
        if first and (channels_first or not last):
            pixels = pixels.transpose(1, 2, 0)
        if pixels.shape[2] == 1:
            pixels = pixels[:, :, 0]
    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in _CHANNELS):
        return np.ascontiguousarray(pixels)
    raise DataError(
        f"sample {sample_id!r}: its image has the shape {pixels.shape}",
        hint="An array must be (H, W) or (H, W, 3). A tensor must be (H, W) or (3, H, W).",
    )


def _from_unit_range(pixels: NDArray[Any], sample_id: str) -> NDArray[np.uint8]:
    """Convert real numbers from 0 to 1 to uint8. This reverses torchvision's ToTensor.

    Raises:
        BadSampleError: some numbers are not finite.
        DataError: the numbers have another range, as after Normalize.
    """
    if not np.isfinite(pixels).all():
        raise BadSampleError(sample_id, "some of its pixels are NaN or infinite")
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 0.0)
    if low < -_OVERSHOOT or high > 1 + _OVERSHOOT:
        normalised = low < 0
        raise DataError(
            f"sample {sample_id!r}: its pixels are real numbers from {low:.4g} to {high:.4g}, not from 0 to 1"
            + (", so they seem to be normalised already" if normalised else ""),
            hint=_RAW if normalised else _BYTES,
        )
    say_facts((Fact("scaled", "from 0 to 1, as the values suggest"),), sample_id)
    rounded: NDArray[np.uint8] = np.rint(pixels.clip(0, 1) * _WHITE).astype(np.uint8)
    return rounded


def _from_bytes(pixels: NDArray[Any], sample_id: str) -> NDArray[np.uint8]:
    if pixels.dtype != np.uint8:
        raise DataError(f"sample {sample_id!r}: its pixels are of type {pixels.dtype}", hint=_BYTES)
    return pixels
