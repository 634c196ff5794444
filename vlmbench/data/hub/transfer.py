"""Downloads a repository's files into the cache of the hub's client, side by side, and verifies each one.

``vlmbench fetch`` and the ``hub`` source use this module. ``huggingface_hub`` does the transfer, by ``hf_hub_download``
for each file: with its lock, its names in the cache, its retries, and its Xet storage. It compares only sizes, so each
file is hashed here as soon as it has arrived.
"""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from vlmbench.data.hub.client import quiet_client, select, snapshot
from vlmbench.data.hub.complete import check_complete
from vlmbench.data.hub.errors import explain
from vlmbench.data.hub.manifest import remember
from vlmbench.data.hub.parallel import in_parallel
from vlmbench.data.hub.repo import Listing, cached_path, remove_abandoned
from vlmbench.data.remote import Advance, FileKey, RemoteFile, discard, mismatch
from vlmbench.errors import DataError, VlmbenchError
from vlmbench.network import endpoint, is_network_error

WORKERS = 8
"""How many files are downloaded at once: the client's own default."""
ATTEMPTS = 3
"""How often a file is tried that arrives damaged, whose connection breaks, or for which the hub answers 5xx.

Since version 2 the client goes on by itself where a broken connection stopped. Older ones leave the part, and the next
attempt goes on from there.
"""
RETRY_PAUSE_S = 1.0


@dataclass(frozen=True)
class Job:
    """One file to download."""

    listing: Listing
    file: RemoteFile

    @property
    def key(self) -> FileKey:
        """(repository, commit, path)."""
        return *self.listing.key, self.file.path

    @property
    def missing(self) -> int:
        """How many bytes are still to come."""
        return self.file.size or 0


def fetch(listing: Listing, patterns: Sequence[str]) -> Path:
    """Download the files that match one of the patterns, unless the cache has them.

    Returns:
        The folder of the commit's snapshot; its name is the commit.

    Raises:
        MissingDataError, DataError: as :func:`~vlmbench.data.hub.client.list_files`; also if the disk is full,
            the cache is read-only, or a file's content is not what the hub says.
    """
    jobs = missing_files(listing, patterns)
    if jobs:
        with progress_bar(f"fetching {listing.repo.id}", sum(job.missing for job in jobs)) as advance:
            failed = transfer([jobs], workers=WORKERS, advance=advance)
        for error in failed.values():
            raise error
    return link(listing, patterns)


def missing_files(listing: Listing, patterns: Sequence[str]) -> list[Job]:
    """The files that match a pattern and are not in the cache. Empty if the hub may not be asked (offline)."""
    if listing.repo.offline:
        return []
    wanted = select(listing.files, patterns)
    return [Job(listing, file) for file in wanted if cached_path(listing, file) is None]


def link(listing: Listing, patterns: Sequence[str]) -> Path:
    """Link the cached files into the snapshot's folder, as the revision's files, and return the folder.

    Raises:
        MissingDataError: files are missing, and the hub cannot be asked.
        DataError: the revision names another commit now.
    """
    try:
        if listing.repo.offline:
            check_complete(listing, patterns)
        folder = snapshot(listing.repo, patterns)
    except VlmbenchError as error:
        raise listing.trouble or error from error
    if folder.name != listing.commit:
        raise DataError(
            f"hub {listing.repo.id!r}: changed from {listing.commit[:12]} to {folder.name[:12]} while it was fetched",
            hint="Run the same command again; it fetches the new files.",
        )
    if not listing.repo.offline:
        remember(listing)
    return folder


def transfer(wanted: Sequence[Sequence[Job]], *, workers: int, advance: Advance) -> dict[FileKey, VlmbenchError]:
    """Download files side by side, each once.

    Args:
        wanted: lists of files that are useful only together, such as one task's files. Lists may share files. If a
            file fails, no further file is started that no other list needs.
        advance: called from several threads.

    Returns:
        The error of each file that failed. A file that was not started has no error, but another file of each of its
        lists has one.
    """
    jobs = list({job.key: job for files in wanted for job in files}.values())
    lists_with: dict[FileKey, set[int]] = {job.key: set() for job in jobs}
    for number, files in enumerate(wanted):
        for job in files:
            lists_with[job.key].add(number)
    failed: dict[FileKey, VlmbenchError] = {}
    hopeless: set[int] = set()
    stop = Event()

    def fail(job: Job, problem: VlmbenchError) -> None:
        failed[job.key] = problem
        hopeless.update(lists_with[job.key])

    def download(job: Job) -> None:
        if not lists_with[job.key] <= hopeless:
            _download(job, advance, stop)

    with quiet_client():
        for listing in {job.listing.key: job.listing for job in jobs}.values():
            try:
                snapshot(listing.repo, [])  # then the client knows what is missing if this stops early
                remember(listing)
            except VlmbenchError as error:
                for job in jobs:
                    if job.listing.key == listing.key:
                        fail(job, error)
        for index, problem in in_parallel(download, jobs, workers=workers, stop=stop):
            if isinstance(problem, BaseException):
                fail(jobs[index], explain(problem, jobs[index].listing.repo, jobs[index].file.path))
    return failed


def _download(job: Job, advance: Advance, stop: Event) -> None:
    """Download one file into the cache and verify it; a cached copy of another length is replaced.

    Raises:
        DataError: the file arrived damaged in every attempt.
    """
    meter = _Meter(advance, job.missing, stop)
    remove_abandoned(job.listing, job.file)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            path = _through_the_client(job, meter)
        except Exception as error:
            if attempt == ATTEMPTS or stop.is_set() or not _may_pass(error):
                raise
            meter.restart(job.missing)
            time.sleep(RETRY_PAUSE_S * attempt)
            continue
        wrong = mismatch(path, job.file)
        if wrong is None:
            meter.finish()
            return
        discard(path)
        meter.restart(job.missing)
    raise DataError(
        f"hub {job.listing.repo.id!r}: {job.file.path} arrived damaged, {ATTEMPTS} times: {wrong}",
        hint="It was removed again. Check the network (a proxy?) and HF_ENDPOINT (a mirror that is behind?).",
    )


def _may_pass(error: Exception) -> bool:
    """Whether another attempt may succeed: the connection broke, or the hub answered that it is in trouble itself."""
    return is_network_error(error) or getattr(getattr(error, "response", None), "status_code", 0) >= 500


def _through_the_client(job: Job, meter: _Meter) -> Path:
    from huggingface_hub import hf_hub_download

    settings: dict[str, Any] = {}
    if "tqdm_class" in inspect.signature(hf_hub_download).parameters:  # not in old versions
        settings["tqdm_class"] = meter.as_bar()
    path = hf_hub_download(
        job.listing.repo.id,
        job.file.path,
        repo_type="dataset",
        revision=job.listing.commit,
        endpoint=endpoint(),
        **settings,
    )
    return Path(path)


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Advance]:
    """The client's kind of progress bar, for downloads in the course of a run.

    Args:
        what: what is done, such as "fetching org/name".
        total: the bytes that must come.
    """
    from huggingface_hub.utils import tqdm

    with tqdm(desc=what, total=total, unit="B", unit_scale=True, leave=False, disable=not sys.stderr.isatty()) as bar:
        yield bar.update


class _Meter:
    """How much of one file has arrived. It reports differences, so that the sum over all files is right.

    A client older than version 1 takes no bar for a single file: then the file counts when it is complete.
    """

    def __init__(self, advance: Advance, expected: int, stop: Event) -> None:
        self._advance = advance
        self._left = expected
        self._stop = stop

    def add(self, count: int) -> None:
        self._left -= count
        self._advance(count)

    def restart(self, size: int) -> None:
        """Take back what was reported: the file starts again."""
        if self._left != size:
            self.add(self._left - size)

    def finish(self) -> None:
        """Report what was not reported yet, such as a file that another process has downloaded meanwhile."""
        self.add(self._left)

    def as_bar(self) -> type:
        """A stand-in for tqdm's class, for the client: it tells this meter each piece that arrives.

        Its ``update`` ends the download with an ``InterruptedError`` once the caller has left.
        """
        meter = self

        class Bar:
            def __init__(self, *_: object, **__: object) -> None:
                pass

            def __enter__(self) -> Bar:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def update(self, count: float | None = 1) -> None:
                if meter._stop.is_set():
                    raise InterruptedError("the download was given up")
                meter.add(int(count or 0))

            def _ignore(self, *_: object, **__: object) -> None:
                pass

            update_transfer = set_postfix_str = set_transfer_postfix_str = _ignore
            set_description = set_description_str = refresh = close = _ignore

        return Bar
