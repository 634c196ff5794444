"""What a user asks of a transfer: the method, the shots, the draw, the track, and which classes are learnt.

:class:`vlmbench.tasks.base.TaskOptions` holds one. It is plain data, so that a job can be sent to another process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from vlmbench.cards import TaskCard
from vlmbench.errors import UsageError

ZERO_SHOT = "zero-shot"
"""The method that learns nothing. It is used if no other is named."""

Track = Literal["no-validation", "cut-validation", "few-shot-validation", "full-validation", "leaky"]
"""Which images choose a method's settings:

- ``no-validation``: none; the settings are fixed (as CLAP and CLIP-LoRA do);
- ``cut-validation``: a quarter of the K support images of each class, at least one, which are then not learnt from;
- ``few-shot-validation``: min(K, 4) more images of each class (as CoOp and cross-modal adaptation draw them);
- ``full-validation``: all validation images of the data set (as Tip-Adapter, APE and GDA do);
- ``leaky``: the test images, as some papers chose; every table marks it.
"""
TRACKS: tuple[Track, ...] = get_args(Track)
LIMIT = 2**31
"""Shots and draws are below it, so that every generator of random numbers takes a draw as its seed."""
Setting = Literal["all-classes", "base-to-new"]
"""Which classes of a task are learnt:

- ``all-classes``: all of them;
- ``base-to-new``: the first half in label order, one more if the number is odd. The others are new. Source:
  KaiyangZhou/CoOp, ``subsample_classes`` in datasets/oxford_pets.py.
"""
SETTINGS: tuple[Setting, ...] = get_args(Setting)


_ADD_A_METHOD = "Name a method that learns from images: --transfer NAME --shots K."


@dataclass(frozen=True, repr=False)
class TransferAsked:
    """One transfer of one task.

    Attributes:
        method: its name, see :data:`vlmbench.transfer.METHODS`.
        shots: K, the number of images of each class in the support set; 0 for a method that learns from no images.
        draw: the seed of the support set and of everything that the method draws.
        track: which images choose the settings.
        options: the method's settings that the user set.
        together: other draws of the same run, which a method may learn from at the same time. It changes no number.
        setting: which classes are learnt.
        source: the card of another task, whose train data and classes are learnt; None: the task's own.

    Raises:
        UsageError: a number below 0 or too large, an unknown track or setting, or two of these that exclude each other.
    """

    method: str = ZERO_SHOT
    shots: int = 0
    draw: int = 0
    track: Track = "no-validation"
    options: Mapping[str, Any] = field(default_factory=dict)
    together: tuple[int, ...] = field(default=(), compare=False, repr=False)
    setting: Setting = field(default="all-classes", repr=False)
    source: TaskCard | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for option, value in (("--shots", self.shots), ("the draw of --seeds", self.draw)):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < LIMIT:
                large = isinstance(value, int) and value >= LIMIT  # Python refuses to print thousands of digits
                said = "a larger number" if large else repr(value)
                raise UsageError(f"{option} must be a whole number from 0 to {LIMIT - 1:,}, not {said}")
        if self.track not in TRACKS:
            raise UsageError(f"--track must be one of {', '.join(TRACKS)}, not {self.track!r}")
        if self.setting not in SETTINGS:
            raise UsageError(f"--setting must be one of {', '.join(SETTINGS)}, not {self.setting!r}")
        if not self.adapts and (self.setting != "all-classes" or self.source is not None):
            given = "--learn-from" if self.source is not None else f"--setting {self.setting}"
            raise UsageError(f"{given} changes nothing for zero-shot, which learns nothing", hint=_ADD_A_METHOD)
        if self.source is not None and self.setting == "base-to-new":
            raise UsageError(
                "--setting base-to-new learns half of a task's own classes, and --learn-from those of another task",
                hint="Use one of the two.",
            )
        if self.source is not None and self.track == "leaky":
            raise UsageError(
                "--track leaky chooses settings on the test images, which may show other classes than --learn-from "
                "teaches",
                hint="Use another track.",
            )

    def __repr__(self) -> str:
        """The fields, without those that came later and have their default: failures are named by it."""
        first = {spec.name: getattr(self, spec.name) for spec in fields(self) if spec.repr}
        later = self.protocol_of_classes
        return f"TransferAsked({', '.join(f'{name}={value!r}' for name, value in {**first, **later}.items())})"

    @property
    def adapts(self) -> bool:
        """Whether the model is adapted at all: False for zero-shot."""
        return self.method != ZERO_SHOT

    @property
    def protocol(self) -> dict[str, Any]:
        """The part of a record's protocol that says how the model is adapted; empty for zero-shot."""
        if not self.adapts:
            return {}
        named = {"transfer": self.method, "shots": self.shots, "draw": self.draw, "track": self.track}
        return {**named, **self.protocol_of_classes, "method_options": dict(self.options)}

    @property
    def protocol_of_classes(self) -> dict[str, Any]:
        """The part of it that says which classes are learnt; empty if it is all classes of the task itself."""
        setting = {} if self.setting == "all-classes" else {"setting": self.setting}
        return setting if self.source is None else {**setting, "source": self.source.name}


def transfer_key(protocol: Mapping[str, Any]) -> tuple[Any, ...]:
    """The part of a record's protocol that says how the model was adapted, as a key: of zero-shot, all None.

    The method's options are not part of it: a record has all of them, and a request has those that the user set.
    """
    names = ("transfer", "shots", "draw", "track", "setting", "source")
    of_zero_shot = "transfer" not in protocol  # other fields of its protocol may have the same names
    return tuple(None if of_zero_shot else protocol.get(name) for name in names)
