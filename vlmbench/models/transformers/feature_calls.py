"""Calls a transformers network for features of images and texts, and reads its logit scale.

A family names one call for each. The calls here are those of most families; the others have theirs in their own files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from torch import Tensor

from vlmbench.models.base import Pixels

PIXELS = ("pixel_values",)
"""The one tensor that the image processors of most families make."""

ImageFeatures: TypeAlias = Callable[[Any, Pixels], Tensor]
"""Maps the towers and a batch of pixels to (B, D), not normalised. Named tensors have the processor's names."""
TextFeatures: TypeAlias = Callable[[Any, Tensor, Tensor | None], Tensor]
"""Maps the towers, (N, L) token ids and their mask or None to (N, D), not normalised."""
LogitScale: TypeAlias = Callable[[Any], float]
"""Reads the factor of the logits from the towers."""


def library_image_features(towers: Any, pixels: Pixels) -> Tensor:
    """What the library's ``get_image_features`` returns."""
    named = pixels if isinstance(pixels, Mapping) else {"pixel_values": pixels}
    return pooled(towers.get_image_features(**named))


def library_text_features(towers: Any, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
    """What the library's ``get_text_features`` returns."""
    return pooled(towers.get_text_features(input_ids=input_ids, attention_mask=attention_mask))


def stored_scale(towers: Any) -> float:
    """The exponential of ``logit_scale``."""
    return float(towers.logit_scale.float().exp().item())


def inverse_temperature(towers: Any) -> float:
    """1 / ``temperature``."""
    return 1.0 / float(towers.temperature.item())


def pooled(output: Any) -> Tensor:
    """Take the features from the library's output: ``pooler_output`` since version 5, and the tensor itself before."""
    return cast(Tensor, output if isinstance(output, Tensor) else output.pooler_output)
