"""Encodes in batches that are halved if memory runs out, and checks the features. The engine uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from vlmbench.errors import ModelError, NonFiniteFeaturesError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import OUT_OF_MEMORY
from vlmbench.wording import counted, either

T = TypeVar("T")
R = TypeVar("R")


def halving(call: Callable[[Sequence[T]], R], items: Sequence[T]) -> list[R]:
    """Call with a batch. If memory runs out, call with its halves, and so on down to single items.

    Args:
        call: has no side effects, since it may be called again with parts of the batch.
        items: the batch, N >= 1.

    Returns:
        What the successful calls returned, in order.

    Raises:
        ModelError: a single item does not fit into memory.
    """
    try:
        return [call(items)]
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
    say(OUT_OF_MEMORY, f"a batch of {len(items)} did not fit into memory, so the run continued with batches of {half}")
    return [*halving(call, items[:half]), *halving(call, items[half:])]


def encode_halving(encode: Callable[[Sequence[T]], Tensor], items: Sequence[T]) -> Tensor:
    """Encode a batch of N items to (N, …), in parts that fit into memory; see :func:`halving`.

    Raises:
        ModelError: the encoder returns no tensor, or a single item does not fit into memory.
    """
    parts = halving(encode, items)
    for part in parts:
        if not isinstance(part, Tensor):
            raise ModelError(f"the encoder returned a {type(part).__name__}, not a tensor of features (B, D)")
    return rows_of(parts)


def rows_of(parts: Sequence[Tensor]) -> Tensor:
    """Join parts along their first dimension. A single part is returned without a copy."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def checked(features: Tensor, names: Sequence[str], dim: int, *, renormalise: bool) -> Tensor:
    """Check an encoder's features, and return them as float32 on the CPU.

    Args:
        features: (N, D) as the encoder returned them.
        names: what each row encodes, for the message.
        dim: the model's ``embedding_dim``.
        renormalise: bring rows back to unit length in float32 (autocast normalises in 16 bits).

    Raises:
        ModelError: the shape is wrong, or rows are far from unit length.
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
            f"{count} of {counted(len(names), 'feature')} {either(count, 'is', 'are')} NaN or infinite, "
            f"the first for {first!r}",
            hint="The weights may be corrupt; with fp16, try --precision bf16 or fp32.",
        )
    norms = rows.norm(dim=1, keepdim=True)
    if bool(((norms - 1).abs() > 0.05).any()):  # 16-bit rounding stays far below this
        if not norms.all():
            first = names[int((norms[:, 0] == 0).nonzero()[0, 0])]
            raise ModelError(f"the encoder returned a row of zeros for {first!r}, which has no direction to compare")
        raise ModelError(
            f"the encoder returned rows of length {float(norms.min()):.3g} to {float(norms.max()):.3g}, not 1",
            hint="An adapter must L2-normalise its features.",
        )
    return rows / norms if renormalise else rows
