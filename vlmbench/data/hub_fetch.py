"""Which of some tasks' data must come from a hub, and getting it: so that a run needs no network afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.data.base import SourceContext
from vlmbench.data.hub import is_remote, look_up
from vlmbench.data.hub_download import Listing, RemoteFile, cache_folder, select
from vlmbench.data.hub_files import cached_path, discard, mismatch
from vlmbench.data.hub_meter import Advance
from vlmbench.data.hub_transfer import Job, link, missing_files, transfer
from vlmbench.data.open import open_dataset
from vlmbench.data.parallel import in_parallel
from vlmbench.errors import DataError, MissingDataError, VlmbenchError, unexpected

State = Literal["on disk", "hub", "by hand", "failed"]


@dataclass(frozen=True)
class Wanted:
    """A task whose data is asked for, and what a run of it would tell its source."""

    card: TaskCard
    context: SourceContext


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
        removed: cached files that were not what the hub says, and are gone now.
        problem: why it is "by hand" or "failed".
    """

    wanted: Wanted
    state: State
    source: SourceSpec | None = None
    listing: Listing | None = None
    patterns: tuple[str, ...] = ()
    files: tuple[RemoteFile, ...] = ()
    jobs: tuple[Job, ...] = ()
    removed: tuple[str, ...] = ()
    problem: VlmbenchError | None = None

    @property
    def name(self) -> str:
        """The task's name."""
        return self.wanted.card.name

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
        return list({(job.listing.key, job.file.path): job for task in self.tasks for job in task.jobs}.values())

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
        if self.to_fetch > self.free:
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
        problem: why not.
    """

    plan: TaskPlan
    samples: int | None = None
    problem: VlmbenchError | None = field(default=None)


def plan_fetch(wanted: Sequence[Wanted], *, workers: int, verify: bool = False) -> FetchPlan:
    """Look for every task's data, first on disk, then on the hub; nothing is downloaded.

    Args:
        wanted: the tasks.
        workers: how many are looked up at once.
        verify: take the hash of every cached file too, and remove those that are not what the hub says. Otherwise
            their sizes must do: what vlmbench downloads, it verifies before it is in the cache.
    """
    plans: list[TaskPlan | None] = [None] * len(wanted)
    for index, found in in_parallel(partial(_plan_task, verify=verify), wanted, workers=workers):
        plans[index] = (
            found if isinstance(found, TaskPlan) else TaskPlan(wanted[index], "failed", problem=_as_ours(found))
        )
    cache = cache_folder()
    existing = next(folder for folder in (cache.absolute(), *cache.absolute().parents) if folder.exists())
    return FetchPlan(tuple(plan for plan in plans if plan), cache, shutil.disk_usage(existing).free)


def carry_out(plan: FetchPlan, *, workers: int, advance: Advance) -> list[TaskOutcome]:
    """Download what is planned, then open every dataset once from the disk alone, as a run without network will.

    Args:
        plan: of :func:`plan_fetch`.
        workers: files downloaded at once.
        advance: told of bytes as they arrive, from several threads.

    Returns:
        One outcome a task; what fails is in it, and the others go on.
    """
    failed = transfer(plan.jobs, workers=workers, advance=advance)
    return [_outcome(task, failed) for task in plan.tasks]


def _plan_task(wanted: Wanted, *, verify: bool) -> TaskPlan:
    """The first source that is there, as :func:`~vlmbench.data.open.open_dataset` would choose it."""
    refused: list[MissingDataError] = []
    for spec in wanted.card.sources:
        remote = spec.kind == "hub" and is_remote(spec)
        try:
            if remote:
                return _plan_repository(wanted, spec, verify=verify)
            open_dataset([spec], wanted.context)
            return TaskPlan(wanted, "on disk", spec)
        except MissingDataError as error:
            if remote:
                refused.append(error)
    if refused:
        return TaskPlan(wanted, "failed", problem=refused[0])
    return TaskPlan(wanted, "by hand", problem=_by_hand(wanted.card))


def _by_hand(card: TaskCard) -> MissingDataError:
    places = " or ".join(spec.location for spec in card.sources)
    origin = f" Its origin: {card.source_url}." if card.source_url else ""
    return MissingDataError(
        "no copy on the hub is known: this data you must bring yourself",
        hint=f"Put it in a folder as {places}, and name that folder with --data-root DIR.{origin}",
    )


def _plan_repository(wanted: Wanted, spec: SourceSpec, *, verify: bool) -> TaskPlan:
    listing, patterns = look_up(spec, offline=wanted.context.offline)
    files = select(listing.files, patterns)
    removed = [file.path for file in files if verify and _remove_if_wrong(listing, file)]
    jobs = missing_files(listing, patterns)
    if listing.repo.offline:
        link(listing, patterns)  # the cache answers for the hub, so it must be complete
    return TaskPlan(wanted, "hub", spec, listing, tuple(patterns), tuple(files), tuple(jobs), removed=tuple(removed))


def _remove_if_wrong(listing: Listing, file: RemoteFile) -> bool:
    path = cached_path(listing, file)
    if path is None or mismatch(path, file) is None:
        return False
    discard(path)
    return True


def _outcome(plan: TaskPlan, failed: dict[tuple[str, str], VlmbenchError]) -> TaskOutcome:
    if plan.source is None or plan.problem is not None:
        return TaskOutcome(plan, problem=plan.problem)
    try:
        if plan.listing is not None:
            if problem := failed.get(plan.listing.key):
                raise problem
            link(plan.listing, plan.patterns)
        dataset = open_dataset([plan.source], replace(plan.wanted.context, offline=True))
        return TaskOutcome(plan, samples=len(dataset.samples))
    except Exception as error:
        return TaskOutcome(plan, problem=_as_ours(error))


def _as_ours(error: Exception) -> VlmbenchError:
    return error if isinstance(error, VlmbenchError) else unexpected(error)
