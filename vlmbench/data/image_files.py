"""Defines a dataset of labelled image files in a folder, and reads such files.

Sources of loose files use it: folders, lists, COCO, VOC, masks, captions, clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vlmbench.data.base import Sample, SourceInfo, Target
from vlmbench.data.boxes import BoxFacts
from vlmbench.data.location import files_state
from vlmbench.errors import BadSampleError, NoImagesError
from vlmbench.files import NotRegularError, open_regular
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import MISSING_IMAGES
from vlmbench.wording import counted, either


class ImageFiles:
    """Image files below one folder. It keeps only their names; each file is opened when it is read.

    Args:
        files: for each sample, its POSIX path relative to the root and its target; the path is the sample's id.
        annotations: the files that state the targets.
        facts: facts about boxes; they make it a :class:`~vlmbench.data.boxes.BoxDataset`.
        no_images: why no image was found, if only the files that list them are there.
    """

    templates: tuple[str, ...] | None = None

    def __init__(
        self,
        root: Path,
        info: SourceInfo,
        files: Sequence[tuple[str, Target]],
        classes: tuple[str, ...] | None,
        annotations: Sequence[Path] = (),
        facts: BoxFacts | None = None,
        no_images: NoImagesError | None = None,
    ) -> None:
        self._root = root
        self._annotations = annotations
        self.info = info
        self.no_images = no_images
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
        return files_state((*((path.name, path) for path in self._annotations), *images), salt=self._salt)


def read_file(path: Path, sample_id: str) -> bytes:
    """The content of a sample's file.

    Raises:
        BadSampleError: it cannot be read, or is not a regular file.
    """
    with regular_file(path, sample_id) as file:
        return file.read()


@contextmanager
def regular_file(path: Path, sample_id: str) -> Iterator[BinaryIO]:
    """A sample's file, open for reading.

    Raises:
        BadSampleError: it cannot be opened or read, or is not a regular file (a pipe would make the program wait
            for ever).
    """
    try:
        with open_regular(path) as file:
            yield file
    except NotRegularError as error:
        raise BadSampleError(sample_id, "not a regular file") from error
    except OSError as error:
        raise BadSampleError(sample_id, f"cannot be read: {error.strerror or error}") from error


def tell_of_missing(folder: Path, names: Sequence[str], list_file: Path) -> None:
    """Make a remark of listed images that are not there, before the run starts: reading them may come hours later."""
    say_missing([name for name in names if not (folder / name).is_file()], len(names), folder, list_file)


def say_missing(absent: Sequence[str], listed: int, folder: Path, list_file: Path) -> None:
    """Make the remark of :func:`tell_of_missing` for images that are known to be missing.

    Args:
        listed: how many images the file lists.
    """
    if absent:
        number = len(absent)
        say(
            MISSING_IMAGES,
            f"{number:,} of the {listed:,} images that {list_file} lists {either(number, 'is', 'are')} not in "
            f"{folder}; this stops the pair unless --skip-bad leaves {either(number, 'it', 'them')} out",
            brief=f"{counted(number, 'image')} missing",
            count=number,
            examples=absent,
        )


def readable(name: str) -> str:
    """A file name as valid text. Bytes that are not UTF-8 are written as escapes, because a record cannot hold them."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return name  # the same string: a dataset holds one for every file
