"""Plans which data of some tasks must be downloaded, and downloads it, so that a run needs no network afterwards.

``vlmbench fetch`` uses this module.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vlmbench.cards import Role, SourceSpec, TaskCard
from vlmbench.data.base import SourceContext
from vlmbench.data.hub.parallel import in_parallel
from vlmbench.data.hub.repo import cache_folder
from vlmbench.data.labels import listing as named
from vlmbench.data.location import is_at_url
from vlmbench.data.open import checked_source, nowhere, open_dataset, open_source
from vlmbench.data.remote import Advance, Download, FileKey, Remote, RemoteData, RemoteFile, Verified, discard
from vlmbench.data.urls.remote import UrlRemote
from vlmbench.errors import DataError, MissingDataError, VlmbenchError, unexpected
from vlmbench.remarks.base import gathered_remarks
from vlmbench.remarks.codes import WARNING
from vlmbench.wording import counted


@dataclass(frozen=True)
class Wanted:
    """A task whose data of one role is wanted, with the context that a run would give to its source."""

    card: TaskCard
    context: SourceContext
    role: Role = "test"

    @property
    def name(self) -> str:
        """The task's name, and the role unless it is the scored one."""
        return self.card.name if self.role == "test" else f"{self.card.name} ({self.role})"


@dataclass(frozen=True)
class TaskPlan:
    """Where one task's data comes from.

    Attributes:
        state: "on disk" if it needs no download, "streamed" if a run reads it from its URL, the source's name (such as
            "hub") if its data is elsewhere, "by hand" if no copy elsewhere is known, "failed" if the data is not
            available.
        source: the source that a run will use; None if there is no usable source.
        remote: where the source's data comes from; None if it is on disk.
        files: its files.
        jobs: the files that must be downloaded.
        verified: the result of hashing the cached files; None if that was not asked for.
        notes: what a reader of the numbers should know.
        problem: why it is "by hand" or "failed".
    """

    wanted: Wanted
    state: str
    source: SourceSpec | None = None
    remote: Remote | None = None
    data: RemoteData | None = None
    files: tuple[RemoteFile, ...] = ()
    jobs: tuple[Download, ...] = ()
    verified: Verified | None = None
    notes: tuple[str, ...] = ()
    problem: VlmbenchError | None = None

    @property
    def name(self) -> str:
        """The task's name, with the role."""
        return self.wanted.name

    @property
    def revision(self) -> str | None:
        """The exact version that a run reads, such as a commit; None if the data has no versions or is on disk."""
        return self.data.revision if self.data else None

    @property
    def damaged(self) -> tuple[RemoteFile, ...]:
        """Cached files whose content is wrong; empty if they were not verified."""
        return self.verified.damaged if self.verified else ()

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size or 0 for file in self.files)

    @property
    def to_fetch(self) -> int:
        """Bytes that must still be downloaded."""
        return sum(job.missing for job in self.jobs)


@dataclass(frozen=True)
class FetchPlan:
    """What is to be downloaded for some tasks.

    Attributes:
        tasks: in the order they were asked for.
        room: the folders that downloads go to, with the free bytes of each; the hub's cache if nothing is downloaded.
    """

    tasks: tuple[TaskPlan, ...]
    room: Mapping[Path, int]

    @property
    def jobs(self) -> list[Download]:
        """Every file to download, listed once even if tasks share it."""
        return list({job.key: job for task in self.tasks for job in task.jobs}.values())

    @property
    def discarded(self) -> list[Path]:
        """Every cached file that a new download replaces, listed once."""
        return [path for folder in self.room for path in self._discarded_in(folder)]

    @property
    def to_fetch(self) -> int:
        """Bytes to download."""
        return sum(job.missing for job in self.jobs)

    def shared_with(self, task: TaskPlan) -> str | None:
        """The name of an earlier task that fetches everything this one needs; None if there is no such task."""
        needed = {job.key for job in task.jobs}
        for earlier in self.tasks[: self.tasks.index(task)]:
            if needed and needed <= {job.key for job in earlier.jobs}:
                return earlier.name
        return None

    def to_fetch_into(self, folder: Path) -> int:
        """Bytes to download into one of the folders."""
        jobs = {job.key: job for task in self._kept_in(folder) for job in task.jobs}
        return sum(job.missing for job in jobs.values())

    def check_space(self) -> None:
        """Refuse downloads that do not fit on the disk.

        Raises:
            DataError: more is to be downloaded than the disk has room for.
        """
        for folder, free in self.room.items():
            needed = self.to_fetch_into(folder)
            if needed > free + sum(path.stat().st_size for path in self._discarded_in(folder)):
                raise DataError(
                    f"no room: {needed / 2**20:,.1f} MiB must be fetched, and {folder} has {free / 2**20:,.1f} MiB "
                    "free",
                    hint="Free some, move the cache to a larger disk (HF_HOME for the hub's), or name fewer tasks.",
                )

    def _kept_in(self, folder: Path) -> list[TaskPlan]:
        return [task for task in self.tasks if task.remote and task.remote.cache_folder() == folder]

    def _discarded_in(self, folder: Path) -> list[Path]:
        found = [
            task.data.cached(file)
            for task in self._kept_in(folder)
            if task.data and not task.data.offline
            for file in task.damaged
        ]
        return list(dict.fromkeys(path for path in found if path))


@dataclass(frozen=True)
class TaskOutcome:
    """The result for one task's data.

    Attributes:
        samples: the number of samples, with the dataset opened from the disk alone; None if it cannot be opened.
        notes: the warnings that opening it gave.
        problem: why it cannot be opened.
    """

    plan: TaskPlan
    samples: int | None = None
    notes: tuple[str, ...] = ()
    problem: VlmbenchError | None = None

    @property
    def expected(self) -> int | None:
        """The number of samples that the card states, if the dataset has another number; otherwise None."""
        said = self.plan.wanted.card.samples if self.plan.wanted.role == "test" else None
        return said if self.samples is not None and said != self.samples else None


def plan_fetch(wanted: Sequence[Wanted], *, workers: int, verify: bool = False) -> FetchPlan:
    """Look for every task's data on disk and elsewhere, in the order of its sources. Nothing is downloaded.

    Args:
        workers: how many tasks are looked up at once.
        verify: hash every cached file too, and plan to replace the damaged ones. Otherwise only sizes are compared,
            since vlmbench verifies each file when it downloads it.
    """
    plans: list[TaskPlan | None] = [None] * len(wanted)
    for index, found in in_parallel(partial(_plan_task, verify=verify), wanted, workers=workers):
        plans[index] = (
            found if isinstance(found, TaskPlan) else TaskPlan(wanted[index], "failed", problem=unexpected(found))
        )
    tasks = tuple(plan for plan in plans if plan)
    folders = [task.remote.cache_folder() for task in tasks if task.remote] or [cache_folder()]
    return FetchPlan(tasks, {folder: _free(folder) for folder in folders})


def _free(folder: Path) -> int:
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free


def carry_out(plan: FetchPlan, *, workers: int, advance: Advance) -> list[TaskOutcome]:
    """Replace damaged files, download missing ones, then open every dataset from the disk alone, as a run will.

    Args:
        advance: called with the number of bytes that have arrived, from several threads.

    Returns:
        One outcome for each task. A failure is part of its outcome, and the other tasks go on.
    """
    for path in plan.discarded:
        discard(path)
    failed: dict[FileKey, VlmbenchError] = {}
    for remote in {id(task.remote): task.remote for task in plan.tasks if task.remote}.values():
        wanted = [task.jobs for task in plan.tasks if task.remote is remote]
        failed |= remote.transfer(wanted, workers=workers, advance=advance)
    return [_outcome(task, failed) for task in plan.tasks]


def _plan_task(wanted: Wanted, *, verify: bool) -> TaskPlan:
    """Plan the first source that is there, which :func:`~vlmbench.data.open.open_dataset` would choose too."""
    absent: list[tuple[SourceSpec, MissingDataError]] = []
    elsewhere = False
    for spec in wanted.card.sources_by_role[wanted.role]:
        source = checked_source(spec)
        try:
            for remote in (source.remote, UrlRemote(source, wanted.context)):
                if remote is not None and remote.is_remote(spec):
                    elsewhere = True
                    return _plan_remote(wanted, spec, remote, verify=verify)
            open_source(spec, wanted.context)
            return TaskPlan(wanted, "streamed" if is_at_url(source, spec, wanted.context) else "on disk", spec)
        except MissingDataError as error:
            absent.append((spec, error))
    problem = nowhere(absent, wanted.context)
    if elsewhere:
        return TaskPlan(wanted, "failed", problem=problem)
    return TaskPlan(wanted, "by hand", problem=_by_hand(wanted.card, problem))


def _by_hand(card: TaskCard, problem: MissingDataError) -> MissingDataError:
    origin = f"Its origin: {card.source_url}." if card.source_url else None
    return MissingDataError(
        f"no copy to download is known, so you must bring this data yourself; {problem.message}",
        hint=" ".join(said for said in (problem.hint, origin) if said) or None,
    )


def _plan_remote(wanted: Wanted, spec: SourceSpec, remote: Remote, *, verify: bool) -> TaskPlan:
    data = remote.look_up(spec, offline=wanted.context.offline)
    if data.offline:
        data.check()  # nothing can be added to the cache, so the cache must be complete
    verified = data.verify() if verify else None
    plan = TaskPlan(
        wanted, spec.kind, spec, remote, data, tuple(data.files), verified=verified, notes=tuple(data.notes)
    )
    if plan.damaged and data.offline:
        return replace(plan, state="failed", problem=_damaged_for_good(spec, remote, plan.damaged))
    return replace(plan, jobs=(*data.missing(), *map(data.again, plan.damaged)))


def _damaged_for_good(spec: SourceSpec, remote: Remote, damaged: Sequence[RemoteFile]) -> DataError:
    return DataError(
        f"{spec.kind} {spec.location!r}: {counted(len(damaged), 'file')} damaged in the cache {remote.cache_folder()}: "
        f"{named(file.path for file in damaged)}",
        hint="Nothing was removed. Online, the same command replaces the damaged files.",
    )


def _outcome(plan: TaskPlan, failed: dict[FileKey, VlmbenchError]) -> TaskOutcome:
    if plan.source is None or plan.problem is not None:
        return TaskOutcome(plan, problem=plan.problem)
    problem: VlmbenchError | None = None
    samples: int | None = None
    streamed = plan.state == "streamed"
    with gathered_remarks(WARNING) as said:
        try:
            for job in plan.jobs:
                if reason := failed.get(job.key):
                    raise reason
            if plan.data is not None:
                plan.data.check()
            samples = len(open_dataset([plan.source], replace(plan.wanted.context, offline=not streamed)).samples)
        except Exception as error:
            problem = unexpected(error)
    notes = tuple(remark.sentence for remark in said.remarks if remark.text not in plan.notes)
    return TaskOutcome(plan, samples, notes, problem)
