"""Defines what workers tell the driver: messages that are picklable and small, but for the answers themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from vlmbench.features.images.parts import PartCounts
    from vlmbench.records import Environment
    from vlmbench.run.pair import PairAnswer


@dataclass(frozen=True)
class WorkerFacts:
    """What a worker is and what it runs. The driver compares code and packages with its own.

    Attributes:
        host: the name of the machine.
        pid: the process.
        device: the torch device, such as "cuda" or "cpu".
        processor: the name of the GPU or processor, see :func:`vlmbench.run.machine.processor_name`.
        machine: the kind of the node, see :func:`vlmbench.run.machine.machine_kind`.
        threads: the threads of torch in this worker.
        batch_size: images in a forward pass.
        environment: the versions of vlmbench, Python and the packages that may change a number.
        code: a hash of all of vlmbench's own code.
    """

    host: str
    pid: int
    device: str
    processor: str
    machine: str
    threads: int
    batch_size: int
    environment: Environment
    code: str


@dataclass(frozen=True)
class Ready:
    """A worker has started."""

    facts: WorkerFacts


@dataclass(frozen=True)
class Told:
    """A call of one of the methods of :class:`~vlmbench.run.listener.Listener`, by its name."""

    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Prompts:
    """The prompts of the current pair are encoded: other pairs can take them from the cache.

    Attributes:
        rows: the features that are new, as in :class:`~vlmbench.run.pool.pieces.Carried`; None if there are no new
            ones, or if every worker has the same feature cache.
    """

    rows: Any = None


@dataclass(frozen=True)
class Answered:
    """A piece is done that is a whole pair.

    Attributes:
        piece: its number.
        answer: pictures in it are drawn.
        log: what the worker's process wrote to standard output and error meanwhile, the end of it.
    """

    piece: int
    answer: PairAnswer
    log: str = ""


@dataclass(frozen=True)
class Encoded:
    """A piece is done that is a part of a pair's images.

    Attributes:
        piece: its number.
        counts: goes into ``Piece.done`` of the whole pair; None if the part could not be encoded. The whole pair then
            meets the same problem and reports it.
        rows: as in :class:`~vlmbench.run.pool.pieces.Carried`; None if every worker has the same feature cache.
    """

    piece: int
    counts: PartCounts | None
    rows: Any = None


@dataclass(frozen=True)
class Died:
    """A worker has ended without being asked to.

    Attributes:
        reason: how, in plain words, such as "killed by signal 9".
        out_of_memory: whether memory ran out.
        log: the end of what it wrote.
        starting: whether it had not said that it is ready.
    """

    reason: str
    out_of_memory: bool = False
    log: str = ""
    starting: bool = False


Event: TypeAlias = Ready | Told | Prompts | Answered | Encoded | Died
