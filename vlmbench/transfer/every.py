"""Every transfer of a run: each method with each number of shots and each draw.

The command line and :func:`vlmbench.evaluate` call it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlmbench.errors import UsageError
from vlmbench.registry import did_you_mean
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import ZERO_SHOT, Setting, Track, TransferAsked
from vlmbench.transfer.base import StatesOptions, learns_from
from vlmbench.wording import listed


def every_transfer(
    methods: Sequence[str],
    shots: Sequence[int],
    draws: Sequence[int],
    *,
    track: Track,
    options: Mapping[str, Any],
    setting: Setting = "all-classes",
) -> tuple[TransferAsked, ...]:
    """Every combination, methods first, then shots, then draws.

    Zero-shot, and a method that learns from no images, is asked once. Zero-shot has no setting.

    Args:
        options: settings of the methods. Each goes to the methods that have it.

    Raises:
        UsageError: a list is empty or has a value twice, no method has an option, or a setting is given and no method.
        UnknownNameError: there is no such method.
    """
    for name, values in (("--transfer", methods), ("--shots", shots), ("--seeds", draws)):
        if not values:
            raise UsageError(f"{name} names nothing")
        twice = sorted({str(value) for value in values if list(values).count(value) > 1})
        if twice:
            raise UsageError(f"{name} names {listed(twice)} twice")
    fields = {name: _fields(name) for name in methods}
    known = sorted({field for own in fields.values() for field in own})
    for option in options:
        if option not in known:
            hint = did_you_mean(option, known)
            raise UsageError(
                f"none of these transfer methods has an option {option!r}",
                hint=f"{hint} Their options are {', '.join(known)}." if known else "They have no options.",
            )
    if set(methods) == {ZERO_SHOT}:
        TransferAsked(setting=setting)  # refuses a setting that changes nothing
    found = []
    for name in methods:
        own = {option: value for option, value in options.items() if option in fields[name]}
        if name == ZERO_SHOT:
            found.append(TransferAsked())
        elif learns_from(METHODS.get(name)) == "nothing":
            found += [TransferAsked(name, 0, draw, track, own, setting=setting) for draw in draws[:1]]
        else:
            found += [
                TransferAsked(name, count, draw, track, own, together=tuple(draws), setting=setting)
                for count in shots
                for draw in draws
            ]
    return tuple(found)


def _fields(name: str) -> frozenset[str]:
    method = METHODS.get(name)
    return frozenset(method.options.model_fields) if isinstance(method, StatesOptions) else frozenset()
