"""Class names that are ids: WordNet's become words, all others are remarked, since they say nothing to a model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise

from vlmbench.catalogue import read_task, task_card_files
from vlmbench.class_names import are_counted, numbers_of, without_leading_id
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import IDS_AS_PROMPTS, WORDNET_NAMES

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
"""From letters to digits or back. Type names of machines have fewer ("A300B4" is shorter than a token)."""


def is_number(name: str) -> bool:
    """Whether a class name is a number and no more."""
    return _NUMBER.fullmatch(name.strip()) is not None


def is_id(name: str) -> bool:
    """Whether a class name is an id by its form: WordNet's or Freebase's, a hash, a UUID, ``id_0012``.

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
    """Whether class names are WordNet ids, whose sorted order is that of ImageNet's labels."""
    return all(_WORDNET.fullmatch(name) for name in names)


@cache
def imagenet_names() -> Mapping[str, str]:
    """ImageNet's class names by their WordNet ids, as the card of ImageNet-1k has them."""
    card = read_task(task_card_files()[_IMAGENET])
    folders = next(source.folders for source in card.sources if source.folders)
    return dict(zip(folders or (), card.classes or (), strict=True))


def words_of(names: Sequence[str]) -> tuple[str, ...]:
    """The names with WordNet ids replaced by ImageNet's names, or by the name that follows the id."""
    if not any(_WORDNET.match(name) for name in names):
        return tuple(names)
    return tuple(_word_of(name) for name in names)


def _word_of(name: str) -> str:
    if _WORDNET_AND_NAME.fullmatch(name):
        return without_leading_id(name).replace("_", " ")
    return imagenet_names().get(name.lower(), name) if _WORDNET.fullmatch(name) else name


def told_words_of(names: Sequence[str]) -> tuple[str, ...]:
    """As :func:`words_of`, with a remark of what was replaced."""
    words = words_of(names)
    replaced = [f"{name} = {word!r}" for name, word in zip(names, words, strict=True) if name != word]
    if replaced:
        one = len(replaced) == 1
        say(
            WORDNET_NAMES,
            f"{len(replaced):,} class name{'s' * (not one)} {'has' if one else 'have'} a WordNet id, and the prompts "
            f"have {'its name' if one else 'their names'} instead",
            brief=f"{len(replaced):,} WordNet id{'s' * (not one)} read as names",
            count=len(replaced),
            examples=replaced,
        )
    return words


def tell_of_ids(names: Sequence[str], *, from_card: bool) -> None:
    """Make a remark of class names that are numbers or ids; of numbers only if no card means them."""
    ids = [name for name in names if is_id(name)]
    if from_card:
        return _tell(ids, "is an id", "are ids")
    _tell([name for name in names if is_number(name)], "is a bare number", "are bare numbers")
    if are_counted(numbers_of(names)) and not any(map(is_number, names)):
        return _tell(names, "is numbered", "are the same but for their numbers")
    _tell(ids, "is an id", "are ids")
    if not ids and _begin_with_numbers(names):
        _tell(names, "begins with a number", "begin with numbers that count them")
    return None


def _begin_with_numbers(names: Sequence[str]) -> bool:
    """Whether all have numbers before them that count them ("001.Albatross", "002.Auk")."""
    leading = [match[1] for match in map(_NUMBER_AND_NAME.fullmatch, names) if match is not None]
    return len(leading) == len(names) and are_counted([int(number) for number in leading])


def _tell(found: Sequence[str], singular: str, plural: str) -> None:
    if not found:
        return
    one = len(found) == 1
    what = f"{len(found):,} class name{'s' * (not one)} {singular if one else plural}"
    say(
        IDS_AS_PROMPTS,
        f"{what}, and the prompts are made of {'it' if one else 'them'}; --classnames gives words",
        brief=what,
        count=len(found),
        examples=map(repr, found),
    )
