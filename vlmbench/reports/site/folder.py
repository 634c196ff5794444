"""The site's folder: which files in it are ours, so that a rebuild leaves nothing stale and takes nothing else."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from vlmbench.errors import StoreError, UsageError

MANIFEST = ".vlmbench-site.json"
"""Names every file of the last build."""


@dataclass
class SiteFolder:
    """Files written into a folder, and at the end those of an earlier build removed.

    Args:
        root: the folder; it is made where it does not exist.

    Raises:
        UsageError: it holds files and is no site of ours.
        StoreError: it cannot be written.
    """

    root: Path
    _old: frozenset[str] = field(init=False)
    _new: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._old = _manifest(self.root)

    def write(self, path: str, content: str | bytes) -> None:
        """One file.

        Args:
            path: relative to the folder, with slashes.
            content: text is written as UTF-8.
        """
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        try:
            self._place(path).write_bytes(data)
        except OSError as error:
            raise _cannot_write(self.root / path, error) from error

    def copy(self, path: str, source: Path) -> None:
        """One file from elsewhere."""
        try:
            shutil.copyfile(source, self._place(path))
        except OSError as error:
            raise _cannot_write(self.root / path, error) from error

    def finish(self) -> int:
        """Write the manifest and remove what only an earlier build had; returns how many files there are."""
        for stale in sorted(self._old - self._new):
            try:
                (self.root / stale).unlink(missing_ok=True)
            except OSError as error:
                raise _cannot_write(self.root / stale, error) from error
        self._remember(self._new)
        _remove_empty(self.root, self._old - self._new)
        return len(self._new)

    def begin(self) -> None:
        """Make the folder. From here on it is ours, even if the build is broken off."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.root, error) from error
        self._remember(self._old)

    def _place(self, path: str) -> Path:
        self._new.add(path)
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def _remember(self, paths: set[str] | frozenset[str]) -> None:
        try:
            (self.root / MANIFEST).write_text(json.dumps(sorted(paths), indent=0) + "\n", encoding="utf-8")
        except OSError as error:
            raise _cannot_write(self.root / MANIFEST, error) from error


def _manifest(root: Path) -> frozenset[str]:
    """The files of an earlier build.

    Names that lead out of the folder are no names of ours, whoever wrote them there.
    """
    if not root.exists():
        return frozenset()
    if not root.is_dir():
        raise UsageError(f"{str(root)!r} is no folder", hint="Name the site's folder with -o.")
    try:
        names = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if any(root.iterdir()):
            raise UsageError(
                f"{str(root)!r} holds files and is no site of vlmbench",
                hint="Name an empty folder or a new one with -o, so that nothing of yours is overwritten.",
            ) from None
        return frozenset()
    except (OSError, ValueError) as error:
        raise UsageError(f"{str(root / MANIFEST)!r} cannot be read: {error}", hint="Choose another folder.") from error
    if not isinstance(names, list):
        raise UsageError(f"{str(root / MANIFEST)!r} is no list of files", hint="Choose another folder.")
    return frozenset(name for name in names if isinstance(name, str) and _inside(name))


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _remove_empty(root: Path, removed: frozenset[str] | set[str]) -> None:
    """Folders that the removed files have left empty."""
    for folder in sorted({parent for name in removed for parent in (root / name).parents}, reverse=True):
        if root in folder.parents and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _cannot_write(path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot write {str(path)!r}: {error.strerror}", hint="Choose another folder with -o.")
