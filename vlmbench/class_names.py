"""Class names compared: what makes two of them the same, in which order folders are, and whose name is whose."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from vlmbench.errors import LabelError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import CLASS_ORDER

LISTED = 10
"""How many names or differences a message lists before it says how many more there are."""
_ONE_NUMBER = re.compile(r"(.*?)([0-9]{1,18})([^0-9]*)", re.DOTALL)
_LEADING_ID = re.compile(r"(?:n[0-9]{8}|[0-9]+)[-_. ]+(?=[^-_. ])", re.IGNORECASE)


def normalise(name: str) -> str:
    """A class name as it is compared: case, ``_``, ``-`` and runs of blanks make no difference."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def without_leading_id(name: str) -> str:
    """A class name without the number or WordNet id before it.

    >>> [without_leading_id(name) for name in ("001.Black_footed_Albatross", "n02088364-beagle", "7")]
    ['Black_footed_Albatross', 'beagle', '7']
    """
    return _LEADING_ID.sub("", name, count=1) if _LEADING_ID.match(name) else name


def listing(items: Iterable[str]) -> str:
    """The first :data:`LISTED` items, and how many more there are."""
    every = list(items)
    more = len(every) - LISTED
    return ", ".join(every[:LISTED]) + (f" and {more} more" if more > 0 else "")


def numbers_of(names: Sequence[str]) -> list[int] | None:
    """The numbers of names that are the same but for a number each; None where they are not.

    >>> numbers_of(["0", "10", "2"]), numbers_of(["c07", "c08"]), numbers_of(["7", "07"]), numbers_of(["a1", "b2"])
    ([0, 10, 2], [7, 8], None, None)
    """
    found = [_ONE_NUMBER.fullmatch(name) for name in names]
    parts = [match.groups() for match in found if match is not None]
    alike = len(parts) == len(names) and len({(before, after) for before, _, after in parts}) == 1
    numbers = [int(number) for _, number, _ in parts]
    return numbers if alike and len(set(numbers)) == len(numbers) else None


def are_counted(numbers: Sequence[int] | None) -> bool:
    """Whether the numbers are 0 to N - 1 or 1 to N, in any order: then they are the labels themselves."""
    return numbers is not None and sorted(numbers) in (list(range(len(numbers))), list(range(1, len(numbers) + 1)))


def label_order(names: Iterable[str]) -> list[str]:
    """The names in the order of their labels: sorted; by their numbers if they are the same but for these.

    >>> label_order(["10", "9", "1"]), label_order(["b10", "b9"]), label_order(["tench", "eel 2"])
    (['1', '9', '10'], ['b9', 'b10'], ['eel 2', 'tench'])
    """
    every = sorted(names)
    numbers = numbers_of(every)
    return every if numbers is None else [name for _, name in sorted(zip(numbers, every, strict=True))]


def own_in_order(
    own: Sequence[str], stated: Sequence[str], *, place: str, order_stated: bool, from_card: bool = False
) -> tuple[str, ...]:
    """The user's names for the classes, in the classes' order.

    Names that are the same after :func:`normalise` (or but for a number or id before the data's) belong together,
    whatever their order. Without such names, the user's are taken in the order in which they stand.

    Args:
        own: the user's names.
        stated: the names that the data or the card states, in label order.
        order_stated: the order of the labels is stated somewhere, and not merely that of sorted folders. Then a list
            that has the same names at the same places may have other words for the rest.
        from_card: a card states the names, so that their order is known to whoever asks it.

    Raises:
        LabelError: some names have a match, and others have none.
    """
    for key in (normalise, lambda name: normalise(without_leading_id(name))):
        if (found := _paired(own, stated, key)) is not None:
            return found
    ours, theirs = [normalise(name) for name in own], [normalise(name) for name in stated]
    common = set(ours) & set(theirs)
    if not common:
        counted = are_counted(numbers_of(stated))
        if not (from_card or counted) and len(own) == len(stated):
            _tell_of_order(own, stated, place)
        return tuple(own)
    if order_stated and len(own) == len(stated) and not _moved(ours, theirs):
        return tuple(own)
    raise LabelError(_unpaired(own, stated, common, place), hint=_UNPAIRED_HINT)


_UNPAIRED_HINT = (
    "Class names are matched by name, whatever their order: correct those without a match. For other words than the "
    "data's, write a card that lists `classes` in label order, and for folders `folders` in its source."
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
    """Whether a class's name stands at another class's place, and not at its own."""
    in_place = {name for name, other in zip(ours, theirs, strict=True) if name == other}
    return bool((set(ours) & set(theirs)) - in_place)


def _unpaired(own: Sequence[str], stated: Sequence[str], common: set[str], place: str) -> str:
    parts = [
        f"{len(names)} {what}: {listing(map(repr, names))}"
        for names, what in (
            ([name for name in own if normalise(name) not in common], "of the given names match no class"),
            ([name for name in stated if normalise(name) not in common], "of the classes have no given name"),
        )
        if names
    ]
    counts = f"{len(own)} given names for {len(stated)} classes, of which some occur more often than the others"
    return f"{place}: the given class names do not fit the classes ({'; '.join(parts) or counts})"


def _tell_of_order(own: Sequence[str], stated: Sequence[str], place: str) -> None:
    say(
        CLASS_ORDER,
        f"none of the {len(own):,} given class names is a name in {place}, so that their order could not be checked; "
        "they were taken in the order of the data's names",
        brief="order of class names not checked",
        count=len(own),
        examples=(f"{name!r} for {found!r}" for name, found in zip(own, stated, strict=True)),
    )
