"""Joins the draws of adapted models: the mean gain over draws that both sides have. ``vlmbench compare`` shows it.

The verdict judges each draw alone. With few samples one draw tells little, and several draws together tell more.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import mean

from vlmbench.gate.adapted_settings import Settings, settings_of, told
from vlmbench.gate.evidence import Evidence
from vlmbench.gate.outcome import OverDraws
from vlmbench.metrics.difference import Difference
from vlmbench.metrics.draws import NORMAL, interval_of_differences

_Key = tuple[str, str, str, str, str, str, int, str, Settings, Settings]


def over_draws(found: Iterable[Evidence]) -> list[OverDraws]:
    """One for each task, model, method, track, classes learnt, number of shots and settings of the method.

    Zero-shot tasks are left out.
    """
    groups: dict[_Key, list[Evidence]] = {}
    for evidence in found:
        how, record = evidence.baseline.transfer, evidence.baseline
        if how is not None:
            models = record.model.name, evidence.candidate.model.name
            own = settings_of(record), settings_of(evidence.candidate)
            key = (record.task.name, *models, how.method, how.track, how.learnt, how.shots, evidence.metric, *own)
            groups.setdefault(key, []).append(evidence)
    settings: dict[tuple[object, ...], list[Settings]] = {}
    for *name, before, _ in groups:
        settings.setdefault(tuple(name), []).append(before)
    return [_joined(key, groups[key], told(key[-2], settings[key[:-2]])) for key in sorted(groups)]


def _half(difference: Difference) -> float | None:
    """The larger half of the interval of one draw, which covers samples."""
    if difference.ci95 is None:
        return None
    return max(difference.value - difference.ci95[0], difference.ci95[1] - difference.value)


def _joined(key: _Key, draws: list[Evidence], detail: str) -> OverDraws:
    sign = 1.0 if draws[0].higher_is_better else -1.0
    gains = [sign * evidence.difference.value for evidence in draws]
    # All draws answer the same samples, so the error of the mean over samples is at most the mean of the draws' errors.
    halves = [_half(evidence.difference) for evidence in draws]
    known = [half for half in halves if half is not None]
    error = mean(known) / NORMAL if len(known) == len(halves) else None
    task, baseline_model, candidate_model, method, track, learnt, shots, metric, *_ = key
    return OverDraws(
        task=task,
        baseline_model=baseline_model,
        candidate_model=candidate_model,
        method=method,
        track=track,
        learnt=learnt,
        detail=detail,
        shots=shots,
        metric=metric,
        unit=draws[0].unit,
        draws=len(draws),
        gain=mean(gains),
        ci95=interval_of_differences(gains, error) if len(gains) > 1 else None,
        worse=sum(gain < 0 for gain in gains),
    )
