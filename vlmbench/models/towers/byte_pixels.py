"""Implements ``BytePixels`` for transforms that end in ToTensor and Normalize.

The adapters of open_clip, ConSE and models in memory use it. Importing open_clip takes longer than importing torch, so
it and torchvision are imported when one of their transforms is given, which has loaded them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from vlmbench.models.base import BytePixels
from vlmbench.rgb import as_rgb

if TYPE_CHECKING:
    from torchvision.transforms import Compose, Normalize

Head = Callable[[PIL.Image.Image], PIL.Image.Image]


def open_clip_bytes(transform: Any) -> BytePixels | None:
    """Make an open_clip transform's ``BytePixels``; None if it does not end in conversion to RGB, ToTensor, Normalize.

    Types must be equal, because a subclass may compute something else.
    """
    if "open_clip.transform" not in sys.modules:
        return None
    from open_clip.transform import MaybeConvertMode, MaybeToTensor
    from torchvision.transforms import Compose, Normalize

    steps = transform.transforms if type(transform) is Compose else []
    if [type(step) for step in steps[-3:]] != [MaybeConvertMode, MaybeToTensor, Normalize]:
        return None
    return rgb_bytes(Compose(steps[:-2]), steps[-1]) if steps[-3].mode == "RGB" else None


def compose_bytes(transform: Compose) -> BytePixels | None:
    """Make the ``BytePixels`` of a transform of RGB images; None if it does not end in ToTensor, Normalize."""
    from torchvision.transforms import Compose, Normalize, ToTensor

    steps = transform.transforms
    if [type(step) for step in steps[-2:]] != [ToTensor, Normalize]:
        return None
    return rgb_bytes(Compose(steps[:-2]), steps[-1])


def rgb_bytes(head: Head, normalize: Normalize) -> BytePixels | None:
    """Make a ``BytePixels`` from the steps before ToTensor and the normalisation; None if that is not per channel.

    Args:
        head: maps an RGB image to another.
        normalize: three means and three deviations.
    """
    colours = [normalize.mean, normalize.std]
    return _Bytes(head, *colours) if all(np.shape(values) == (3,) for values in colours) else None


class _Bytes:
    def __init__(self, head: Head, mean: Any, std: Any) -> None:
        self._head = head
        self._mean, self._std = (torch.as_tensor(values, dtype=torch.float32).view(3, 1, 1) for values in (mean, std))
        self._white = torch.tensor(255.0)
        self._on: dict[torch.device, tuple[Tensor, Tensor, Tensor]] = {}

    def to_bytes(self, image: PIL.Image.Image) -> Tensor:
        rows = np.asarray(self._head(as_rgb(image)))
        return torch.from_numpy(np.ascontiguousarray(rows.transpose(2, 0, 1)))  # NumPy copies on one thread

    def from_bytes(self, pixels: Tensor) -> Tensor:
        # The divisor must be a tensor on the device. CUDA would multiply with the inverse of a number, or of a tensor
        # on the CPU, and round differently. It is copied once, because a copy waits for all queued work of the device.
        if pixels.device not in self._on:
            device = pixels.device
            self._on[device] = (self._white.to(device), self._mean.to(device), self._std.to(device))
        white, mean, std = self._on[pixels.device]
        return pixels.to(torch.float32).div_(white).sub_(mean).div_(std)
