"""Checks that the cache has every file that a run reads, when the cache answers instead of the hub.

Runs and ``vlmbench fetch`` use it, so that a part of a dataset is never scored as the whole.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from vlmbench.data.hub.client import select
from vlmbench.data.hub.repo import Listing, cache_folder, in_snapshot
from vlmbench.data.labels import listing as named
from vlmbench.errors import MissingDataError
from vlmbench.wording import counted

_OF_HOW_MANY = re.compile(r"(?P<before>.*)-(?P<number>\d+)-of-(?P<count>\d+)(?!\d)")
"""The names that ``push_to_hub`` gives to a table's files. A hash of the single file may follow."""


def check_complete(listing: Listing, patterns: Sequence[str]) -> None:
    """Refuse a cache that lacks files.

    If the list of files is not known, a cache is refused in which numbered files have a gap.

    Raises:
        MissingDataError: files are missing or shorter than they should be; names them.
    """
    files = select(listing.files, patterns)
    absent = [file.path for file in files if in_snapshot(listing, file) is None]
    how_many = f"{len(absent)} of {counted(len(files), 'file')}"
    if not listing.whole:
        absent = gaps(file.path for file in files)
        how_many = f"by their numbers, at least {counted(len(absent), 'file')}"
    if absent:
        raise MissingDataError(
            f"hub {listing.repo.id!r}: not completely in the cache {cache_folder()}: {how_many} missing "
            f"({named(absent)}), and --offline (or HF_HUB_OFFLINE) forbids downloading them",
            hint="Fetch them where the hub can be reached: vlmbench fetch TASK.",
        )


def doubts(listing: Listing) -> list[str]:
    """Say what a reader of the numbers should know when the cache answered instead of the hub."""
    said = []
    if listing.trouble is not None:
        said.append(f"{listing.trouble.message}; the cache answered, with commit {listing.commit[:12]}")
    if not listing.whole:
        said.append(
            f"hub {listing.repo.id!r}: it is not known whether the cache has all files, because it has no list of "
            "them; run vlmbench fetch where the hub can be reached"
        )
    return said


def gaps(paths: Iterable[str]) -> list[str]:
    """Name the files that are missing, by the numbers of the files that are there.

    >>> gaps(["data/test-00000-of-00003.parquet", "data/test-00002-of-00003.parquet", "data/train-0-of-1.parquet"])
    ['data/test-00001-of-00003.parquet']
    >>> gaps(["test/0.tar", "test/2.tar", "test/notes.txt"])
    ['test/1.tar']
    """
    counted: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    tars: dict[PurePosixPath, set[int]] = defaultdict(set)
    for path in map(PurePosixPath, paths):
        if found := _OF_HOW_MANY.match(str(path)):
            counted[found["before"], found["count"], path.suffix].add(int(found["number"]))
        elif path.suffix == ".tar" and path.stem.isdecimal():
            tars[path.parent].add(int(path.stem))
    absent = []
    for (before, count, suffix), numbers in counted.items():
        every = (number for number in range(int(count)) if number not in numbers)
        absent += [f"{before}-{number:0{len(count)}}-of-{count}{suffix}" for number in every]
    for folder, numbers in tars.items():
        between = range(min(numbers), max(numbers))
        absent += [f"{folder}/{number}.tar" for number in between if number not in numbers]
    return absent
