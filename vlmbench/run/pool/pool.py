"""Carries out jobs with a crew of workers: what each does next, what is tried again, and what is given up.

The executors ``local:N`` and ``ray`` are this pool with a crew of their own. Workers never wait for each other: a pair
is answered by one worker, and the parts of a large pair are joined through the feature cache.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from time import monotonic
from typing import Literal

from vlmbench.errors import UsageError, WorkerError
from vlmbench.run.identity import environment
from vlmbench.run.job import Job
from vlmbench.run.jobs import ChosenJobs
from vlmbench.run.pair import PairAnswer, failed
from vlmbench.run.pool.arguments import PoolOptions
from vlmbench.run.pool.crew import Crew, Slot
from vlmbench.run.pool.events import Answered, Died, Encoded, Event, Prompts, Ready, Told, WorkerFacts
from vlmbench.run.pool.facts import code_sha256, difference
from vlmbench.run.pool.listed_jobs import ListedJobs
from vlmbench.run.pool.log_text import TryLog, pair_log
from vlmbench.run.pool.members import Member, places_for_lost, spread
from vlmbench.run.pool.nodes import Nodes
from vlmbench.run.pool.pieces import Carried, Piece
from vlmbench.run.pool.schedule import Outline, Waiting, outlined
from vlmbench.run.pool.splits import Split, parts_of
from vlmbench.run.pool.watching import Share, WatchesWorkers, watcher_of
from vlmbench.run.process_state import ProcessState
from vlmbench.wording import counted

TRIES = 3
"""How often a pair is tried if its worker dies."""
_WAITS_S = 0.5
_ASKS_AGAIN_S = 2.0
"""The seconds after which the lease of a pair that another run is doing is asked for again."""
_MEMORY_ERRORS = frozenset({"OutOfMemoryError", "MemoryError"})


class Pool:
    """An :class:`~vlmbench.run.executors.base.Executor` with several workers.

    Args:
        crew: starts the workers.
        options: how many there are, and when a pair is split.
    """

    has_workers: Literal[True] = True

    def __init__(self, crew: Crew, options: PoolOptions) -> None:
        self._crew = crew
        self._options = options

    def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
        """See :class:`~vlmbench.run.executors.base.Executor`.

        Raises:
            WorkerError: no worker can be started, or every node is left out.
            UsageError: answers are to be saved, and workers of other machines would have them.
        """
        chosen = jobs if isinstance(jobs, ChosenJobs) else ListedJobs(jobs)
        waiting = Waiting()
        for job in chosen.waiting():
            waiting.add(outlined(job, state))
        if not waiting:
            return
        saves = any(job.save_answers is not None for job in chosen.waiting())
        with self._crew.open(state.settings):
            if saves and not self._crew.shares_cache:
                raise UsageError(
                    "the workers of a cluster cannot save answers, because each would write to its own machine",
                    hint="Use --executor local:N, or leave out --save-answers.",
                )
            yield from _Run(self._crew, self._options, chosen, waiting, state).answers()


@dataclass
class _Run:
    """One run of a pool."""

    crew: Crew
    options: PoolOptions
    jobs: ChosenJobs
    waiting: Waiting
    state: ProcessState
    members: dict[int, Member] = field(default_factory=dict)
    queue: list[Piece] = field(default_factory=list)
    splits: dict[int, Split] = field(default_factory=dict)
    nodes: Nodes = field(default_factory=Nodes)
    pieces: int = 0
    outlines: dict[int, Outline] = field(default_factory=dict)
    shares: dict[int, Share] = field(default_factory=dict)
    began: dict[int, datetime] = field(default_factory=dict)
    given_up: set[int] = field(default_factory=set)
    died_on: dict[int, set[str]] = field(default_factory=dict)
    tries: dict[int, list[TryLog]] = field(default_factory=dict)
    warm: dict[str, set[Hashable]] = field(default_factory=dict)
    encoding: dict[int, Hashable] = field(default_factory=dict)
    """The prompts that the worker of a job is encoding, by the job's number."""
    rows_of: dict[Hashable, Carried] = field(default_factory=dict)
    """Features of prompts, for the workers of other nodes."""
    held: dict[int, float] = field(default_factory=dict)
    """When to ask again for jobs that another run is doing."""
    said: set[Hashable] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    """How messages name the nodes."""

    def __post_init__(self) -> None:
        self.watcher: WatchesWorkers = watcher_of(self.state.listener)

    def answers(self) -> Iterator[PairAnswer]:
        while self.waiting or self.queue or any(member.piece for member in self.members.values()):
            self._staff()
            self._assign()
            self._check_workers()
            for worker, event in self.crew.events(_WAITS_S):
                member = self.members.get(worker.number)
                if member is not None:
                    yield from self._heard(member, event)
        for member in self.members.values():
            self.watcher.worker_stopped(member.worker.number)

    # Workers.

    def _staff(self) -> None:
        """Start as many workers as there is work for, and one on another node for a piece that was lost here."""
        self.names |= {slot.node: slot.shown for slot in self.crew.slots()}
        free, most = self._free_places()
        busy = sum(member.piece is not None for member in self.members.values())
        work = len(self.waiting) + len(self.queue) + busy
        splits = work < most and self.waiting.largest_that_splits() >= self.options.split_at
        wanted = most if splits else min(most, work)
        elsewhere = places_for_lost(self.queue, self.died_on, self.members.values(), free)
        if len(self.members) >= wanted and elsewhere:
            free, wanted = elsewhere, min(most, len(self.members) + 1)
        for slot in spread(free, Counter(member.node for member in self.members.values())):
            if len(self.members) >= wanted:
                return
            try:
                worker = self.crew.start(slot)
            except WorkerError as error:
                self._failed_start(slot, error.message)
                return
            self.members[worker.number] = Member(worker)
            self.watcher.worker_starting(worker.number, slot)

    def _free_places(self) -> tuple[list[Slot], int]:
        """The places where a worker can be started, and the largest number of workers."""
        places = [slot for slot in self.crew.slots() if self.nodes.has_place(slot)]
        taken = {member.worker.slot for member in self.members.values()}
        most = min(len(places), self.options.workers or len(places))
        return [slot for slot in places if slot not in taken], most

    def _check_workers(self) -> None:
        """Stop the run if there is work, and nothing that could do it.

        Raises:
            WorkerError: no node is left, or the crew has no place for a worker.
        """
        if self.members or not (self.waiting or self.queue):
            return
        if any(map(self.nodes.has_place, self.crew.slots())):
            return
        reasons = "; ".join(f"{self.names.get(node, node)}: {reason}" for node, reason in self.nodes.left_out.items())
        raise WorkerError(
            f"no worker is left for {counted(len(self.waiting) + len(self.queue), 'pair')}"
            + (f" ({reasons})" if reasons else ", because no node has a place for one"),
            hint="Finished pairs are on disk; the same command continues.",
        )

    def _failed_start(self, slot: Slot, reason: str) -> None:
        if self.nodes.failed_start(slot, reason):
            self._leave_out(slot)

    def _leave_out(self, slot: Slot) -> None:
        """Stop the workers of a node that gets no more work. Those at work end their pieces first."""
        self.watcher.node_left_out(slot.shown, self.nodes.left_out[slot.node])
        for member in list(self.members.values()):
            if member.node == slot.node and member.piece is None:
                self._stop(member)

    def _stop(self, member: Member) -> None:
        del self.members[member.worker.number]
        member.worker.stop()
        self.watcher.worker_stopped(member.worker.number)

    # Work.

    def _assign(self) -> None:
        for member in list(self.members.values()):
            if not member.idle:
                continue
            piece = self._queued(member) or self._new(member)
            if piece is None:
                continue
            piece = self._with_prompts(piece, member)
            member.piece, member.model = piece, piece.job.model.name
            self.began.setdefault(piece.job.number, datetime.now(timezone.utc))
            self.watcher.piece_given(member.worker.number, piece, self.shares.get(piece.number))
            member.worker.send(piece)

    def _queued(self, member: Member) -> Piece | None:
        """A part, a pair whose parts are done, or a lost piece; if possible not on a node where it was lost."""
        if not self.queue:
            return None
        free, most = self._free_places()
        nodes = {other.node for other in self.members.values() if self.nodes.usable(other.node)}
        nodes |= {slot.node for slot in free if len(self.members) < most}
        fit = [
            piece
            for piece in self.queue
            if member.node not in (bad := self.died_on.get(piece.job.number, set())) or nodes <= bad
        ]
        if not fit:
            return None
        piece = min(fit, key=lambda piece: piece.job.model.name != member.model)
        self.queue.remove(piece)
        return piece

    def _new(self, member: Member) -> Piece | None:
        now = monotonic()
        loaded = Counter(other.model for other in self.members.values() if other.model and other is not member)
        busy = {self.outlines[job].images for job in self._at_work()} | set(self.encoding.values())
        held = {job for job, until in self.held.items() if until > now}
        while True:
            outline = self.waiting.choose(
                member.model, loaded=loaded, warm=self.warm.get(member.node, ()), busy=busy, held=held
            )
            if outline is None:
                return None
            number = outline.job.number
            job = self.jobs.take(number)
            if job is not None:
                break
            self.held[number] = now + _ASKS_AGAIN_S
            held.add(number)
        self.waiting.remove(outline)
        self.held.pop(number, None)
        self.outlines[number] = outline
        parts = self._parts(outline)
        if parts:
            return parts.pop(0)
        self.encoding[number] = outline.prompts
        return self._piece(job)

    def _at_work(self) -> set[int]:
        """The jobs that workers have, and those whose parts they have."""
        return {member.piece.job.number for member in self.members.values() if member.piece} | set(self.splits)

    def _piece(self, job: Job) -> Piece:
        self.pieces += 1
        return Piece(self.pieces - 1, job)

    def _parts(self, outline: Outline) -> list[Piece]:
        """The parts of a large pair, if workers would have nothing else to do; all but the first are queued."""
        if not outline.splits or outline.size < self.options.split_at:
            return []
        free = self._free_places()[1] - len(self._at_work()) - len(self.waiting) - len(self.queue)
        if free < 2:
            return []
        parts = parts_of(outline.size, free, outline.job.settings.batch_size)
        if len(parts) < 2:
            return []
        made = [replace(self._piece(outline.job), part=part) for part in parts]
        self.shares |= {piece.number: Share(place, len(made)) for place, piece in enumerate(made, 1)}
        self.splits[outline.job.number] = Split(outline.job, {piece.number for piece in made})
        self.queue += made[1:]
        return made[:1]

    def _with_prompts(self, piece: Piece, member: Member) -> Piece:
        """The piece with features of its prompts, if a worker of another node has computed them."""
        outline = self.outlines[piece.job.number]
        rows = self.rows_of.get(outline.prompts)
        if piece.part is not None or rows is None or outline.prompts in self.warm.get(member.node, ()):
            return piece
        return replace(piece, carried=(*piece.carried, rows))

    # What workers tell.

    def _heard(self, member: Member, event: Event) -> Iterator[PairAnswer]:
        if isinstance(event, Ready):
            self._ready(member, event.facts)
        elif isinstance(event, Told):
            self._told(member, event)
        elif isinstance(event, Prompts):
            self._prompts(member, event)
        elif isinstance(event, Died):
            yield from self._died(member, event)
        elif member.piece is not None:
            piece, member.piece = member.piece, None
            if isinstance(event, Encoded):
                self.watcher.piece_finished(member.worker.number, piece, "done" if event.counts else "lost")
                self._encoded(piece, event)
            else:
                yield from self._answered(member, piece, event)
            if not self.nodes.usable(member.node):
                self._stop(member)

    def _ready(self, member: Member, facts: WorkerFacts) -> None:
        reason = difference(environment(), code_sha256(), facts)
        if reason is None:
            member.facts = facts
            self.nodes.started(member.worker.slot)
            self.watcher.worker_ready(member.worker.number, facts)
            return
        self.nodes.refuse(member.node, f"it does not run what this process runs: {reason}")
        self._leave_out(member.worker.slot)

    def _told(self, member: Member, told: Told) -> None:
        if told.method in ("note", "remark"):  # every worker that loads a model or opens a task makes the same ones
            key = told.method, *map(str, told.arguments)
            if key in self.said:
                return
            self.said.add(key)
        if told.method not in ("pair_started", "pair_finished"):
            self.watcher.worker_told(member.worker.number, told)

    def _prompts(self, member: Member, event: Prompts) -> None:
        if member.piece is None or member.piece.part is not None:
            return
        self.encoding.pop(member.piece.job.number, None)
        prompts = self.outlines[member.piece.job.number].prompts
        self.warm.setdefault(member.node, set()).add(prompts)
        if event.rows is not None:
            self.rows_of[prompts] = Carried("texts", event.rows)

    def _encoded(self, piece: Piece, event: Encoded) -> None:
        split = self.splits.get(piece.job.number)
        if split is None:  # another part has killed its workers, and the pair has failed
            return
        split.add(event)
        if not split.open:
            self._join(split)

    def _join(self, split: Split) -> None:
        del self.splits[split.job.number]
        self.encoding[split.job.number] = self.outlines[split.job.number].prompts
        self.queue.insert(0, replace(self._piece(split.job), done=split.counts, carried=split.carried))

    def _answered(self, member: Member, piece: Piece, event: Answered) -> Iterator[PairAnswer]:
        answer, number = event.answer, piece.job.number
        failure = answer.failure
        if failure is not None and failure.error in _MEMORY_ERRORS and piece.attempt + 1 < TRIES:
            self.watcher.piece_finished(member.worker.number, piece, "lost")
            self._keep_log(member, piece, "memory ran out", event.log)
            self._again(piece, f"memory ran out: {failure.message}", smaller=True)
            return
        self._keep_log(member, piece, "done" if answer.record or answer.found else answer.status, event.log)
        self.watcher.piece_finished(member.worker.number, piece, "failed" if answer.status == "failed" else "done")
        self.encoding.pop(number, None)
        if answer.status == "done":
            self.warm.setdefault(member.node, set()).update(self.outlines[number].provides)
        yield replace(answer, log=pair_log(self.tries.pop(number, ())))

    def _died(self, member: Member, died: Died) -> Iterator[PairAnswer]:
        del self.members[member.worker.number]
        self.watcher.worker_died(member.worker.number, died)
        piece = member.piece
        if piece is None:
            if died.starting:
                self._failed_start(member.worker.slot, died.reason)
            return
        number = piece.job.number
        if number in self.given_up:
            return
        self._keep_log(member, piece, died.reason, died.log)
        others = {slot.node for slot in self.crew.slots()} - {member.node}
        if self.nodes.death(member.node, number, others):
            self._leave_out(member.worker.slot)
        self.died_on.setdefault(number, set()).add(member.node)
        if piece.attempt + 1 < TRIES:
            self._again(piece, died.reason, smaller=died.out_of_memory)
        else:
            yield self._given_up(piece, died)

    def _again(self, piece: Piece, reason: str, *, smaller: bool) -> None:
        again = replace(piece, attempt=piece.attempt + 1, halvings=piece.halvings + smaller)
        self.watcher.piece_retried(again, reason)
        self.queue.append(again)

    def _given_up(self, piece: Piece, died: Died) -> PairAnswer:
        """The failure of a pair whose workers died each time."""
        number = piece.job.number
        self.given_up.add(number)
        self.encoding.pop(number, None)
        if self.splits.pop(number, None):
            self.queue = [other for other in self.queue if other.job.number != number]
        error = WorkerError(
            f"{counted(TRIES, 'worker')} died while they worked on it, the last because {died.reason}",
            hint="Its log may say more. A single file that breaks the decoder can be found with a smaller --limit.",
        )
        return replace(failed(piece.job, error, self.began[number]), log=pair_log(self.tries.pop(number, ())))

    def _keep_log(self, member: Member, piece: Piece, ended: str, text: str) -> None:
        where = f"worker {member.worker.number} on {member.worker.slot.shown}"
        self.tries.setdefault(piece.job.number, []).append(TryLog(where, ended, text))
