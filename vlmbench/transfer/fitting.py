"""Fits a method to one or more draws, and measures what it costs. Classification calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from vlmbench.features.engine import FeatureEngine
from vlmbench.features.peak_memory import PeakOfPart
from vlmbench.prompts import PromptSet
from vlmbench.transfer.base import FewShot, FitsDraws, Fitted, TransferMethod, other_models
from vlmbench.transfer.methods.zero_shot import METHOD as ZERO_SHOT


@dataclass(frozen=True)
class Fit:
    """What a method learnt from one draw, and what it cost.

    Attributes:
        seconds: wall-clock seconds to learn, without reading and encoding images and prompts. Of draws that were learnt
            together, each has its equal share.
        together: how many draws were learnt together.
        peak_bytes: the largest memory in use; None if this process does not measure it. Draws that were learnt together
            have one number.
    """

    fitted: Fitted
    seconds: float
    together: int
    peak_bytes: int | None = None


def fit_draws(
    method: TransferMethod,
    engine: FeatureEngine,
    supports: Sequence[FewShot],
    prompts: PromptSet,
    options: Mapping[str, Any],
) -> list[Fit]:
    """Fit a method to each support set; together where the method can.

    Raises:
        TransferError: learning failed.
        UsageError: an option is wrong.
    """
    engines = [engine, *(engine.other(name) for name in other_models(method, options))]  # loads them before it counts
    if isinstance(method, FitsDraws):
        watch = _Watch(engines)
        with PeakOfPart() as memory:
            found = list(method.fit_draws(engine, supports, prompts, options))
        seconds = watch.seconds / len(supports)
        return [Fit(fitted, seconds, len(supports), memory.bytes) for fitted in found]
    fits = []
    for support in supports:
        watch = _Watch(engines)
        with PeakOfPart() as memory:
            classifier = method.fit(engine, support, prompts, options)
        fitted = Fitted(classifier, for_classes=_same_method(method, support, options))
        fits.append(Fit(fitted, watch.seconds, 1, memory.bytes))
    return fits


class _Watch:
    """Counts seconds from its making, without those that the engines spend on images and texts.

    The first method that needs a feature would otherwise pay for all that follow.
    """

    def __init__(self, engines: Sequence[FeatureEngine]) -> None:
        self._engines, self._encoding, self._started = engines, _encoding(engines), perf_counter()

    @property
    def seconds(self) -> float:
        return max(0.0, perf_counter() - self._started - (_encoding(self._engines) - self._encoding))


def _encoding(engines: Sequence[FeatureEngine]) -> float:
    """The seconds that the engines have spent on images and texts so far."""
    return sum(engine.seconds.get(stage, 0.0) for engine in engines for stage in ("images", "text"))


def _same_method(method: TransferMethod, support: FewShot, options: Mapping[str, Any]) -> Any:
    """How a method without :class:`~vlmbench.transfer.base.FitsDraws` scores other classes: it is fitted to them.

    None if it cannot, or if it learnt from images, whose labels would mean other classes.
    """
    if not method.scores_new_classes or support.train is not None:
        return None
    return lambda engine, prompts: method.fit(engine, support, prompts, options)


def zero_shot_of(engine: FeatureEngine, prompts: PromptSet) -> Any:
    """The zero-shot classifier of the same prompts."""
    return ZERO_SHOT.fit(engine, FewShot(), prompts, {})
