"""Which of some tasks' data must come from a hub, and getting it: so that a run needs no network afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from vlmbench.cards import Role, SourceSpec, TaskCard
from vlmbench.data.base import SourceContext
from vlmbench.data.hub.complete import doubts
from vlmbench.data.hub.files import cached_path, discard
from vlmbench.data.hub.listing import quiet_client, select
from vlmbench.data.hub.meter import Advance
from vlmbench.data.hub.parallel import in_parallel
from vlmbench.data.hub.repo import Listing, RemoteFile, cache_folder
from vlmbench.data.hub.transfer import FileKey, Job, link, missing_files, transfer
from vlmbench.data.hub.verify import Verified, verify_cached
from vlmbench.data.labels import listing as named
from vlmbench.data.open import nowhere, open_dataset, open_source
from vlmbench.data.sources.hub import is_remote, look_up
from vlmbench.errors import DataError, MissingDataError, VlmbenchError, gathered_warnings, unexpected

State = Literal["on disk", "hub", "by hand", "failed"]


@dataclass(frozen=True)
class Wanted:
    """A task whose data of one role is asked for, and what a run of it would tell its source."""

    card: TaskCard
    context: SourceContext
    role: Role = "test"

    @property
    def name(self) -> str:
        """The task's name, and the role where it is another than the one that is scored."""
        return self.card.name if self.role == "test" else f"{self.card.name} ({self.role})"


@dataclass(frozen=True)
class TaskPlan:
    """Where one task's data comes from.

    Attributes:
        wanted: the task.
        state: it needs no download ("on disk"), comes from the hub, has no copy there ("by hand"), or cannot be had.
        source: the source that a run will use; None where there is none.
        listing: the hub repository's files.
        patterns: of those that the run reads.
        files: those files.
        jobs: what of them is to be downloaded.
        verified: what the hashes of the cached ones told; None where nobody asked.
        notes: what a reader of the numbers should know.
        problem: why it is "by hand" or "failed".
    """

    wanted: Wanted
    state: State
    source: SourceSpec | None = None
    listing: Listing | None = None
    patterns: tuple[str, ...] = ()
    files: tuple[RemoteFile, ...] = ()
    jobs: tuple[Job, ...] = ()
    verified: Verified | None = None
    notes: tuple[str, ...] = ()
    problem: VlmbenchError | None = None

    @property
    def name(self) -> str:
        """The task's name, with the role."""
        return self.wanted.name

    @property
    def damaged(self) -> tuple[RemoteFile, ...]:
        """Cached files that are not what they should be, as far as anybody looked."""
        return self.verified.damaged if self.verified else ()

    @property
    def size(self) -> int:
        """Bytes of all its files on the hub."""
        return sum(file.size or 0 for file in self.files)

    @property
    def to_fetch(self) -> int:
        """Bytes of them that are still to come."""
        return sum(job.missing for job in self.jobs)


@dataclass(frozen=True)
class FetchPlan:
    """What is to be downloaded for some tasks.

    Attributes:
        tasks: in the order they were asked for.
        cache: the folder of the hub's client.
        free: bytes left there.
    """

    tasks: tuple[TaskPlan, ...]
    cache: Path
    free: int

    @property
    def jobs(self) -> list[Job]:
        """Every file to download, once: tasks may share a repository."""
        return list({job.key: job for task in self.tasks for job in task.jobs}.values())

    @property
    def discarded(self) -> list[Path]:
        """Every cached file that is to give way to another download, once."""
        found = [
            cached_path(task.listing, file)
            for task in self.tasks
            if task.listing and not task.listing.repo.offline
            for file in task.damaged
        ]
        return list(dict.fromkeys(path for path in found if path))

    @property
    def to_fetch(self) -> int:
        """Bytes to download."""
        return sum(job.missing for job in self.jobs)

    def shared_with(self, task: TaskPlan) -> str | None:
        """The earlier task that brings everything this one has to fetch, where there is such a one."""
        needed = {job.file.path for job in task.jobs}
        for earlier in self.tasks[: self.tasks.index(task)]:
            same = task.listing and earlier.listing and earlier.listing.key == task.listing.key
            if same and needed and needed <= {job.file.path for job in earlier.jobs}:
                return earlier.name
        return None

    def check_space(self) -> None:
        """Refuse what cannot fit.

        Raises:
            DataError: more is to be downloaded than the disk has room for.
        """
        if self.to_fetch > self.free + sum(path.stat().st_size for path in self.discarded):
            raise DataError(
                f"no room: {self.to_fetch / 2**20:,.1f} MiB are to be fetched, and {self.cache} has "
                f"{self.free / 2**20:,.1f} MiB free",
                hint="Free some, set HF_HOME to a folder on a larger disk, or name fewer tasks.",
            )


@dataclass(frozen=True)
class TaskOutcome:
    """What became of one task's data.

    Attributes:
        plan: what was to be done.
        samples: how many the dataset has, opened from the disk alone; None where it cannot be.
        notes: what was said when it was opened.
        problem: why it cannot be opened.
    """

    plan: TaskPlan
    samples: int | None = None
    notes: tuple[str, ...] = ()
    problem: VlmbenchError | None = None

    @property
    def expected(self) -> int | None:
        """How many samples the card says there are, where it says another number."""
        said = self.plan.wanted.card.samples if self.plan.wanted.role == "test" else None
        return said if self.samples is not None and said != self.samples else None


def plan_fetch(wanted: Sequence[Wanted], *, workers: int, verify: bool = False) -> FetchPlan:
    """Look for every task's data, first on disk, then on the hub; nothing is downloaded.

    Args:
        wanted: the tasks.
        workers: how many are looked up at once.
        verify: take the hash of every cached file too, and plan to replace those that are not what the hub says.
            Otherwise their sizes must do: what vlmbench downloads, it verifies before it is in the cache.
    """
    plans: list[TaskPlan | None] = [None] * len(wanted)
    with quiet_client():  # once around all: each thread for itself would restore what another one had set
        for index, found in in_parallel(partial(_plan_task, verify=verify), wanted, workers=workers):
            plans[index] = (
                found if isinstance(found, TaskPlan) else TaskPlan(wanted[index], "failed", problem=_as_ours(found))
            )
    cache = cache_folder()
    existing = next(folder for folder in (cache.absolute(), *cache.absolute().parents) if folder.exists())
    return FetchPlan(tuple(plan for plan in plans if plan), cache, shutil.disk_usage(existing).free)


def carry_out(plan: FetchPlan, *, workers: int, advance: Advance) -> list[TaskOutcome]:
    """Replace what is damaged, download what is missing, then open every dataset from the disk alone, as a run will.

    Args:
        plan: of :func:`plan_fetch`.
        workers: files downloaded at once.
        advance: told of bytes as they arrive, from several threads.

    Returns:
        One outcome a task; what fails is in it, and the others go on.
    """
    for path in plan.discarded:
        discard(path)
    failed = transfer([task.jobs for task in plan.tasks], workers=workers, advance=advance)
    return [_outcome(task, failed) for task in plan.tasks]


def _plan_task(wanted: Wanted, *, verify: bool) -> TaskPlan:
    """The first source that is there, as :func:`~vlmbench.data.open.open_dataset` would choose it."""
    absent: list[tuple[SourceSpec, MissingDataError]] = []
    for spec in wanted.card.sources_by_role[wanted.role]:
        remote = spec.kind == "hub" and is_remote(spec)
        try:
            if remote:
                return _plan_repository(wanted, spec, verify=verify)
            open_source(spec, wanted.context)
            return TaskPlan(wanted, "on disk", spec)
        except MissingDataError as error:
            absent.append((spec, error))
    problem = nowhere(absent, wanted.context)
    if any(spec.kind == "hub" and is_remote(spec) for spec, _ in absent):
        return TaskPlan(wanted, "failed", problem=problem)
    return TaskPlan(wanted, "by hand", problem=_by_hand(wanted.card, problem))


def _by_hand(card: TaskCard, problem: MissingDataError) -> MissingDataError:
    origin = f"Its origin: {card.source_url}." if card.source_url else None
    return MissingDataError(
        f"no copy on the hub is known, so this data you must bring yourself; {problem.message}",
        hint=" ".join(said for said in (problem.hint, origin) if said) or None,
    )


def _plan_repository(wanted: Wanted, spec: SourceSpec, *, verify: bool) -> TaskPlan:
    listing, patterns = look_up(spec, offline=wanted.context.offline)
    files = select(listing.files, patterns)
    if listing.repo.offline:
        link(listing, patterns)  # the cache answers for the hub, so it must be complete
    verified = verify_cached(listing, files) if verify else None
    plan = TaskPlan(
        wanted, "hub", spec, listing, tuple(patterns), tuple(files), verified=verified, notes=tuple(doubts(listing))
    )
    if plan.damaged and listing.repo.offline:
        return replace(plan, state="failed", problem=_damaged_for_good(listing, plan.damaged))
    again = [Job(listing, file) for file in plan.damaged]
    return replace(plan, jobs=(*missing_files(listing, patterns), *again))


def _damaged_for_good(listing: Listing, damaged: Sequence[RemoteFile]) -> DataError:
    return DataError(
        f"hub {listing.repo.id!r}: {len(damaged)} damaged in the cache {cache_folder()}: "
        f"{named(file.path for file in damaged)}",
        hint="Nothing was removed. Where the hub can be reached, the same command replaces what is damaged.",
    )


def _outcome(plan: TaskPlan, failed: dict[FileKey, VlmbenchError]) -> TaskOutcome:
    if plan.source is None or plan.problem is not None:
        return TaskOutcome(plan, problem=plan.problem)
    said: list[str] = []
    try:
        for job in plan.jobs:
            if problem := failed.get(job.key):
                raise problem
        with gathered_warnings(said):
            if plan.listing is not None:
                link(plan.listing, plan.patterns)
            dataset = open_dataset([plan.source], replace(plan.wanted.context, offline=True))
        problem, samples = None, len(dataset.samples)
    except Exception as error:
        problem, samples = _as_ours(error), None
    return TaskOutcome(plan, samples, tuple(note for note in said if note not in plan.notes), problem)


def _as_ours(error: BaseException) -> VlmbenchError:
    return error if isinstance(error, VlmbenchError) else unexpected(error)
