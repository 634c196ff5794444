"""Keeps the answers of a pair in a folder, in the form that ``predictions:DIR`` reads. Questions write them there.

A run gives each engine its place, if the user asked for ``--save-answers``.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from vlmbench.errors import OutputError


@dataclass(frozen=True)
class SavedAnswers:
    """The place of the answers of one model to one task.

    Attributes:
        folder: the folder of this model's answers.
        name: the name of the task's file, without its ending.
        written: the files and folders that were written.
    """

    folder: Path
    name: str
    written: list[Path] = field(default_factory=list)

    @contextmanager
    def new(self, suffix: str) -> Iterator[Path]:
        """A path to write the answers to. They get their name when the block ends without an error.

        Answers that an earlier run wrote under this name are replaced.

        Args:
            suffix: the ending of the file, such as ".parquet"; "" for a folder, which then exists and is empty.

        Raises:
            OutputError: nothing can be written there.
        """
        place = self.folder / f"{self.name}{suffix}"
        temporary = self.folder / f".{place.name}.{socket.gethostname()}.{os.getpid()}.tmp{suffix}"
        old = temporary.with_name(f"{temporary.name}.old")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _remove(temporary)
            if not suffix:
                temporary.mkdir()
            yield temporary
            if place.is_dir():
                place.rename(old)
            temporary.replace(place)
            _remove(old)
        except BaseException as error:  # Ctrl-C too must leave nothing half-written
            with suppress(OSError):
                _remove(temporary)
            if isinstance(error, OSError):
                raise _cannot_write(place, error) from error
            raise
        self.written.append(place)


def check_answers_folder(folder: Path) -> None:
    """Check that answers can be written to a folder, before any work starts.

    Raises:
        OutputError: it cannot be made or written to.
    """
    probe = folder / f".probe.{socket.gethostname()}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"vlmbench")
        probe.unlink()
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _cannot_write(place: Path, error: OSError) -> OutputError:
    return OutputError(
        f"the answers cannot be written to {str(place)!r}: {error.strerror or error}",
        hint="Choose another folder with --save-answers.",
    )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
