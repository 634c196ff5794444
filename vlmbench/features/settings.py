"""How features are computed."""

from __future__ import annotations

from dataclasses import dataclass

from vlmbench.features.precision import Precision
from vlmbench.features.workers import default_workers


@dataclass(frozen=True)
class EngineSettings:
    """How features are computed; nothing here but the precision may change a number.

    Attributes:
        precision: fp32, or autocast to bf16 or fp16.
        batch_size: images a forward pass.
        workers: decoding threads; None: one a core.
        skip_bad: leave out samples that cannot be decoded instead of failing.
    """

    precision: Precision = "fp32"
    batch_size: int = 64
    workers: int | None = None
    skip_bad: bool = False

    @property
    def decoding_threads(self) -> int:
        return self.workers or default_workers()
