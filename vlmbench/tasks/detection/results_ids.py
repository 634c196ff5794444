"""Finds the sample and the class of each row of a results file, by the ids or names that the file uses.

:mod:`vlmbench.tasks.detection.given` uses it. Wrong ids raise no error in most evaluators and make every number wrong,
so ids are never guessed: what fits in two ways is refused, and an option states the meaning.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlmbench.data.base import ImageDataset
from vlmbench.data.boxes import BoxFacts
from vlmbench.data.labels import listing, normalise
from vlmbench.errors import ModelError
from vlmbench.tasks.detection.results_file import Id
from vlmbench.tasks.given.matching import Matcher
from vlmbench.wording import counted, either

DATA, FROM_0, FROM_1 = "data", "from-0", "from-1"
COUNTING = (DATA, FROM_0, FROM_1)
"""The values of the card's option ``category_ids``: the data's own ids, or places in the order of the classes."""
NOTHING = -1
"""The place of an id that the data does not have."""
_DIGITS = 18
"""A text of more digits is not the number of an image or a class."""


def state_the_meaning(path: Path) -> str:
    """The hint for category ids whose meaning is not clear."""
    return (
        f"If they count the classes in the data's order, state it in {path.parent / 'card.yaml'}, as options: "
        "{category_ids: from-0} (or from-1). Class names are understood, too."
    )


@dataclass(frozen=True)
class Matched:
    """The places of D ids in the data.

    Attributes:
        places: (D,) the sample or the label of each row; :data:`NOTHING` if the data has no such id.
        unknown: the ids that the data does not have.
    """

    places: NDArray[np.int64]
    unknown: tuple[Id, ...]


def match_images(ids: Sequence[Id], dataset: ImageDataset, facts: BoxFacts, path: Path) -> Matched:
    """The sample of each row.

    An id is the data's own image id, or the name of the image's file, with or without folder and ending. If the data
    states no ids, a whole number is the number that is the file's name (``12`` for ``000012.jpg``), if all files have
    such names.

    Raises:
        ModelError: no id is in the data; a name may be that of several images; or there are numbers, but the data
            states no image ids and its files have other names.
    """
    matcher = Matcher(dataset, str(path))
    numbers = dict(zip(facts.image_ids, range(len(facts.image_ids)), strict=True))
    if not facts.image_ids_stated:
        numbers = _numbered_names([sample.id for sample in dataset.samples])
        if not numbers and (whole := next((name for name in ids if isinstance(name, int)), None)) is not None:
            raise ModelError(
                f"{path}: the image id {whole} is a number, but the data states no image ids, and its files have other "
                f"names, such as {dataset.samples[0].id!r}",
                hint="Write the name of the image's file as image_id.",
            )
    place_of = {name: _image(name, matcher, numbers) for name in set(ids)}
    return _matched(ids, place_of, "image ids", f"{facts.image_ids[0]} and {dataset.samples[0].id!r}", path)


def match_categories(
    ids: Sequence[Id],
    facts: BoxFacts,
    class_names: Sequence[Sequence[str]],
    counting: str | None,
    path: Path,
) -> Matched:
    """The label of each row.

    Args:
        class_names: lists of names in label order. A name in the file may be in any of them.
        counting: what numbers mean, one of :data:`COUNTING`; None: they are the data's ids, and are refused if they
            seem to be something else.

    Raises:
        ModelError: no id is in the data, the data states no ids, or the ids seem to count the classes from 0 or from 1
            and are not the data's ids.
    """
    by_name = _class_names(class_names)
    classes = len(facts.category_ids)
    numbers = _meaning(facts, counting)
    written = {
        name if isinstance(name, int) else _whole(name)
        for name in set(ids)
        if isinstance(name, int) or (name not in by_name and _whole(name) != NOTHING)
    }
    if written and counting is None:
        _check_numbers(written, facts, classes, path)
    place_of = {}
    for name in set(ids):
        found = numbers.get(name) if isinstance(name, int) else by_name.get(name, by_name.get(normalise(name)))
        if found is None and isinstance(name, str):
            found = numbers.get(_whole(name))
        place_of[name] = NOTHING if found is None else found
    example = class_names[0][0] if class_names and class_names[0] else ""
    return _matched(ids, place_of, "category ids", f"{next(iter(numbers), 0)} and {example!r}", path)


def readings(facts: BoxFacts) -> Mapping[str, Mapping[int, int]]:
    """For each meaning that numbers may have, the label of each number."""
    stated = facts.category_ids_stated
    return {name: _meaning(facts, name) for name in COUNTING if name != DATA or stated}


def _meaning(facts: BoxFacts, counting: str | None) -> dict[int, int]:
    classes = len(facts.category_ids)
    if counting in (FROM_0, FROM_1):
        return {label + (counting == FROM_1): label for label in range(classes)}
    return {number: label for label, number in enumerate(facts.category_ids)}


def _check_numbers(written: set[int], facts: BoxFacts, classes: int, path: Path) -> None:
    """Refuse numbers that are probably not the data's category ids."""
    seen = f"from {min(written)} to {max(written)}"
    if not facts.category_ids_stated:
        raise ModelError(
            f"{path}: the category ids are numbers {seen}, but the data does not number its "
            f"{counted(classes, 'class', 'classes')}",
            hint=state_the_meaning(path),
        )
    own = set(facts.category_ids)
    unknown = written - own
    if not unknown:
        return
    other = f"{path}: the category ids {seen} are not the data's, which are {_span(own)}"
    for first, counting in ((0, FROM_0), (1, FROM_1)):
        if written <= set(range(first, first + classes)):
            raise ModelError(
                f"{other}; they fit the places of the {classes:,} classes, counted from {first} ({counting})",
                hint=state_the_meaning(path),
            )
    if 0 in unknown:
        raise ModelError(
            f"{other}; the data has no id 0, so the ids seem to count classes from 0", hint=state_the_meaning(path)
        )


def _span(ids: set[int]) -> str:
    return f"{counted(len(ids), 'number')} from {min(ids)} to {max(ids)}"


def _matched(ids: Sequence[Id], place_of: Mapping[Id, int], what: str, examples: str, path: Path) -> Matched:
    unknown = tuple(sorted((name for name, place in place_of.items() if place == NOTHING), key=str))
    if len(unknown) == len(place_of):
        none = either(len(unknown), "the only one is not", f"none of the {len(unknown):,} is")
        raise ModelError(
            f"{path}: the {what} do not fit the data: {none} in it ({listing(map(str, unknown))})",
            hint=f"The data has {examples}, for example. The file seems to belong to another dataset or split.",
        )
    return Matched(np.fromiter((place_of[name] for name in ids), np.int64, len(ids)), unknown)


def _numbered_names(samples: Sequence[str]) -> dict[int, int]:
    """The sample of each number, if the names of all files are different numbers; else nothing."""
    stems = [posixpath.splitext(posixpath.basename(sample))[0] for sample in samples]
    if not all(stem.isdecimal() for stem in stems):
        return {}
    numbers = {int(stem): index for index, stem in enumerate(stems)}
    return numbers if len(numbers) == len(stems) else {}


def _image(name: Id, matcher: Matcher, numbers: Mapping[int, int]) -> int:
    if isinstance(name, int):
        return numbers.get(name, NOTHING)
    found, number = matcher.find(name), numbers.get(_whole(name), NOTHING)
    if found and number not in (NOTHING, *found):
        samples = matcher.dataset.samples
        raise ModelError(
            f"{matcher.where}: the image id {name!r} is a text that may be the data's id of {samples[number].id!r} or "
            f"the name of {samples[found[0]].id!r}",
            hint="Write ids as numbers, or names of files with their endings.",
        )
    return found[0] if found else number


def _whole(name: str) -> int:
    """The whole number that a text states; :data:`NOTHING` for any other text."""
    return int(name) if name.isdecimal() and len(name) <= _DIGITS else NOTHING


def _class_names(lists: Sequence[Sequence[str]]) -> dict[str, int]:
    """The label of each name and of each name after :func:`normalise`. Names of several classes are left out."""
    found: dict[str, int] = {}
    for form in (lambda name: name, normalise):
        for names in lists:
            keys = [form(name) for name in names]
            times = Counter(keys)
            found = {**{key: label for label, key in enumerate(keys) if times[key] == 1}, **found}
    return found
