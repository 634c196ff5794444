"""Finds the sample of each name in a file of answers: its id, or a file name with or without folders and suffix.

The readers of answers of all kinds of task use it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlmbench.class_names import listing
from vlmbench.data.base import ImageDataset
from vlmbench.data.formats.image_suffixes import is_image_name
from vlmbench.data.formats.masks.names import composed
from vlmbench.errors import ModelError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import ANSWERS_MISSING, ANSWERS_UNMATCHED
from vlmbench.wording import counted, either

EXAMPLES = 3
_CLIPS = (".mp4", ".avi", ".webm", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg")
_Index = Mapping[str, list[int]]


class Matcher:
    """The samples of a dataset by their names.

    A name is the id of a sample, or the end of an id after a ``/``; or an id is the end of the name. If one of the two
    has the suffix of an image or a clip and the other has no such suffix, the suffix does not count. If no id fits so,
    spaces around a name do not count, and the two forms of letters with accents (NFC and NFD) are the same.

    Args:
        where: the name of the file of answers in messages.
    """

    def __init__(self, dataset: ImageDataset, where: str) -> None:
        self.dataset = dataset
        self.where = where

    def find(self, name: str) -> list[int]:
        """The indices of the samples of this name: one; none if it is unknown; several if they have the same id.

        Raises:
            ModelError: it fits several samples with different ids.
        """
        name = name.replace("\\", "/").removeprefix("./")
        for found in self._candidates(name):
            if len({self.dataset.samples[index].id for index in found}) > 1:
                some = [self.dataset.samples[index].id for index in found[:EXAMPLES]]
                raise ModelError(
                    f"{self.where}: {name!r} fits {counted(len(found), 'sample')} of the data: {listing(some)}",
                    hint="Write whole ids.",
                )
            if found:
                return found
        return []

    def _candidates(self, name: str) -> Iterator[list[int]]:
        yield from self._names.candidates(name)
        if not name.isascii() or name != name.strip():
            yield from self._composed_names.candidates(composed(name.strip()))

    @cached_property
    def _names(self) -> _Names:
        return _Names([sample.id for sample in self.dataset.samples])

    @cached_property
    def _composed_names(self) -> _Names:
        return _Names([composed(sample.id) for sample in self.dataset.samples])

    def rows(self, names: Sequence[str]) -> NDArray[np.int64]:
        """(S,) for each sample of the dataset, the row of its name; -1 for a sample that has no row.

        Names that fit no sample are a remark. Samples with one id get the rows of this id in turn.

        Raises:
            ModelError: no name fits; a name fits several samples; or a sample has two rows.
        """
        rows = np.full(len(self.dataset.samples), -1, dtype=np.int64)
        unknown = []
        for row, name in enumerate(names):
            found = self.find(name)
            free = next((index for index in found if rows[index] < 0), None)
            if free is not None:
                rows[free] = row
            elif found:
                first = names[rows[found[0]]]
                twice = repr(name) if first == name else f"{first!r} and {name!r}"
                raise ModelError(
                    f"{self.where}: rows {rows[found[0]] + 1:,} and {row + 1:,} are both of the sample "
                    f"{self.dataset.samples[found[0]].id!r} ({twice})",
                    hint="Keep one of them.",
                )
            else:
                unknown.append(name)
        if len(unknown) == len(names):
            known = [sample.id for sample in self.dataset.samples[:EXAMPLES]]
            raise ModelError(
                f"{self.where}: none of its {counted(len(names), 'name')} is of a sample of the data: "
                f"{listing(map(repr, unknown[:EXAMPLES]))}, but the data has {listing(map(repr, known))}",
                hint="Name the samples by their ids, or by their file names.",
            )
        tell_of_unmatched(unknown, self.where)
        return rows


@dataclass(frozen=True)
class _Names:
    """The places of ids, by their names."""

    ids: Sequence[str]

    def candidates(self, name: str) -> Iterator[list[int]]:
        stem = _stem(name)
        yield self._ids.get(name, [])
        for tail in _tails(name):
            yield self._ids.get(tail, [])
        yield self._tails.get(name, [])
        if stem == name:
            for tail in (name, *_tails(name)):
                yield self._stems.get(tail, [])
            yield self._tails_of_stems.get(name, [])
        else:
            for tail in (stem, *_tails(stem)):
                yield self._ids.get(tail, [])
            yield self._tails.get(stem, [])

    @cached_property
    def _ids(self) -> _Index:
        return _index((name, number) for number, name in enumerate(self.ids))

    @cached_property
    def _stems(self) -> _Index:
        return _index((_stem(name), number) for number, name in enumerate(self.ids))

    @cached_property
    def _tails(self) -> _Index:
        return _index((tail, number) for number, name in enumerate(self.ids) for tail in _tails(name))

    @cached_property
    def _tails_of_stems(self) -> _Index:
        return _index((tail, number) for number, name in enumerate(self.ids) for tail in _tails(_stem(name)))


def tell_of_unmatched(names: Sequence[str], where: str) -> None:
    """Make a remark about names in a file of answers that are of no sample."""
    if names:
        count = len(names)
        say(
            ANSWERS_UNMATCHED,
            f"{counted(count, 'name')} in {where} {either(count, 'is', 'are')} of no sample of the data",
            brief=f"{counted(count, 'answer')} of no sample",
            count=count,
            examples=names,
        )


def refuse_or_leave_out(
    missing: Sequence[str], asked: int, how: Literal["refuse", "left-out"], where: str, folder: str
) -> None:
    """Refuse samples without an answer, or make a remark if the card leaves them out.

    Args:
        missing: the ids of these samples.
        asked: the number of all samples that are asked for.
        folder: the folder of the answers, for the hint.

    Raises:
        ModelError: there are such samples, and the card does not leave them out; or no sample has an answer.
    """
    if not missing:
        return
    count = len(missing)
    text = f"{count:,} of {counted(asked, 'sample')} {either(count, 'has', 'have')} no answer"
    if how == "refuse" or count == asked:
        raise ModelError(
            f"{where}: {text}: {listing(map(repr, sorted(missing)[:EXAMPLES]))}",
            hint=f"To score the other samples only, write `options: {{missing: left-out}}` in {folder}/card.yaml.",
        )
    say(
        ANSWERS_MISSING,
        f"{text} in {where} and {either(count, 'was', 'were')} left out, so that the number is not comparable with "
        "numbers of all samples",
        brief=f"{counted(count, 'sample')} without answer left out",
        count=count,
        examples=missing,
    )


def _stem(name: str) -> str:
    """A name without the suffix of an image or a clip."""
    return name.rpartition(".")[0] if is_image_name(name) or name.lower().endswith(_CLIPS) else name


def _tails(name: str) -> Iterator[str]:
    """The ends of a path after each ``/``, the longest first."""
    while "/" in name:
        name = name.partition("/")[2]
        if name:
            yield name


def _index(pairs: Iterable[tuple[str, int]]) -> _Index:
    found: dict[str, list[int]] = defaultdict(list)
    for name, number in pairs:
        found[name].append(number)
    return found
