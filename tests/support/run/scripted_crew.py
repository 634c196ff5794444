"""A crew without processes: a script says what each worker tells about each piece, and one tick passes at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from vlmbench.cards import ModelCard, TaskCard
from vlmbench.features.images.parts import PartCounts
from vlmbench.records import Failure
from vlmbench.run.identity import environment
from vlmbench.run.job import Job, RunSettings
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.pair import PairAnswer
from vlmbench.run.pool.arguments import PoolOptions
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Answered, Died, Encoded, Event, Prompts, Ready, WorkerFacts
from vlmbench.run.pool.facts import code_sha256
from vlmbench.run.pool.pieces import Piece
from vlmbench.run.pool.pool import Pool
from vlmbench.tasks.base import TaskOptions

FACTS = WorkerFacts("host", 1, "cpu", "toy, 1 core", "1 core", 1, 8, environment(), code_sha256())
COUNTS = PartCounts(1, {}, 0.0, frozenset())


@dataclass(eq=False)
class ScriptedWorker:
    number: int
    slot: Slot
    given: deque[Piece] = field(default_factory=deque)
    stopped: bool = False

    def send(self, piece: Piece) -> None:
        self.given.append(piece)

    def stop(self) -> None:
        self.stopped = True


Script = Callable[[ScriptedWorker, Piece], Iterable[Event]]


def done(worker: ScriptedWorker, piece: Piece) -> list[Event]:
    """What a worker tells of a piece that it does."""
    if piece.part is not None:
        return [Encoded(piece.number, COUNTS, f"rows of {piece.part.start} to {piece.part.stop}")]
    return [Prompts(f"prompts of {worker.slot.node}"), Answered(piece.number, PairAnswer(piece.job.number, "done"))]


def failure(piece: Piece, error: str) -> Answered:
    """The answer of a pair that failed with an error of this name."""
    job = piece.job
    why = Failure(
        model=job.model.name,
        task=job.task.name,
        status="failed",
        error=error,
        message="too large",
        started="2026-01-01",
        environment=environment(),
    )
    return Answered(piece.number, PairAnswer(job.number, "failed", failure=why, exit_code=1))


class ScriptedCrew:
    """See :class:`~vlmbench.run.pool.crew.Crew`.

    Args:
        places: the number of places of each node.
        script: what a worker tells when it gets a piece.
        facts: of the workers of a node, if they are not like this process.
        joins: places of nodes that are there after some ticks: (tick, node, places).
    """

    shares_cache = False

    def __init__(
        self,
        places: dict[str, int],
        script: Script = done,
        *,
        facts: dict[str, WorkerFacts] | None = None,
        joins: Sequence[tuple[int, str, int]] = (),
    ) -> None:
        self.places = [Slot(node, number, f"<{node}>") for node, count in places.items() for number in range(count)]
        self.script = script
        self.facts = facts or {}
        self.joins = list(joins)
        self.started: list[ScriptedWorker] = []
        self.given: list[tuple[int, str, Piece]] = []
        self.ticks = 0
        self.closed = False
        self._new: list[ScriptedWorker] = []

    @contextmanager
    def open(self, settings: RunSettings) -> Iterator[None]:
        try:
            yield
        finally:
            self.closed = True

    def slots(self) -> Sequence[Slot]:
        return self.places

    def start(self, slot: Slot) -> ScriptedWorker:
        worker = ScriptedWorker(len(self.started), slot)
        self.started.append(worker)
        self._new.append(worker)
        return worker

    def events(self, seconds: float) -> Iterator[tuple[ScriptedWorker, Event]]:
        self.ticks += 1
        assert self.ticks < 1000, "the pool does not end"
        self.places += [
            Slot(node, number, f"<{node}>")
            for tick, node, count in self.joins
            if tick == self.ticks
            for number in range(count)
        ]
        told: list[tuple[ScriptedWorker, Event]] = []
        new, self._new = self._new, []
        for worker in new:
            told.append((worker, Ready(replace(self.facts.get(worker.slot.node, FACTS), pid=worker.number))))
        for worker in [worker for worker in self.started if worker not in new and not worker.stopped]:
            if worker.given:
                piece = worker.given.popleft()
                self.given.append((self.ticks, worker.slot.node, piece))
                for event in self.script(worker, piece):
                    worker.stopped |= isinstance(event, Died)
                    told.append((worker, event))
        yield from told


class Heard(NotesAsWarnings):
    """Keeps notes and the pairs that began."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []
        self.started: list[tuple[str, str]] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def pair_started(self, *pair: object, **_: object) -> None:
        self.started.append((str(pair[0]), str(pair[1])))


@dataclass
class FakeQuestion:
    """A question of which only the outline is asked."""

    indices: range
    prompts_sha256: str

    def encoded(self, model: object) -> None:
        raise AssertionError("the driver has no model")


@dataclass
class FakeOpened:
    question: FakeQuestion | None


class FakeState:
    """The driver's state, with questions of the sizes that the task cards state."""

    def __init__(self, settings: RunSettings) -> None:
        self.settings = settings
        self.listener = Heard()

    def task(self, card: TaskCard, options: TaskOptions) -> FakeOpened:
        return FakeOpened(FakeQuestion(range(card.samples or 10), card.description or card.name))


def jobs(models: Sequence[str], tasks: Sequence[str | tuple[str, int, str]], **settings: object) -> list[Job]:
    """A plan. A task is a name, or a name with its number of images and the name of its prompts."""
    cards = [ModelCard(name=name, adapter="toy") for name in models]
    made = []
    for task in tasks:
        name, size, prompts = task if isinstance(task, tuple) else (task, 10, task)
        source = {"kind": "imagefolder", "location": f"/data/{name.partition('@')[0]}"}
        made.append(
            TaskCard.model_validate({"name": name, "samples": size, "description": prompts, "sources": [source]})
        )
    pairs = [(card, task) for card in cards for task in made]
    chosen = RunSettings(**settings)  # type: ignore[arg-type]
    return [Job(number, card, task, TaskOptions(), chosen) for number, (card, task) in enumerate(pairs)]


def run(crew: ScriptedCrew, plan: list[Job], **options: int) -> tuple[list[PairAnswer], FakeState]:
    """The answers of a pool with this crew."""
    state = FakeState(plan[0].settings if plan else RunSettings())
    pool = Pool(crew, PoolOptions(**options))
    return list(pool.run(plan, state)), state  # type: ignore[arg-type]
