"""Defines the capability of models that encode the frames of a clip together.

Adapters implement it, the engine encodes clips with it, and classification and rare actions use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import PIL.Image
from torch import Tensor


@runtime_checkable
class ClipEncoder(Protocol):
    """The capability of models that encode a clip as a whole, and compare it with texts in a way of their own.

    For example, the feature of a text may depend on the clip. So clips and texts have no features that a task could
    compare itself.
    """

    frames_per_clip: int
    """T, the number of frames of a clip. The model takes no other number."""
    logit_scale: float
    """The factor of the cosines before a softmax; 1.0 without one."""

    def preprocess_frame(self, image: PIL.Image.Image) -> Tensor:
        """Map a frame in any mode to (3, H, W) float32. Several threads call it at once."""

    def encode_prompts(self, texts: Sequence[str]) -> Tensor:
        """Encode N strings to (N, D), as :meth:`similarities` takes them."""

    def encode_clips(self, frames: Tensor) -> Tensor:
        """Encode (B, T, 3, H, W) to (B, K): all that :meth:`similarities` needs of each clip."""

    def similarities(self, clips: Tensor, prompts: Tensor, num_classes: int) -> Tensor:
        """Compare clips, (B, K), with classes: (B, C) cosines, float32.

        Args:
            prompts: (C * P, D), the P prompts of the first class first. A class counts as CLIP's ensemble does: unit
                features of its prompts, their mean, unit length again.
        """
