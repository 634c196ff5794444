"""Makes prompts: finds class names and templates, states where each comes from, and joins them to texts.

The kinds of task that have classes make their prompts here, for every transfer method.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Protocol

from vlmbench.cards import TaskCard, fill_template
from vlmbench.class_ids import tell_of_ids, told_words_of, words_of
from vlmbench.class_names import own_in_order
from vlmbench.errors import LabelError
from vlmbench.markup import is_blank
from vlmbench.remarks.base import Code, say
from vlmbench.remarks.codes import EMPTY_CLASS_NAMES, REPEATED_CARD_NAMES, REPEATED_CLASS_NAMES, UNFILLED_PLACES
from vlmbench.wording import counted, either, listed

DEFAULT_TEMPLATE = "a photo of a {}."
"""CLIP's default prompt (Radford et al. 2021, section 3.1.4), used if neither the card nor the data has templates."""


@dataclass(frozen=True)
class PromptSet:
    """Class names and templates, and where each came from ("card", "data", "option", "default")."""

    class_names: tuple[str, ...]
    templates: tuple[str, ...]
    class_names_from: str
    templates_from: str

    def part(self, start: int, stop: int) -> PromptSet:
        """The classes with labels from ``start`` to ``stop - 1``."""
        return replace(self, class_names=self.class_names[start:stop])

    @property
    def prompts(self) -> list[str]:
        """Every prompt, (C * T), the templates of the first class first."""
        return [fill_template(template, name) for name in self.class_names for template in self.templates]

    @property
    def sha256(self) -> str:
        """The hash of class names and templates, in order."""
        return sha256(json.dumps([self.class_names, self.templates]).encode()).hexdigest()

    @property
    def protocol(self) -> dict[str, Any]:
        """How the classifier was made, for the record. The record's per-class table has the class names."""
        return {
            "head": "prompt ensemble",
            "classes": len(self.class_names),
            "class_names_from": self.class_names_from,
            "templates": list(self.templates),
            "templates_from": self.templates_from,
        }


class DataWords(Protocol):
    """The class names and templates of a dataset; None for those that it does not have."""

    classes: tuple[str, ...] | None
    templates: tuple[str, ...] | None


class OwnWords(Protocol):
    """The class names and templates of the user; None for those that the user did not give."""

    @property
    def class_names(self) -> tuple[str, ...] | None: ...
    @property
    def templates(self) -> tuple[str, ...] | None: ...


def prompt_set(card: TaskCard, data: DataWords, own: OwnWords) -> PromptSet:
    """Make the prompts of a card on its data. The user's words come first, then the card's, then the data's.

    If the user's names are the names of the classes, each goes to its class, in any order. Otherwise they are taken in
    label order. WordNet ids in the data become ImageNet's names.

    Raises:
        LabelError: there are no class names; a name is not Unicode text; a name of the user or the data is empty; or
            the user's names do not fit the data's or the card's.
    """
    names, names_from = _class_names(card, data, own)
    if own.templates is not None:
        templates, templates_from = own.templates, "option"
    elif card.templates:
        templates, templates_from = tuple(card.templates), "card"
    elif data.templates:
        templates, templates_from = data.templates, "data"
    else:
        templates, templates_from = (DEFAULT_TEMPLATE,), "default"
    _check_whole(card, names)
    _check_empty(card, names, names_from)
    published = names_from == "card" or (names_from == "data" and names != data.classes)  # names of WordNet ids
    _tell_of_repeated(names, REPEATED_CARD_NAMES if published else REPEATED_CLASS_NAMES)
    _tell_of_unfilled(names, templates)
    tell_of_ids(names, from_card=names_from == "card")
    return PromptSet(tuple(names), tuple(templates), names_from, templates_from)


def _class_names(card: TaskCard, data: DataWords, own: OwnWords) -> tuple[tuple[str, ...], str]:
    """The class names in label order, and where they come from."""
    stated = tuple(card.classes) if card.classes else data.classes
    if own.class_names is None:
        if stated is None:
            raise LabelError(
                f"{card.name}: neither the card nor the data states class names",
                hint="Give them with --classnames FILE.",
            )
        return (stated, "card") if card.classes else (told_words_of(stated), "data")
    if stated is None:
        return own.class_names, "option"
    if len(own.class_names) != len(stated):
        raise LabelError(
            f"{len(own.class_names)} class names were given, but {card.name} has {len(stated)} classes",
            hint="Write one name a line. `vlmbench tasks show NAME` prints the card's names in label order.",
        )
    words, from_card = words_of(stated), bool(card.classes)
    return own_in_order(own.class_names, words, place=card.name, order_stated=True, from_card=from_card), "option"


_FROM: Mapping[str, str] = {"data": "the data's", "option": "the user's"}
_BRACES = re.compile(r"\{\w*\}")
"""A field to fill, as in Python's format strings."""


def _check_whole(card: TaskCard, names: Sequence[str]) -> None:
    """Refuse names that are not Unicode text, such as folder names in another encoding or half a character in JSON."""
    for label, name in enumerate(names):
        if not name.isascii() and any("\ud800" <= sign <= "\udfff" for sign in name):
            raise LabelError(
                f"{card.name}: the name of class {label} is not Unicode text: {name!r}",
                hint="Rename it in the data, or name the classes with --classnames FILE.",
            )


def _check_empty(card: TaskCard, names: Sequence[str], names_from: str) -> None:
    """Refuse empty names, except those of a card: some published lists have them, and they become a remark."""
    empty = [label for label, name in enumerate(names) if is_blank(name)]
    if not empty:
        return
    labels = ", ".join(map(str, empty[:10])) + (", …" if len(empty) > 10 else "")
    if names_from != "card":
        raise LabelError(
            f"{card.name}: {len(empty):,} of {_FROM[names_from]} {counted(len(names), 'class name')} "
            f"{either(len(empty), 'is', 'are')} empty: {either(len(empty), 'label', 'labels')} {labels}",
            hint="Name every class in the card's `classes`, or with --classnames FILE.",
        )
    text, brief = f"the card leaves {counted(len(empty), 'class name')} empty", counted(len(empty), "empty class name")
    say(EMPTY_CLASS_NAMES, text, brief=brief, count=len(empty), examples=[f"label {label}" for label in empty])


def _tell_of_unfilled(names: Iterable[str], templates: Iterable[str]) -> None:
    """Remark on braces that are not filled: all in names, and all but {} and {c} in templates."""
    held = [name for name in names if _BRACES.search(name)]
    others = [template for template in templates if _BRACES.search(fill_template(template, ""))]
    found = ((len(held), "class name"), (len(others), "template"))
    what = listed([counted(count, noun) for count, noun in found if count])
    if what:
        count = len(held) + len(others)
        text = f"{what} {either(count, 'has', 'have')} braces that vlmbench does not fill; the model reads the braces"
        say(UNFILLED_PLACES, text, brief=f"{what} with braces", count=count, examples=map(repr, [*held, *others]))


def _tell_of_repeated(names: Iterable[str], code: Code) -> None:
    """Remark on names that occur more than once: no model can tell such classes apart."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        text = f"{counted(len(repeated), 'class name')} {either(len(repeated), 'occurs', 'occur')} more than once"
        brief = counted(len(repeated), "repeated class name")
        say(code, text, brief=brief, count=len(repeated), examples=map(repr, repeated))
