"""What a comparison may be written as, by name. How a terminal shows one is the command line's matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlmbench.registry import Registry, modules_in

if TYPE_CHECKING:
    from vlmbench.gate.outcome import Comparison


@dataclass(frozen=True)
class GateFormat:
    """What a comparison may be written as.

    Attributes:
        name: what the command line calls it.
        write: the whole file.
        besides: what else is done with the comparison once it is written, such as adding to a page of a forge.
    """

    name: str
    write: Callable[[Comparison], str]
    besides: Callable[[Comparison], object] | None = None


FORMATS: Registry[GateFormat] = Registry(
    "comparison format", modules_in("gate/formats", "FORMAT"), group="vlmbench.gate_formats", expects=GateFormat
)
