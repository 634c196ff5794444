"""Finds class names that are ids, such as ``n01440764``: WordNet ids become words, and other ids become a remark.

An id means nothing to a model. Prompts, and sources with one folder per class, use this module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise

from vlmbench.card_files import read_task, task_card_files
from vlmbench.class_names import are_counted, numbers_of, without_leading_id
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import IDS_AS_PROMPTS, WORDNET_NAMES
from vlmbench.wording import counted, either

_IMAGENET = "imagenet1k"
_WORDNET = re.compile(r"n[0-9]{8}", re.IGNORECASE)
_WORDNET_AND_NAME = re.compile(r"n[0-9]{8}[-_. ]+[^-_. ].*", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")
_HEX = re.compile(r"(?:0x)?(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,}", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:[-_ ]?[0-9a-f]{4}){3}[-_ ]?[0-9a-f]{12}", re.IGNORECASE)
_FREEBASE = re.compile(r"/?[mg][./_ ][01][0-9a-z_]{2,8}")
_WORD_AND_NUMBER = re.compile(
    r"(?:id|uid|idx|index|class|cls|label|lbl|category|folder|dir|target|img|image|dsc|synset|wnid)[-_.# ]*[0-9]+",
    re.IGNORECASE,
)
_NUMBER_AND_NAME = re.compile(r"([0-9]{1,18})[-_. ]+[^-_. 0-9].*", re.DOTALL)
_TOKEN = re.compile(r"[0-9A-Za-z]{8,}")
_CHANGES_IN_A_TOKEN = 3
"""A random token changes at least this often between letters and digits. Names of machines, such as aircraft, change
less often, or are shorter than a token ("A300B4")."""


def is_number(name: str) -> bool:
    """Whether a class name is only a number."""
    return _NUMBER.fullmatch(name.strip()) is not None


def is_id(name: str) -> bool:
    """Whether a class name has the form of an id: of WordNet or Freebase, a hash, a UUID, ``id_0012``.

    >>> [is_id(name) for name in ("n99999999", "id_0012", "a3f09c1e77", "/m/01g317", "A300B4", "facade", "737-200")]
    [True, True, True, True, False, False, False]
    """
    text = name.strip()
    forms = (_WORDNET, _HEX, _UUID, _FREEBASE, _WORD_AND_NUMBER)
    return any(form.fullmatch(text) for form in forms) or _is_random_token(text)


def _is_random_token(text: str) -> bool:
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(text))
    return _TOKEN.fullmatch(text) is not None and changes >= _CHANGES_IN_A_TOKEN


def has_wordnet_ids(names: Sequence[str]) -> bool:
    """Whether all class names are WordNet ids. ImageNet's labels are in the sorted order of these ids."""
    return all(_WORDNET.fullmatch(name) for name in names)


@cache
def imagenet_names() -> Mapping[str, str]:
    """ImageNet's class names by their WordNet ids, from the task card of ImageNet-1k."""
    card = read_task(task_card_files()[_IMAGENET])
    folders = next(source.folders for source in card.sources if source.folders)
    return dict(zip(folders or (), card.classes or (), strict=True))


def words_of(names: Sequence[str]) -> tuple[str, ...]:
    """The class names. ImageNet's name, or else the name that follows the id, replaces each WordNet id."""
    if not any(_WORDNET.match(name) for name in names):
        return tuple(names)
    return tuple(_word_of(name) for name in names)


def _word_of(name: str) -> str:
    if _WORDNET_AND_NAME.fullmatch(name):
        return without_leading_id(name).replace("_", " ")
    return imagenet_names().get(name.lower(), name) if _WORDNET.fullmatch(name) else name


def told_words_of(names: Sequence[str]) -> tuple[str, ...]:
    """The same as :func:`words_of`, with a remark about the replaced ids."""
    words = words_of(names)
    replaced = [f"{name} = {word!r}" for name, word in zip(names, words, strict=True) if name != word]
    if replaced:
        count = len(replaced)
        say(
            WORDNET_NAMES,
            f"{counted(count, 'class name')} {either(count, 'has', 'have')} a WordNet id, and the prompts use "
            f"{either(count, 'the name of that id', 'the names of these ids')} instead",
            brief=f"{counted(count, 'WordNet id')} read as {either(count, 'a name', 'names')}",
            count=count,
            examples=replaced,
        )
    return words


def tell_of_ids(names: Sequence[str], *, from_card: bool) -> None:
    """Make a remark about class names that are numbers or ids.

    Args:
        from_card: the names are a card's; then numbers are meant, and only ids get a remark.
    """
    ids = [name for name in names if is_id(name)]
    if from_card:
        return _tell(ids, "is an id", "are ids")
    _tell([name for name in names if is_number(name)], "is a bare number", "are bare numbers")
    if are_counted(numbers_of(names)) and not any(map(is_number, names)):
        return _tell(names, "is numbered", "differ only in their numbers")
    _tell(ids, "is an id", "are ids")
    if not ids and _begin_with_numbers(names):
        _tell(names, "begins with a number", "begin with consecutive numbers")
    return None


def _begin_with_numbers(names: Sequence[str]) -> bool:
    """Whether all names begin with consecutive numbers ("001.Albatross", "002.Auk")."""
    leading = [match[1] for match in map(_NUMBER_AND_NAME.fullmatch, names) if match is not None]
    return len(leading) == len(names) and are_counted([int(number) for number in leading])


def _tell(found: Sequence[str], singular: str, plural: str) -> None:
    if not found:
        return
    count = len(found)
    what = f"{counted(count, 'class name')} {either(count, singular, plural)}"
    say(
        IDS_AS_PROMPTS,
        f"{what}, and the prompts are made of {either(count, 'it', 'them')}; with --classnames you can give words",
        brief=what,
        count=count,
        examples=map(repr, found),
    )
