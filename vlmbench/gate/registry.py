"""Registers the formats of comparisons by name. ``vlmbench compare --format`` looks them up here.

The command line itself shows comparisons on a terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlmbench.registry import Registry, modules_in

if TYPE_CHECKING:
    from vlmbench.gate.outcome import Comparison


@dataclass(frozen=True)
class GateFormat:
    """A format of comparisons.

    Attributes:
        name: its name on the command line.
        write: makes the whole file.
        besides: does something else with the comparison after it is written, such as adding to a page of a Git host.
    """

    name: str
    write: Callable[[Comparison], str]
    besides: Callable[[Comparison], object] | None = None


FORMATS: Registry[GateFormat] = Registry(
    "comparison format", modules_in("gate/formats", "FORMAT"), group="vlmbench.gate_formats", expects=GateFormat
)
