"""Predicted masks that were made elsewhere: finds them in a folder and reads them, and writes our own in that form.

The segmentation plugin uses it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from vlmbench.data.base import ImageDataset, NamesMasks
from vlmbench.data.formats.folder_walk import is_junk_file
from vlmbench.data.formats.image_suffixes import is_image_name
from vlmbench.data.formats.masks.names import composed, pair_by_name, stem
from vlmbench.data.formats.masks.stored import stored_mask
from vlmbench.data.labels import listing
from vlmbench.data.location import is_below
from vlmbench.errors import BadSampleError, DataError, LabelError, ModelError
from vlmbench.features.saved_answers import SavedAnswers
from vlmbench.files import read_bytes
from vlmbench.paths import safe_name
from vlmbench.tasks.given.matching import tell_of_unmatched
from vlmbench.wording import counted

SUFFIX = ".png"
_BYTE = 256
"""Masks of more classes than a byte has values are stored in 16 bits."""
_SHARE = 0.5
_SAVE_AS = "Save predicted masks as grey or palette PNG files whose values are class indices, 0 for the first class."


def find_masks(folder: Path, dataset: ImageDataset) -> Mapping[int, Path]:
    """The predicted mask of each sample that has one.

    A mask has the name of its image or of the image's true mask, with any ending. Folders count, unless the names of
    all files differ without them. Words such as ``_mask`` after the name do not count. Masks of no sample are a remark.

    Raises:
        ModelError: there is no mask, no mask belongs to a sample, or names are ambiguous.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder} is a file, but predicted masks are the files of a folder", hint=_SAVE_AS)
    masks = _mask_files(folder)
    if not masks:
        raise ModelError(f"{folder} holds no image files", hint=_SAVE_AS)
    found: dict[int, str] = {}
    ids = [sample.id for sample in dataset.samples]
    for way in (_saved_names, _names_of_images, _names_of_files, _names_of_masks):
        lone = [index for index in range(len(ids)) if index not in found]
        free = sorted(set(masks) - set(found.values()))
        if lone and free:
            try:
                found |= way(lone, free, _Names(dataset, masks, str(folder)))
            except DataError as error:
                raise ModelError(error.message, hint="Keep one mask of each image.") from error
    if not found:
        raise ModelError(
            f"{folder}: none of its {counted(len(masks), 'mask')} has the name of an image of the data: "
            f"{listing(masks[:3])}, but the data has {listing(ids[:3])}",
            hint="Give each mask the name of its image.",
        )
    tell_of_unmatched(sorted(set(masks) - set(found.values())), folder.name)
    return {index: folder / mask for index, mask in found.items()}


def _mask_files(folder: Path) -> list[str]:
    """The image files below a folder, as sorted POSIX paths, without hidden files."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(root).relative_to(folder).as_posix()
        found += [
            name if below == "." else f"{below}/{name}"
            for name in names
            if is_image_name(name) and not is_junk_file(name)
        ]
    return sorted(found)


@dataclass(frozen=True)
class _Names:
    """All samples and all mask files of a folder.

    Names without folders tell samples apart only if they do so among all of them. Among the rest, a mask of another
    split would pass for the last sample that has no mask.
    """

    dataset: ImageDataset
    masks: Sequence[str]
    place: str


def _saved_names(lone: Sequence[int], masks: Sequence[str], names: _Names) -> dict[int, str]:
    """Masks under the names that :func:`saving_masks` gives."""
    there, found = set(masks), {}
    for form in range(len(_forms(""))):
        for index in lone:
            name = _forms(names.dataset.samples[index].id)[form]
            if index not in found and name in there:
                found[index] = name
                there.remove(name)
    return found


def _names_of_images(lone: Sequence[int], masks: Sequence[str], names: _Names) -> dict[int, str]:
    """Masks with the paths of images, with other endings."""
    ids = {names.dataset.samples[index].id: index for index in lone}
    return {ids[image]: mask for image, mask in pair_by_name(list(ids), masks, names.place, thorough=True).pairs}


def _names_of_files(lone: Sequence[int], masks: Sequence[str], names: _Names) -> dict[int, str]:
    """Masks with the names of images, if their folders differ or are left out."""
    return _by_file([sample.id for sample in names.dataset.samples], lone, masks, names)


def _names_of_masks(lone: Sequence[int], masks: Sequence[str], names: _Names) -> dict[int, str]:
    """Masks with the names of the data's own masks."""
    dataset = names.dataset
    if not isinstance(dataset, NamesMasks):
        return {}
    own = {index: dataset.mask_names[index] for index in lone}
    by_stem = {composed(stem(mask)): mask for mask in masks}
    found = {index: by_stem[composed(stem(name))] for index, name in own.items() if composed(stem(name)) in by_stem}
    rest = [index for index in lone if index not in found]
    return {**found, **_by_file(dataset.mask_names, rest, sorted(set(masks) - set(found.values())), names)}


def _by_file(paths: Sequence[str], lone: Sequence[int], masks: Sequence[str], names: _Names) -> dict[int, str]:
    """Pairs by the names of files without folders; nothing if two files on one side have the same name.

    Args:
        paths: the path of each sample.
    """
    for each in (paths, names.masks):
        if len({PurePosixPath(path).name for path in each}) < len(each):
            return {}
    images = {PurePosixPath(paths[index]).name: index for index in lone}
    own = {PurePosixPath(mask).name: mask for mask in masks}
    pairs = pair_by_name(sorted(images), sorted(own), names.place, thorough=True).pairs
    return {images[image]: own[mask] for image, mask in pairs}


def read_predicted(
    path: Path, labels: NDArray[np.int64], ignore_label: int, classes: int, first: int
) -> NDArray[np.int64]:
    """The (H, W) predicted classes in a mask file.

    Args:
        labels: (H, W) the true labels. At pixels of ``ignore_label`` the prediction may have any value.
        first: the value of the first class in the file.

    Raises:
        ModelError: the file is no mask of class indices, it has another size than the truth, or a scored pixel has a
            value that is not a class.
    """
    try:
        stored = stored_mask(read_bytes(path), str(path))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    except (BadSampleError, LabelError) as error:
        raise ModelError(f"{path} cannot be used: {error.message}", hint=error.hint or _SAVE_AS) from error
    try:
        values = stored.values.astype(np.int64)
    except LabelError as error:
        raise ModelError(f"{path} cannot be used: {error.message}", hint=_SAVE_AS) from error
    if values.shape != labels.shape:
        (height, width), (own_height, own_width) = labels.shape, values.shape
        raise ModelError(
            f"{path} is {own_width} x {own_height} pixels, but the true mask is {width} x {height}",
            hint="Resize predictions to the size of the image, without smoothing, before they are saved.",
        )
    predicted = values - first
    scored = labels != ignore_label
    wrong = (predicted < 0) | (predicted >= classes)
    if (unknown := wrong & scored).any():
        raise _not_a_class(path, values, unknown, classes, first)
    return np.where(wrong, 0, predicted)  # pixels that are not scored


def _not_a_class(
    path: Path, values: NDArray[np.int64], unknown: NDArray[np.bool_], classes: int, first: int
) -> ModelError:
    value = int(values[unknown][0])
    hint = "Every pixel that the data scores needs a class."
    if value == classes and first == 0:
        hint = (
            f"If the values of the classes are 1 to {classes}, state it in the card.yaml beside the folder of masks, "
            "as options: {first_value: 1}. Other programs call it reduce_zero_label."
        )
    return ModelError(
        f"{path}: {counted(int(unknown.sum()), 'pixel')} {'has' if unknown.sum() == 1 else 'have'} the value {value} "
        f"or another one that is no class: the {classes:,} classes are {first} to {first + classes - 1}",
        hint=hint,
    )


class ShiftCheck:
    """Notices predictions whose values are one too high: they fit the truth much better if 1 is taken from them."""

    def __init__(self) -> None:
        self._scored = self._right = self._shifted = 0

    def add(self, predicted: NDArray[np.int64], labels: NDArray[np.int64], ignore_label: int) -> None:
        """Count the pixels of one image, (H, W) each."""
        scored = labels != ignore_label
        self._scored += int(scored.sum())
        self._right += int(((predicted == labels) & scored).sum())
        self._shifted += int(((predicted - 1 == labels) & scored).sum())

    def raise_if_shifted(self, folder: Path) -> None:
        """Refuse predictions that seem to count the classes from 1.

        Raises:
            ModelError: more than half of the pixels are right with 1 taken away, and less than half as many without.
        """
        if self._shifted > _SHARE * self._scored and self._shifted > 2 * self._right:
            right, shifted = (f"{count / self._scored:.1%}" for count in (self._right, self._shifted))
            raise ModelError(
                f"{folder}: the values seem to count the classes from 1: {right} of the pixels are right as they are, "
                f"and {shifted} if 1 is taken from each value",
                hint=f"State it in {folder.parent / 'card.yaml'}, as options: {{first_value: 1}}. If the classes do "
                "count from 0, state {first_value: 0}.",
            )


WriteMask = Callable[[str, NDArray[np.int64]], None]
"""Writes the (H, W) predicted classes of the sample with an id."""


@contextmanager
def saving_masks(saving: SavedAnswers | None, classes: int) -> Iterator[WriteMask]:
    """A function that keeps predicted masks as PNG files, if the user asked for it: 8 bits, or 16 for many classes.

    A mask has the path of its image, with the ending ``.png``.
    """
    if saving is None:
        yield lambda sample_id, predicted: None
        return
    taken: set[str] = set()
    with saving.new("") as folder:

        def write(sample_id: str, predicted: NDArray[np.int64]) -> None:
            name = next(name for name in reversed(_forms(sample_id)) if name not in taken)
            taken.add(name)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            kind = np.uint8 if classes <= _BYTE else np.uint16
            PIL.Image.fromarray(predicted.astype(kind)).save(path, format="PNG")

        yield write


def _forms(sample_id: str) -> tuple[str, str, str]:
    """The names that the saved mask of a sample may have; the last that is free is used.

    The first is different for all samples, and the last is the usual one.
    """
    plain = safe_name(sample_id)
    if not is_below(sample_id) or "\\" in sample_id:
        return f"{plain}{SUFFIX}", f"{plain}{SUFFIX}", f"{plain}{SUFFIX}"
    endless = os.path.splitext(sample_id)[0] if is_image_name(sample_id) else sample_id
    return f"{plain}{SUFFIX}", f"{sample_id}{SUFFIX}", f"{endless}{SUFFIX}"
