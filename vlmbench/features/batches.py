"""Batches that shrink when memory runs out, and the checks on what comes back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from vlmbench.errors import ModelError, NonFiniteFeaturesError, VlmbenchWarning

T = TypeVar("T")


def encode_halving(encode: Callable[[Sequence[T]], Tensor], items: Sequence[T]) -> Tensor:
    """Encode a batch; where memory runs out, in halves, and so on down to single items.

    Args:
        encode: N items to (N, D).
        items: the batch, N >= 1.

    Raises:
        ModelError: one item alone does not fit.
    """
    try:
        return encode(items)
    except (torch.OutOfMemoryError, MemoryError) as error:
        if len(items) == 1:
            raise ModelError("out of memory on a single input", hint="Try --precision bf16 or --device cpu.") from error
        half = len(items) // 2
    except RuntimeError as error:
        if "can't allocate memory" not in str(error) or len(items) == 1:  # torch's CPU allocator raises this
            raise
        half = len(items) // 2
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    warnings.warn(f"out of memory with a batch of {len(items)}: going on with {half}", VlmbenchWarning, stacklevel=2)
    return torch.cat([encode_halving(encode, items[:half]), encode_halving(encode, items[half:])])


def checked(features: Tensor, names: Sequence[str], dim: int, *, renormalise: bool) -> Tensor:
    """Features as float32 on the CPU, checked to be what the model promised.

    Args:
        features: (N, D) as the encoder returned them.
        names: what each row encodes, for the message.
        dim: the model's ``embedding_dim``.
        renormalise: bring rows back to unit length in float32 (autocast normalises in 16 bits).

    Raises:
        ModelError: another shape, or rows far from unit length.
        NonFiniteFeaturesError: a row holds NaN or infinity.
    """
    if tuple(features.shape) != (len(names), dim):
        raise ModelError(f"the encoder returned shape {tuple(features.shape)}, not {(len(names), dim)}")
    rows = features.detach().float().cpu()
    finite = torch.isfinite(rows).all(dim=1)
    if not finite.all():
        first = names[int((~finite).nonzero()[0, 0])]
        count = int((~finite).sum())
        raise NonFiniteFeaturesError(
            f"{count} of {len(names)} features are NaN or infinite, the first of {first!r}",
            hint="The weights may be corrupt; with fp16, try --precision bf16 or fp32.",
        )
    norms = rows.norm(dim=1, keepdim=True)
    if bool(((norms - 1).abs() > 0.05).any()):  # 16-bit rounding stays far below this
        raise ModelError(
            f"the encoder returned rows of length {float(norms.min()):.3g} to {float(norms.max()):.3g}, not 1",
            hint="An adapter must L2-normalise its features.",
        )
    return rows / norms if renormalise else rows
