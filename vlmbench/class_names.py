"""Compares class names: which names are equal, how folders are ordered, and which given name belongs to which class.

Sources of datasets, prompts and the checks of labels use it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from vlmbench.errors import LabelError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import CLASS_ORDER
from vlmbench.wording import counted, either, listed

LISTED = 10
"""A message lists at most this many names or differences, and then the number of the others."""
_ONE_NUMBER = re.compile(r"(.*?)([0-9]{1,18})([^0-9]*)", re.DOTALL)
_LEADING_ID = re.compile(r"(?:n[0-9]{8}|[0-9]+)[-_. ]+(?=[^-_. ])", re.IGNORECASE)


def normalise(name: str) -> str:
    """A class name in the form in which names are compared: without letter case, ``_``, ``-`` and double spaces."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def without_leading_id(name: str) -> str:
    """A class name without the number or WordNet id before it.

    >>> [without_leading_id(name) for name in ("001.Black_footed_Albatross", "n02088364-beagle", "7")]
    ['Black_footed_Albatross', 'beagle', '7']
    """
    return _LEADING_ID.sub("", name, count=1) if _LEADING_ID.match(name) else name


def listing(items: Iterable[str]) -> str:
    """The first :data:`LISTED` items, and the number of the others."""
    return listed(list(items), most=LISTED)


def numbers_of(names: Sequence[str]) -> list[int] | None:
    """The numbers in names that differ only in one number each; None if the names differ in something else.

    >>> numbers_of(["0", "10", "2"]), numbers_of(["c07", "c08"]), numbers_of(["7", "07"]), numbers_of(["a1", "b2"])
    ([0, 10, 2], [7, 8], None, None)
    """
    found = [_ONE_NUMBER.fullmatch(name) for name in names]
    parts = [match.groups() for match in found if match is not None]
    alike = len(parts) == len(names) and len({(before, after) for before, _, after in parts}) == 1
    numbers = [int(number) for _, number, _ in parts]
    return numbers if alike and len(set(numbers)) == len(numbers) else None


def are_counted(numbers: Sequence[int] | None) -> bool:
    """Whether the numbers are 0 to N - 1 or 1 to N, in any order. Then they are labels."""
    return numbers is not None and sorted(numbers) in (list(range(len(numbers))), list(range(1, len(numbers) + 1)))


def label_order(names: Iterable[str]) -> list[str]:
    """The names in the order of their labels: by their numbers if they differ only in these, else alphabetical.

    >>> label_order(["10", "9", "1"]), label_order(["b10", "b9"]), label_order(["tench", "eel 2"])
    (['1', '9', '10'], ['b9', 'b10'], ['eel 2', 'tench'])
    """
    every = sorted(names)
    numbers = numbers_of(every)
    return every if numbers is None else [name for _, name in sorted(zip(numbers, every, strict=True))]


def own_in_order(
    own: Sequence[str], stated: Sequence[str], *, place: str, order_stated: bool, from_card: bool = False
) -> tuple[str, ...]:
    """The class names that the user gives, in label order.

    A given name belongs to the class whose stated name is equal after :func:`normalise`, also without a number or id
    before the stated name. The order of the given names then does not matter. If no name matches, the given names are
    taken in the order in which they are given.

    Args:
        own: the names that the user gives.
        stated: the names that the data or the card states, in label order.
        order_stated: the data states the order of the labels (it is not just that of sorted folders). Then the given
            names may differ from the stated ones, as long as no matching name is at another place.
        from_card: a card states the names, so that the user can look up their order.

    Raises:
        LabelError: some names have a match, and others do not.
    """
    for key in (normalise, lambda name: normalise(without_leading_id(name))):
        if (found := _paired(own, stated, key)) is not None:
            return found
    ours, theirs = [normalise(name) for name in own], [normalise(name) for name in stated]
    common = set(ours) & set(theirs)
    if not common:
        if not (from_card or are_counted(numbers_of(stated))) and len(own) == len(stated):
            _tell_of_order(own, stated, place)
        return tuple(own)
    if order_stated and len(own) == len(stated) and not _moved(ours, theirs):
        return tuple(own)
    raise LabelError(_unpaired(own, stated, common, place), hint=_UNPAIRED_HINT)


_UNPAIRED_HINT = (
    "Class names are matched by name, in any order: correct those that have no match. To use other words than the data "
    "does, write a card that lists `classes` in label order and, for folders, `folders` in its source."
)


def _paired(own: Sequence[str], stated: Sequence[str], key: Callable[[str], str]) -> tuple[str, ...] | None:
    keys = [key(name) for name in stated]
    if Counter(map(normalise, own)) != Counter(keys):
        return None
    waiting: dict[str, list[str]] = defaultdict(list)
    for name in reversed(own):
        waiting[normalise(name)].append(name)
    return tuple(waiting[key].pop() for key in keys)


def _moved(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether a name that is in both lists is at another place in each."""
    in_place = {name for name, other in zip(ours, theirs, strict=True) if name == other}
    return bool((set(ours) & set(theirs)) - in_place)


def _unpaired(own: Sequence[str], stated: Sequence[str], common: set[str], place: str) -> str:
    parts = [
        f"{counted(len(names), noun, nouns)} {either(len(names), *what)}: {listing(map(repr, names))}"
        for names, noun, nouns, what in (
            (
                [name for name in own if normalise(name) not in common],
                "given name",
                None,
                ("matches no class", "match no class"),
            ),
            (
                [name for name in stated if normalise(name) not in common],
                "class",
                "classes",
                ("has no given name", "have no given name"),
            ),
        )
        if names
    ]
    counts = (
        f"{counted(len(own), 'given name')} for {counted(len(stated), 'class', 'classes')}, and some names occur in "
        "one of the lists more often than in the other"
    )
    return f"{place}: the given class names do not fit the classes ({'; '.join(parts) or counts})"


def _tell_of_order(own: Sequence[str], stated: Sequence[str], place: str) -> None:
    say(
        CLASS_ORDER,
        f"none of the {len(own):,} given class names occurs in {place}, so their order could not be checked; the first "
        "name was given to the first class of the data, the second to the second, and so on",
        brief="order of class names not checked",
        count=len(own),
        examples=(f"{name!r} for {found!r}" for name, found in zip(own, stated, strict=True)),
    )
