"""Defines the settings by which the engine computes features. Runs make them from the user's options."""

from __future__ import annotations

from dataclasses import dataclass

from vlmbench.features.precision import Precision
from vlmbench.features.workers import default_workers


@dataclass(frozen=True)
class EngineSettings:
    """How features are computed. Only the precision may change a number.

    Attributes:
        precision: fp32, or autocast to bf16 or fp16.
        batch_size: images in one forward pass.
        workers: decoding threads; None: one for each core, at most 16.
        skip_bad: leave out samples that cannot be decoded instead of failing.
    """

    precision: Precision = "fp32"
    batch_size: int = 64
    workers: int | None = None
    skip_bad: bool = False

    @property
    def decoding_threads(self) -> int:
        return self.workers or default_workers()
