"""Prompts: class names and templates, where each came from, and the texts they make."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from vlmbench.cards import TaskCard, fill_template
from vlmbench.class_ids import tell_of_ids, told_words_of, words_of
from vlmbench.class_names import own_in_order
from vlmbench.errors import LabelError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import REPEATED_CLASS_NAMES

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
        LabelError: there are no class names at all, or the user's do not fit the data's or the card's.
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
    _tell_of_repeated(names)
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


def _tell_of_repeated(names: Iterable[str]) -> None:
    """No model can tell classes of one name apart."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        text = (
            f"{len(repeated):,} class name{'s' * (len(repeated) != 1)} occur{'s' * (len(repeated) == 1)} more than once"
        )
        brief = f"{len(repeated):,} repeated class name{'s' * (len(repeated) != 1)}"
        say(REPEATED_CLASS_NAMES, text, brief=brief, count=len(repeated), examples=map(repr, repeated))
