"""Reads baselines from a Git revision (REVISION:NAME). It reads Git's objects, without checkout or fetch.

``vlmbench compare`` and ``baseline show`` use it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vlmbench.errors import RecordError, UsageError
from vlmbench.gate.baselines.store import check_name, record_from, table_file, table_from
from vlmbench.gate.entry import Entry
from vlmbench.records import Record
from vlmbench.registry import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

_FILES = (b"100644", b"100755")
"""The modes of plain files, not of links and submodules."""
_NOT_YOURS = (
    "In a container the files may belong to another user. Then type: git config --global --add safe.directory FOLDER"
)


@dataclass(frozen=True)
class _Revision:
    """A commit of a repository.

    Attributes:
        top: the working tree's top folder.
        commit: its full hash.
        name: as the user wrote it.
    """

    top: Path
    commit: str
    name: str

    def blobs(self, folder: PurePosixPath) -> dict[str, str]:
        """The files under a folder of the commit: their paths from the top, and their objects."""
        listed = self._read("ls-tree", "-r", "-z", "--full-tree", self.commit, "--", f"{folder}/")
        found = {}
        for line in filter(None, listed.split(b"\0")):
            description, _, path = line.partition(b"\t")
            mode, _, blob = description.split(b" ")
            if mode in _FILES:
                found[os.fsdecode(path)] = blob.decode()
        return found

    def content(self, blob: str) -> bytes:
        """The bytes of a committed file."""
        return self._read("cat-file", "blob", blob)

    def _read(self, *arguments: str) -> bytes:
        try:
            return _git(self.top, *arguments)
        except _GitError as error:
            raise RecordError(
                f"revision {self.name!r} cannot be read: {error}",
                hint="A partial clone lacks some files, and vlmbench does not fetch them. Check out the revision once.",
            ) from error


def baseline_at_revision(revision: str, name: str, root: Path) -> list[Entry]:
    """The records of a committed baseline.

    Args:
        revision: any name that Git accepts for a commit: main, v1.2, HEAD~3.
        name: the baseline's name.
        root: the folder of all baselines. A relative path is searched from the working directory, then from the
            repository's top folder.

    Raises:
        UsageError: Git, the repository, the revision or the baseline does not exist.
        RecordError: a file is a pointer of Git LFS, or not a record.
    """
    check_name(name)
    found = _revision(revision, root)
    folders = _folders(found.top, root)
    for folder in folders:
        blobs = found.blobs(folder / name)
        records = [path for path in sorted(blobs) if path.endswith(".json")]
        if records:
            return [_entry(found, path, blobs) for path in records]
    known = sorted({name for folder in folders for name in _names(found, folder)})
    raise UsageError(
        f"no baseline {name!r} in {str(folders[-1])!r} of revision {revision!r}",
        hint=did_you_mean(name, known)
        or "Save a baseline and commit it, or name the folder of baselines with --baselines.",
    )


def _entry(revision: _Revision, path: str, blobs: dict[str, str]) -> Entry:
    where = f"{revision.name}:{path}"
    record = record_from(revision.content(blobs[path]), where)
    return Entry(record, _table_reader(revision, path, blobs, record), where)


def _table_reader(revision: _Revision, path: str, blobs: dict[str, str], record: Record) -> Callable[[], pa.Table]:
    def read() -> pa.Table:
        table = str(PurePosixPath(path).with_name(table_file(record, f"{revision.name}:{path}")))
        where = f"{revision.name}:{table}"
        if table not in blobs:
            raise RecordError(f"{where}: it was not committed", hint="Save the baseline again and commit all of it.")
        return table_from(revision.content(blobs[table]), record, where)

    return read


def _names(revision: _Revision, folder: PurePosixPath) -> set[str]:
    depth = len(folder.parts)
    return {
        PurePosixPath(path).parts[depth]
        for path in revision.blobs(folder)
        if len(PurePosixPath(path).parts) > depth + 1
    }


def _revision(name: str, root: Path) -> _Revision:
    if not name or name.startswith("-") or "\0" in name:
        raise UsageError(f"{name!r} is not a Git revision", hint="Name a branch, a tag or a commit: main:NAME.")
    place = _existing(root)
    try:
        top = Path(os.fsdecode(_git(place, "rev-parse", "--show-toplevel")).removesuffix("\n"))
    except _GitError as error:
        raise UsageError(
            f"{str(place)!r} is not in a readable Git repository: {error}",
            hint=_NOT_YOURS
            if "dubious ownership" in str(error)
            else "REVISION:NAME needs a repository. A saved baseline or a folder does not.",
        ) from error
    try:
        commit = _git(top, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
    except _GitError as error:
        raise UsageError(
            f"no revision {name!r} in the repository {str(top)!r}",
            hint="A CI job's clone has only the last commit: use fetch-depth: 0 for all, or `git fetch origin BRANCH`.",
        ) from error
    return _Revision(top, commit, name)


def _folders(top: Path, root: Path) -> list[PurePosixPath]:
    """The possible places of the baselines' folder in the repository: relative to here, or to the top folder."""
    here = Path(os.path.abspath(root))  # links are not resolved, because Git's history does not follow them
    found = []
    for base in (here, here.parent.resolve() / here.name):
        if base.is_relative_to(top):
            found.append(PurePosixPath(base.relative_to(top)))
    if not root.is_absolute() and ".." not in root.parts:
        found.append(PurePosixPath(root))
    if not found:
        raise UsageError(f"{str(root)!r} is outside the repository {str(top)!r}")
    return list(dict.fromkeys(found))


def _existing(path: Path) -> Path:
    """The nearest existing parent folder: the working tree may not have baselines yet."""
    place = Path(os.path.abspath(path))
    return next(folder for folder in (place, *place.parents) if folder.is_dir())


class _GitError(Exception):
    """Git's message."""


def _git(folder: Path, *arguments: str) -> bytes:
    """The output of a Git command. Git asks no question, takes no lock and uses no network."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}
    command: Sequence[str] = ("git", "-c", "protocol.allow=never", "-C", str(folder), *arguments)
    try:
        done = subprocess.run(command, capture_output=True, env=environment, stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError as error:
        raise UsageError(
            "git is not installed, and REVISION:NAME needs it",
            hint="Install git, or name a saved baseline or a folder.",
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise _GitError(said[0] if said else f"git {arguments[0]} failed")
    return done.stdout
