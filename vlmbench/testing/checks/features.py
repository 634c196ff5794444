"""Checks the shape, length, values and device of features, and compares tensors. Most other checks use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from vlmbench.models.base import Pixels
from vlmbench.testing.conformance import Inspection

UNIT_LENGTH = 1e-4
"""How much a length may differ from 1 in float32."""
LOW_PRECISION = 0.02
"""How much a length may differ from 1 under autocast to bfloat16, which keeps 8 bits of each value."""


def require_features(
    inspection: Inspection, features: object, shape: tuple[int, ...], device: torch.device, *, dim: int = -1
) -> Tensor:
    """Break the current promise unless these are finite features of this shape and of unit length on this device.

    Args:
        dim: the axis over which the length is computed.
    """
    if not isinstance(features, Tensor):
        inspection.require(False, f"it returns a {type(features).__name__}, not a tensor")
    found = cast(Tensor, features)
    inspection.require(tuple(found.shape) == shape, f"the shape is {tuple(found.shape)}, not {shape}")
    inspection.require(found.is_floating_point(), f"the type is {found.dtype}")
    inspection.require(
        torch.device(found.device).type == device.type,
        f"the features are on {found.device}, but the model is on {device}",
    )
    inspection.require(bool(torch.isfinite(found).all()), "some values are NaN or infinite")
    if found.numel():
        lengths = found.float().norm(dim=dim)
        furthest = float((lengths - 1).abs().max())
        inspection.require(
            furthest <= UNIT_LENGTH, f"lengths are from {float(lengths.min()):.4g} to {float(lengths.max()):.4g}, not 1"
        )
    return found


def apart_in_size(first: Tensor, second: Tensor) -> float:
    """The largest difference between the values of two tensors, as a share of the second's largest value above 1."""
    return apart(first, second) / max(1.0, float(second.abs().max())) if second.numel() else apart(first, second)


def apart(first: Tensor, second: Tensor) -> float:
    """The largest difference between the values of two tensors. It is infinite if their shapes differ."""
    if first.shape != second.shape:
        return float("inf")
    return float((first.float() - second.float()).abs().max()) if first.numel() else 0.0


def different(features: Tensor, rounding: float) -> int:
    """How many of N rows are further from each other than rounding."""
    rows = features.float().cpu()
    distances = (rows[:, None] - rows[None]).abs().amax(dim=-1)
    same = (distances <= rounding).tril(-1).any(dim=1)
    return int((~same).sum())


def stacked(pixels: Sequence[Pixels]) -> Pixels:
    """Stack B images of the same shape into one batch."""
    first = pixels[0]
    if isinstance(first, Mapping):
        named = cast(Sequence[Mapping[str, Tensor]], pixels)
        return {name: torch.stack([each[name] for each in named]) for name in first}
    return torch.stack(cast(list[Tensor], list(pixels)))


def to_device(pixels: Pixels, device: torch.device) -> Pixels:
    """Move a batch to a device."""
    if isinstance(pixels, Mapping):
        return {name: tensor.to(device) for name, tensor in pixels.items()}
    return pixels.to(device)


def shapes(pixels: Pixels) -> object:
    """The shapes and types of an image's tensors, in a form that can be compared."""
    if isinstance(pixels, Mapping):
        return sorted((name, tuple(tensor.shape), str(tensor.dtype)) for name, tensor in pixels.items())
    return tuple(pixels.shape), str(pixels.dtype)


def same_pixels(first: Pixels, second: Pixels) -> bool:
    """Whether two images, or two batches, are equal to the last bit."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    return isinstance(first, Tensor) and isinstance(second, Tensor) and torch.equal(first, second)
