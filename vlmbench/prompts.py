"""Prompts: class names and templates, where each came from, and the texts they make."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from vlmbench.cards import TaskCard, fill_template
from vlmbench.class_ids import tell_of_ids, told_words_of, words_of
from vlmbench.class_names import own_in_order
from vlmbench.errors import LabelError
from vlmbench.markup import is_blank
from vlmbench.remarks.base import Code, say
from vlmbench.remarks.codes import EMPTY_CLASS_NAMES, REPEATED_CARD_NAMES, REPEATED_CLASS_NAMES, UNFILLED_PLACES

DEFAULT_TEMPLATE = "a photo of a {}."
"""CLIP's default prompt (Radford et al. 2021, section 3.1.4), used where neither card nor data state one."""


@dataclass(frozen=True)
class PromptSet:
    """Class names and templates, and where each came from ("card", "data", "option", "default")."""

    class_names: tuple[str, ...]
    templates: tuple[str, ...]
    class_names_from: str
    templates_from: str

    @property
    def prompts(self) -> list[str]:
        """Every prompt, (C * T), the templates of the first class first."""
        return [fill_template(template, name) for name in self.class_names for template in self.templates]

    @property
    def sha256(self) -> str:
        """Over class names and templates, in order."""
        return sha256(json.dumps([self.class_names, self.templates]).encode()).hexdigest()

    @property
    def protocol(self) -> dict[str, Any]:
        """How the head was made, for the record. The class names themselves are in its per-class table."""
        return {
            "head": "prompt ensemble",
            "classes": len(self.class_names),
            "class_names_from": self.class_names_from,
            "templates": list(self.templates),
            "templates_from": self.templates_from,
        }


class DataWords(Protocol):
    """The words that a dataset states, or not."""

    classes: tuple[str, ...] | None
    templates: tuple[str, ...] | None


class OwnWords(Protocol):
    """The words that the user gives, or not."""

    @property
    def class_names(self) -> tuple[str, ...] | None: ...
    @property
    def templates(self) -> tuple[str, ...] | None: ...


def prompt_set(card: TaskCard, data: DataWords, own: OwnWords) -> PromptSet:
    """The prompts of a card on its data: the user's words before the card's before the data's.

    The user's names that are those of the classes go to their classes, whatever their order; others are taken in label
    order. WordNet ids of the data become ImageNet's names.

    Raises:
        LabelError: there are no class names at all, one is no text, one of the user's or the data's is empty, or the
            user's do not fit the data's or the card's.
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
            hint="One name a line; `vlmbench tasks show NAME` prints the card's own, in label order.",
        )
    words, from_card = words_of(stated), bool(card.classes)
    return own_in_order(own.class_names, words, place=card.name, order_stated=True, from_card=from_card), "option"


_FROM: Mapping[str, str] = {"data": "the data's", "option": "the user's"}
_BRACES = re.compile(r"\{\w*\}")
"""A place that was to be filled, as Python's templates have them."""


def _check_whole(card: TaskCard, names: Sequence[str]) -> None:
    """Refuse names that are no text: folders' names in another encoding, halves of a sign in JSON."""
    for label, name in enumerate(names):
        if not name.isascii() and any("\ud800" <= sign <= "\udfff" for sign in name):
            raise LabelError(
                f"{card.name}: the name of class {label} is no Unicode text: {name!r}",
                hint="Rename it in the data, or name the classes with --classnames FILE.",
            )


def _check_empty(card: TaskCard, names: Sequence[str], names_from: str) -> None:
    """A card may leave a class without a name, as published lists do; elsewhere that is a mistake."""
    empty = [label for label, name in enumerate(names) if is_blank(name)]
    if not empty:
        return
    listed = ", ".join(map(str, empty[:10])) + (", …" if len(empty) > 10 else "")
    if names_from != "card":
        raise LabelError(
            f"{card.name}: of {_FROM[names_from]} {len(names):,} class names, {len(empty):,} "
            f"{'is' if len(empty) == 1 else 'are'} empty: label {listed}",
            hint="Name every class in the card's `classes`, or with --classnames FILE.",
        )
    text = f"the card leaves {len(empty):,} class name{'s' * (len(empty) != 1)} empty"
    brief = f"{len(empty):,} empty class name{'s' * (len(empty) != 1)}"
    say(EMPTY_CLASS_NAMES, text, brief=brief, count=len(empty), examples=[f"label {label}" for label in empty])


def _tell_of_unfilled(names: Iterable[str], templates: Iterable[str]) -> None:
    """Braces in names, and others than {} and {c} in templates, come before the model as they are."""
    held = [name for name in names if _BRACES.search(name)]
    others = [template for template in templates if _BRACES.search(fill_template(template, ""))]
    counted = ((len(held), "class name"), (len(others), "template"))
    what = " and ".join(f"{count:,} {noun}{'s' * (count != 1)}" for count, noun in counted if count)
    if what:
        count = len(held) + len(others)
        have, them = ("has", "it stays as it is") if count == 1 else ("have", "they stay as they are")
        text = f"{what} {have} braces that nothing fills; {them}"
        say(UNFILLED_PLACES, text, brief=f"{what} with braces", count=count, examples=map(repr, [*held, *others]))


def _tell_of_repeated(names: Iterable[str], code: Code) -> None:
    """No model can tell classes of one name apart."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        text = (
            f"{len(repeated):,} class name{'s' * (len(repeated) != 1)} occur{'s' * (len(repeated) == 1)} more than once"
        )
        brief = f"{len(repeated):,} repeated class name{'s' * (len(repeated) != 1)}"
        say(code, text, brief=brief, count=len(repeated), examples=map(repr, repeated))
