"""Checks the budgets of a gate file: speed and memory as ratios, if both sides were measured in the same way.

``vlmbench compare`` uses it with ``--gate``.
"""

from __future__ import annotations

from vlmbench.gate.outcome import Check, Demand
from vlmbench.gate.policy import Settings
from vlmbench.records import Record, RunInfo
from vlmbench.wording import speed_text

_MEASURE_AGAIN = "run it again with --force --no-cache"


def check_budgets(baseline: Record, candidate: Record, settings: Settings) -> list[Check]:
    """The result of each budget in the settings: met, exceeded, or not checked, with the reason."""
    checks = []
    if settings.min_speed_ratio is not None:
        checks.append(_speed(baseline.run, candidate.run, settings.min_speed_ratio))
    if settings.max_memory_ratio is not None:
        checks.append(_memory(baseline.run, candidate.run, settings.max_memory_ratio))
    return checks


def _speed(before: RunInfo, after: RunInfo, limit: float) -> Check:
    if reason := _unlike(before, after):
        return _unknown("min_speed_ratio", limit, f"speed cannot be compared: {reason}")
    old, new = before.images_per_second, after.images_per_second
    if old is None or new is None:
        side = "both sides" if old is new else "the baseline" if old is None else "the candidate"
        reason = f"features of {side} came from the cache; {_MEASURE_AGAIN}"
        return _unknown("min_speed_ratio", limit, f"speed was not measured: {reason}")
    if old <= 0:
        return _unknown("min_speed_ratio", limit, f"speed was not measured: the baseline's is {old:g} images a second")
    ratio = new / old
    figures = (
        f"{speed_text(new)} images a second, {speed_text(old)} before: ratio {ratio:.2f}, "
        f"the gate demands at least {limit:g}"
    )
    return Check(demand="min_speed_ratio", met=ratio >= limit, message=figures, limit=limit, found=ratio)


def _memory(before: RunInfo, after: RunInfo, limit: float) -> Check:
    if reason := _unlike(before, after):
        return _unknown("max_memory_ratio", limit, f"memory cannot be compared: {reason}")
    old, new = before.peak_memory_bytes, after.peak_memory_bytes
    if not old or new is None:
        side = "of both sides" if not old and new is None else "of the baseline" if not old else "of the candidate"
        reason = f"the record {side} does not state it (an older version wrote it, or the system does not report it)"
        return _unknown("max_memory_ratio", limit, f"memory was not measured: {reason}; run it again")
    if (before.images_per_second is None) != (after.images_per_second is None):
        reason = f"features of one side came from the cache; {_MEASURE_AGAIN}"
        return _unknown("max_memory_ratio", limit, f"memory cannot be compared: {reason}")
    ratio = new / old
    figures = (
        f"{new / 2**20:,.0f} MiB at its peak, {old / 2**20:,.0f} before: ratio {ratio:.2f}, at most {limit:g} allowed"
    )
    return Check(demand="max_memory_ratio", met=ratio <= limit, message=figures, limit=limit, found=ratio)


def _unlike(before: RunInfo, after: RunInfo) -> str:
    """The differences between two runs that affect speed and memory, such as the device."""
    facts = (
        ("device", before.device, after.device),
        ("precision", before.precision, after.precision),
        ("batch size", before.batch_size, after.batch_size),
        ("workers", before.workers, after.workers),
    )
    unlike = [f"{name} {old} and {new}" for name, old, new in facts if old != new]
    # Older records do not name the processor.
    if None not in (before.processor, after.processor) and before.processor != after.processor:
        unlike.append(f"processor {before.processor} and {after.processor}")
    return ", ".join(unlike)


def _unknown(demand: Demand, limit: float, message: str) -> Check:
    return Check(demand=demand, met=None, message=message, limit=limit)
