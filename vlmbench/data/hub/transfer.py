"""Downloads from a hub: resumed, tried again, and verified before they are in the cache.

The hub's client would download too, but it compares only sizes, and since version 2 what was broken off begins anew.
So a file is fetched here into the client's own cache, under its lock and its names: the client then finds it and only
links it. Files of the Xet store are left to the client; their hash is taken afterwards.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from vlmbench.data.hub.client import quiet_client, select, snapshot
from vlmbench.data.hub.complete import check_complete
from vlmbench.data.hub.errors import explain, is_network_error
from vlmbench.data.hub.manifest import remember
from vlmbench.data.hub.parallel import in_parallel
from vlmbench.data.hub.repo import Listing, cached_path, endpoint, partial_bytes, partial_path, repo_folder
from vlmbench.data.remote import Advance, FileKey, RemoteFile, discard, mismatch
from vlmbench.errors import DataError, VlmbenchError

WORKERS = 8
"""Files downloaded at once, the client's own default."""
ATTEMPTS = 3
RETRY_PAUSE_S = 1.0
_WRITE_BYTES = 1 << 18
"""What is received but not yet written is lost when a download breaks off: the client's 10 MiB is a lot to lose."""
_BLOB_NAME = re.compile(r"[0-9a-fA-F]{16,128}")


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
        return max((self.file.size or 0) - partial_bytes(self.listing, self.file), 0)


def fetch(listing: Listing, patterns: Sequence[str]) -> Path:
    """Download the files that match one of the patterns, unless the cache has them.

    Returns:
        The folder of the commit's snapshot; its name is the commit.

    Raises:
        MissingDataError, DataError: as :func:`~vlmbench.data.hub.client.list_files`; also when the disk is full,
            the cache read-only, or a file's content not what the hub says.
    """
    jobs = missing_files(listing, patterns)
    if jobs:
        with _bar(listing.repo.id, sum(job.missing for job in jobs)) as advance:
            failed = transfer([jobs], workers=WORKERS, advance=advance)
        for error in failed.values():
            raise error
    return link(listing, patterns)


def missing_files(listing: Listing, patterns: Sequence[str]) -> list[Job]:
    """The matching files that the cache does not have; none where only the cache may be asked."""
    if listing.repo.offline:
        return []
    wanted = select(listing.files, patterns)
    return [Job(listing, file) for file in wanted if cached_path(listing, file) is None]


def link(listing: Listing, patterns: Sequence[str]) -> Path:
    """The snapshot's folder once its files are in the cache, known to the client as the revision's.

    Raises:
        MissingDataError: files are missing, and the hub cannot be asked.
        DataError: the revision means another commit by now.
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
            hint="The same command again fetches what is new.",
        )
    if not listing.repo.offline:
        remember(listing)
    return folder


def transfer(wanted: Sequence[Sequence[Job]], *, workers: int, advance: Advance) -> dict[FileKey, VlmbenchError]:
    """Download files side by side, each once.

    Args:
        wanted: lists of files that are of use only together, such as one task's; they may share some. Where one file
            fails, no more are begun of those that no other list needs.
        advance: called from several threads.

    Returns:
        What went wrong, by file. A file that was not begun is not in it, but another of each of its lists is.
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

    with quiet_client(), _small_writes():
        for listing in {job.listing.key: job.listing for job in jobs}.values():
            try:
                snapshot(listing.repo, [])  # so that the client knows what is missing, should this break off
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
    """One file into the cache, with further attempts after what may pass."""
    meter = _Meter(advance, job.missing)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _attempt(job, meter, stop)
        except Exception as error:
            if attempt == ATTEMPTS or stop.is_set() or not _may_pass(error):
                raise
            time.sleep(RETRY_PAUSE_S * attempt)
        else:
            meter.finish()
            return


def _may_pass(error: Exception) -> bool:
    status = getattr(getattr(error, "response", None), "status_code", 0)
    return isinstance(error, _WrongContentError) or is_network_error(error) or status >= 500


def _attempt(job: Job, meter: _Meter, stop: Event) -> None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.utils import WeakFileLock

    repo, file = job.listing.repo, job.file
    url = hf_hub_url(repo.id, file.path, repo_type="dataset", revision=job.listing.commit, endpoint=endpoint())
    found = get_hf_file_metadata(url)
    if getattr(found, "xet_file_data", None) or not _BLOB_NAME.fullmatch(found.etag or ""):
        _through_the_client(job, meter)
        return
    blob = repo_folder(repo.id) / "blobs" / found.etag
    lock = repo_folder(repo.id).parent / ".locks" / repo_folder(repo.id).name / f"{blob.name}.lock"
    for folder in (blob.parent, lock.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(str(lock)):
        if blob.is_file() and file.size in (None, blob.stat().st_size):
            return  # another process was faster
        partial = partial_path(blob)
        _continue(partial, found.location or url, url, file.size if file.size is not None else found.size, meter, stop)
        _check(partial, job, meter)
        os.replace(partial, blob)


def _continue(partial: Path, address: str, url: str, size: int | None, meter: _Meter, stop: Event) -> None:
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    headers = build_hf_headers()
    if urlsplit(address).netloc != urlsplit(url).netloc:  # a content network, which must not see the token
        headers.pop("authorization", None)
    if size is not None and partial.is_file() and partial.stat().st_size > size:
        partial.unlink()
    with partial.open("ab") as stream:
        http_get(
            address,
            _CountedFile(stream, meter, stop),
            resume_size=stream.tell(),
            headers=headers,
            expected_size=size,
            displayed_filename=partial.name,
        )
        stream.flush()
        os.fsync(stream.fileno())


def _through_the_client(job: Job, meter: _Meter) -> None:
    from huggingface_hub import hf_hub_download

    settings: dict[str, Any] = {}
    if "tqdm_class" in inspect.signature(hf_hub_download).parameters:  # not before version 1
        settings["tqdm_class"] = meter.as_bar()
    path = hf_hub_download(
        job.listing.repo.id,
        job.file.path,
        repo_type="dataset",
        revision=job.listing.commit,
        endpoint=endpoint(),
        **settings,
    )
    _check(Path(path), job, meter)


class _WrongContentError(DataError):
    """A file that arrived whole and is not what it should be."""


def _check(path: Path, job: Job, meter: _Meter) -> None:
    wrong = mismatch(path, job.file)
    if wrong is None:
        return
    discard(path)
    meter.restart(job.file.size or 0)
    raise _WrongContentError(
        f"hub {job.listing.repo.id!r}: {job.file.path} arrived damaged, {ATTEMPTS} times: {wrong}",
        hint="It was removed again. Check the network (a proxy?) and HF_ENDPOINT (a mirror that is behind?).",
    )


@contextmanager
def _small_writes() -> Iterator[None]:
    from huggingface_hub import constants

    before = constants.DOWNLOAD_CHUNK_SIZE
    constants.DOWNLOAD_CHUNK_SIZE = min(before, _WRITE_BYTES)
    try:
        yield
    finally:
        constants.DOWNLOAD_CHUNK_SIZE = before


@contextmanager
def _bar(label: str, total: int) -> Iterator[Advance]:
    """The client's kind of progress bar, for downloads in the course of a run."""
    from huggingface_hub.utils import tqdm

    with tqdm(
        desc=f"fetching {label}", total=total, unit="B", unit_scale=True, leave=False, disable=not sys.stderr.isatty()
    ) as bar:
        yield bar.update


class _Meter:
    """How much of one file has arrived. It reports differences, so that the sum over all files is right."""

    def __init__(self, advance: Advance, expected: int) -> None:
        self._advance = advance
        self._left = expected

    def add(self, count: int) -> None:
        self._left -= count
        self._advance(count)

    def restart(self, size: int) -> None:
        self.add(self._left - size)

    def finish(self) -> None:
        self.add(self._left)

    def as_bar(self) -> type:
        meter = self

        class Bar:
            def __init__(self, *_: object, **__: object) -> None:
                pass

            def __enter__(self) -> Bar:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def update(self, count: float | None = 1) -> None:
                meter.add(int(count or 0))

            def _ignore(self, *_: object, **__: object) -> None:
                pass

            update_transfer = set_postfix_str = set_transfer_postfix_str = _ignore
            set_description = set_description_str = refresh = close = _ignore

        return Bar


class _CountedFile:
    """The file that a download is written to: it counts bytes, keeps them, and stops once the caller has left."""

    def __init__(self, stream: BinaryIO, meter: _Meter, stop: Event) -> None:
        self._stream = stream
        self._meter = meter
        self._stop = stop
        self.seek = stream.seek
        self.tell = stream.tell

    def write(self, chunk: bytes) -> int:
        """Write through to the disk's cache, which outlives this process."""
        if self._stop.is_set():
            raise InterruptedError("the download was given up")
        written = self._stream.write(chunk)
        self._stream.flush()
        self._meter.add(len(chunk))
        return written

    def truncate(self) -> int:
        """The server does not resume: the file starts again."""
        before = os.fstat(self._stream.fileno()).st_size
        after = self._stream.truncate()
        self._meter.add(after - before)
        return after
