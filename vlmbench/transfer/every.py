"""Every transfer of a run: each method with each number of shots and each draw.

The command line and :func:`vlmbench.evaluate` call it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from vlmbench.errors import UsageError
from vlmbench.record_parts.transfer import USUAL_TRACK
from vlmbench.registry import did_you_mean
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import ZERO_SHOT, Setting, Track, TransferAsked
from vlmbench.transfer.base import StatesOptions, learns_from, takes_track
from vlmbench.wording import either, listed

MOST_METHODS, MOST_SHOTS, MOST_DRAWS = 1_000, 1_000, 10_000
"""The longest lists of a run. A run has a record for each combination, so that longer lists are a slip of the pen."""


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

    Zero-shot, and a method that learns from no images, is asked once. Zero-shot has no setting. A method that cannot
    choose settings on the images of the track has the track without validation.

    Args:
        options: settings of the methods. Each goes to the methods that have it.

    Raises:
        UsageError: a list is empty, too long or has a value twice, there is no such track, or nothing uses an option,
            the shots, the draws, the track or the setting.
        UnknownNameError: there is no such method.
    """
    _check_list("--transfer", methods, most=MOST_METHODS)
    _check_list("--shots", shots, most=MOST_SHOTS)
    _check_list("--seeds", draws, most=MOST_DRAWS)
    TransferAsked(track=track)  # refuses an unknown track, also where nothing uses it
    fields = {name: _fields(name) for name in methods}
    known = sorted({field for own in fields.values() for field in own})
    for option in options:
        if option not in known:
            hint = did_you_mean(option, known)
            raise UsageError(
                f"none of these transfer methods has an option {option!r}",
                hint=f"{hint} Their options are {', '.join(known)}." if known else "They have no options.",
            )
    _check_use(methods, shots, draws, track)
    if set(methods) == {ZERO_SHOT}:
        TransferAsked(setting=setting)  # refuses a setting that changes nothing
    found = []
    for name in methods:
        own = {option: value for option, value in options.items() if option in fields[name]}
        if name == ZERO_SHOT:
            found.append(TransferAsked())
        elif learns_from(METHODS.get(name)) == "nothing":
            own_track: Track = track if takes_track(METHODS.get(name), track) else "no-validation"
            found += [TransferAsked(name, 0, draw, own_track, own, setting=setting) for draw in draws[:1]]
        else:
            found += [
                TransferAsked(name, count, draw, track, own, together=tuple(draws), setting=setting)
                for count in shots
                for draw in draws
            ]
    return tuple(found)


def _check_list(flag: str, values: Sequence[object], *, most: int) -> None:
    """Refuse a list that is empty, too long, or has a value twice.

    Raises:
        UsageError: it is.
    """
    if not values:
        raise UsageError(f"{flag} names nothing")
    if len(values) > most:
        raise UsageError(f"{flag} takes at most {most:,} values, and this list is longer")
    twice = sorted(str(value) for value, count in Counter(values).items() if count > 1)
    if twice:
        raise UsageError(f"{flag} names {listed(twice, most=3)} twice")


def _check_use(methods: Sequence[str], shots: Sequence[int], draws: Sequence[int], track: Track) -> None:
    """Refuse shots, draws or a track that no method uses: a user who gives them expects them to change something.

    Raises:
        UsageError: there are some.
    """
    learning = [name for name in methods if name != ZERO_SHOT and learns_from(METHODS.get(name)) != "nothing"]
    if learning:
        return
    adapting = [name for name in methods if name != ZERO_SHOT]
    unused = ["--shots"] if tuple(shots) != (0,) else []
    unused += ["--seeds"] if len(draws) > 1 or (tuple(draws) != (0,) and not adapting) else []
    takes = [name for name in adapting if takes_track(METHODS.get(name), track)]
    unused += ["--track"] if track != USUAL_TRACK and not takes else []
    if unused:
        whose = (
            f"{listed(adapting)} {either(len(adapting), 'learns', 'learn')} from no images"
            if adapting
            else "zero-shot learns nothing"
        )
        raise UsageError(
            f"{listed(unused)} {either(len(unused), 'changes', 'change')} nothing here, because {whose}",
            hint=f"Name a method that learns from images, with --transfer NAME, or leave out {listed(unused)}.",
        )


def _fields(name: str) -> frozenset[str]:
    method = METHODS.get(name)
    return frozenset(method.options.model_fields) if isinstance(method, StatesOptions) else frozenset()
