"""Labelled image files: what every source of loose files hands on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vlmbench.data.base import Sample, SourceInfo, Target
from vlmbench.data.boxes import BoxFacts
from vlmbench.data.location import files_state
from vlmbench.errors import BadSampleError
from vlmbench.files import NotRegularError, open_regular
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import MISSING_IMAGES


class ImageFiles:
    """Image files below one folder. Holds their names only; each file is opened when it is read.

    Args:
        files: (POSIX path relative to the root, target) of every sample; the path is its id.
        said_by: the files that the targets come from.
        facts: of boxes; then it is a :class:`~vlmbench.data.boxes.BoxDataset`.
    """

    templates: tuple[str, ...] | None = None

    def __init__(
        self,
        root: Path,
        info: SourceInfo,
        files: Sequence[tuple[str, Target]],
        classes: tuple[str, ...] | None,
        said_by: Sequence[Path] = (),
        facts: BoxFacts | None = None,
    ) -> None:
        self._root = root
        self._said_by = said_by
        self.info = info
        self._paths = [path for path, _ in files]
        self.samples: Sequence[Sample] = [Sample(readable(path), target) for path, target in files]
        self.classes = classes
        self._salt = "" if facts is None else repr(facts)
        if facts is not None:
            self.facts = facts

    def read(self, index: int) -> bytes:
        return read_file(self._root / self._paths[index], self.samples[index].id)

    def state(self) -> str:
        places = zip(self.samples, self._paths, strict=True)
        images = ((f"{path}\0{sample.target}", self._root / path) for sample, path in places)
        return files_state((*((path.name, path) for path in self._said_by), *images), salt=self._salt)


def read_file(path: Path, sample_id: str) -> bytes:
    """The content of a sample's file.

    Raises:
        BadSampleError: it cannot be read, or is no regular file.
    """
    with regular_file(path, sample_id) as file:
        return file.read()


@contextmanager
def regular_file(path: Path, sample_id: str) -> Iterator[BinaryIO]:
    """A sample's file, open for reading.

    Raises:
        BadSampleError: it cannot be opened or read, or is no regular file (opening a pipe would wait for ever).
    """
    try:
        with open_regular(path) as file:
            yield file
    except NotRegularError as error:
        raise BadSampleError(sample_id, "not a regular file") from error
    except OSError as error:
        raise BadSampleError(sample_id, f"cannot be read: {error.strerror or error}") from error


def tell_of_missing(folder: Path, names: Sequence[str], said_by: Path) -> None:
    """Warn at once of listed images that are not there: their turn may come hours later."""
    say_missing([name for name in names if not (folder / name).is_file()], len(names), folder, said_by)


def say_missing(absent: Sequence[str], listed: int, folder: Path, said_by: Path) -> None:
    """As :func:`tell_of_missing`, of images that are known not to be there.

    Args:
        listed: how many images there should be.
    """
    if absent:
        one = len(absent) == 1
        bad = "it is a bad sample, which stops" if one else "they are bad samples, which stop"
        say(
            MISSING_IMAGES,
            f"{len(absent):,} of the {listed:,} images that {said_by} lists {'is' if one else 'are'} not in "
            f"{folder}; {bad} the pair unless --skip-bad leaves {'it' if one else 'them'} out",
            brief=f"{len(absent):,} image{'s' * (not one)} missing",
            count=len(absent),
            examples=absent,
        )


def readable(name: str) -> str:
    """A file name as valid text: bytes that are no UTF-8 are spelled out, or no record could hold them."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return name  # the same string: a dataset holds one for every file
