"""Writes the site's folder and knows which files in it vlmbench wrote, so that a rebuild removes only those.

``vlmbench leaderboard`` writes its site through it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TextIO

from filelock import FileLock, Timeout

from vlmbench.errors import StoreError, UsageError
from vlmbench.files import check_regular, read_text

SPACE = ".vlmbench-site"
MANIFEST = f"{SPACE}.json"
"""The file that lists every file of the last build."""
JOURNAL = f"{SPACE}.log"
"""The file that lists the files of a running or interrupted build, one JSON string per line."""
PART = f"{SPACE}.part"
"""A file that is being written, before it takes its place."""
LOCK = f"{SPACE}.lock"
"""Held while a build writes, and removed at its end."""
OURS = frozenset({MANIFEST, JOURNAL, PART, LOCK})


@contextmanager
def site_folder(root: Path) -> Iterator[SiteFolder]:
    """A folder to write a site into. At the end, files that only an earlier build wrote are removed.

    If a build is interrupted, all files stay. Each file is complete, from this build or the previous one, and the next
    build knows all of them.

    Args:
        root: a new or empty folder, or the folder of an earlier build; it is created if it does not exist.

    Raises:
        UsageError: it holds files that are not a leaderboard, or another build is writing it.
        StoreError: it cannot be written.
    """
    _known(root)  # refuse a folder of other files before a lock file is written to it
    lock = FileLock(root / LOCK)
    with _writing(root):
        root.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(
                f"another build is writing {str(root)!r}", hint="Wait for it, or choose another folder with -o."
            ) from None
    try:
        known = _known(root)
        _save(root, known)
        with _opened(root / JOURNAL) as journal:
            folder = SiteFolder(root, known, journal)
            yield folder
        folder.finish()
    finally:
        with suppress(OSError):  # Windows removes no open file: there it stays, empty
            (root / LOCK).unlink(missing_ok=True)
        lock.release()


class SiteFolder:
    """The files of one build. Made by :func:`site_folder`.

    Args:
        root: the folder.
        known: files of earlier builds.
        journal: the open journal, which lists each file before it is written.
    """

    def __init__(self, root: Path, known: frozenset[str], journal: TextIO) -> None:
        self._root = root
        self._known = known
        self._journal = journal
        self._new: set[str] = set()

    def __len__(self) -> int:
        """The number of files that were written."""
        return len(self._new)

    def write(self, path: str, content: str | bytes) -> None:
        """Write one file, by its path in the folder, with slashes. Text is written as UTF-8.

        Raises:
            UsageError: a file that no build wrote is in its place.
            StoreError: it cannot be written.
        """
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        place = self._root / path
        if path not in self._known and path not in self._new and place.exists():
            raise UsageError(
                f"{str(place)!r} is in the way: no build of this site wrote it",
                hint="Move it, or choose another folder with -o.",
            )
        self._new.add(path)
        with _writing(place):
            print(json.dumps(path), file=self._journal, flush=True)
            if place.is_file() and place.read_bytes() == data:
                return  # replacing thousands of files by equal ones takes longer than making their content
            place.parent.mkdir(parents=True, exist_ok=True)
            _replace(self._root, place, data)

    def finish(self) -> None:
        """Remove the files that only an earlier build wrote, and write the manifest."""
        stale = self._known - self._new
        for path in sorted(stale):
            with _writing(self._root / path):
                (self._root / path).unlink(missing_ok=True)
        _save(self._root, self._new)
        with _writing(self._root / JOURNAL):
            (self._root / JOURNAL).unlink(missing_ok=True)
        _remove_empty(self._root, stale)


def _known(root: Path) -> frozenset[str]:
    """The files of an earlier build, and of an interrupted one.

    Names that lead out of the folder are ignored, because another program may have written them there.
    """
    if not root.exists():
        return frozenset()
    if not root.is_dir():
        raise UsageError(f"{str(root)!r} is not a folder", hint="Name the site's folder with -o.")
    try:
        names = json.loads(read_text(root / MANIFEST))
    except FileNotFoundError:
        if {path.name for path in root.iterdir()} - OURS:
            raise UsageError(
                f"{str(root)!r} holds other files and is not a site of vlmbench",
                hint="Name an empty folder or a new one with -o, so that nothing of yours is overwritten.",
            ) from None
        return frozenset()
    except (OSError, ValueError) as error:
        raise UsageError(f"{str(root / MANIFEST)!r} cannot be read: {error}", hint="Choose another folder.") from error
    if not isinstance(names, list):
        raise UsageError(f"{str(root / MANIFEST)!r} is not a list of files", hint="Choose another folder.")
    return frozenset(name for name in [*names, *_journalled(root)] if isinstance(name, str) and _inside(name))


def _journalled(root: Path) -> Iterator[object]:
    """The files that an interrupted build listed. The file of an incomplete line was not begun."""
    try:
        lines = read_text(root / JOURNAL, errors="replace").splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{str(root / JOURNAL)!r} cannot be read: {error}", hint="Choose another folder.") from error
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _remove_empty(root: Path, removed: frozenset[str] | set[str]) -> None:
    """Remove folders that are empty now."""
    for folder in sorted({parent for name in removed for parent in (root / name).parents}, reverse=True):
        if root in folder.parents and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _save(root: Path, paths: Collection[str]) -> None:
    with _writing(root / MANIFEST):
        _replace(root, root / MANIFEST, (json.dumps(sorted(paths), indent=0) + "\n").encode())


def _replace(root: Path, place: Path, data: bytes) -> None:
    """Put a complete file in its place. A link that somebody else put where the part is written is not followed."""
    part = root / PART
    part.unlink(missing_ok=True)
    with part.open("xb") as file:
        file.write(data)
    part.replace(place)


def _opened(path: Path) -> TextIO:
    with _writing(path):
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            check_regular(path)
        return path.open("w", encoding="utf-8")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {str(path)!r}: {error.strerror}", hint="Choose another folder with -o."
        ) from error
