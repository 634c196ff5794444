"""The words of each class and their prompts. The segmentation plugin and its scorers use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from vlmbench.cards import TaskCard, fill_template
from vlmbench.data.base import ImageDataset
from vlmbench.data.labels import listing
from vlmbench.errors import CardError, LabelError
from vlmbench.markup import is_blank
from vlmbench.prompts import PromptSet, prompt_set
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import SHARED_WORDS
from vlmbench.tasks.base import TaskOptions
from vlmbench.tasks.segmentation.protocol import SegmentationProtocol
from vlmbench.wording import counted, either


@dataclass(frozen=True)
class Vocabulary:
    """C classes, their Q words and T templates.

    Attributes:
        prompts_of: class names and templates, and where each came from.
        words: (C,) the words of each class. A background class without a prompt has no words.
    """

    prompts_of: PromptSet
    words: tuple[tuple[str, ...], ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The C names of the classes, as people see them."""
        return self.prompts_of.class_names

    @property
    def templates(self) -> tuple[str, ...]:
        """The T templates, each with a place for the word."""
        return self.prompts_of.templates

    @property
    def queries(self) -> list[str]:
        """The Q words of all classes, those of the first class first."""
        return [word for own in self.words for word in own]

    @property
    def owners(self) -> list[int]:
        """(Q,) the class of each word."""
        return [label for label, own in enumerate(self.words) for _ in own]

    @property
    def prompts(self) -> list[str]:
        """The Q * T prompts: first all templates with the first word."""
        return [fill_template(template, word) for word in self.queries for template in self.templates]

    @property
    def labels(self) -> list[str]:
        """The Q prompts of the first template, for models that take one text for each word."""
        return [fill_template(self.templates[0], word) for word in self.queries]

    @property
    def sha256(self) -> str:
        """The SHA-256 hash of names, words and templates, in order."""
        return sha256(json.dumps([self.class_names, self.words, self.templates]).encode()).hexdigest()

    @property
    def protocol(self) -> dict[str, Any]:
        """How the classes were prompted, for the record.

        ``words`` lists only the classes whose words are not just their name.
        """
        named = zip(self.class_names, self.words, strict=True)
        return {**self.prompts_of.protocol, "words": {name: list(own) for name, own in named if own != (name,)}}


def vocabulary(
    card: TaskCard, dataset: ImageDataset, options: TaskOptions, settings: SegmentationProtocol
) -> Vocabulary:
    """The words of a card's classes on its data.

    Names that the user gives replace the card's names and synonyms. Commas in them separate the words of a class
    ("person, person in shirt"), as in the lists of SCLIP and of code that builds on it.

    Raises:
        LabelError: there are fewer than two class names, the user gives another number of names than the card, or a
            name has no word.
        CardError: there are synonyms for a class that does not exist.
    """
    prompts = prompt_set(card, dataset, options)
    names = prompts.class_names
    if len(names) < 2:
        raise LabelError(f"{card.name}: segmentation needs at least two classes, not {len(names)}")
    if prompts.class_names_from == "option":
        words = [tuple(word.strip() for word in name.split(",") if not is_blank(word)) for name in names]
        if () in words:
            raise LabelError(
                f"{card.name}: the class name {names[words.index(())]!r} has no word (commas separate words)"
            )
    else:
        if unknown := sorted(set(settings.synonyms) - set(names)):
            raise CardError(f"task {card.name!r}: `synonyms` names unknown classes: {listing(unknown)}")
        words = [tuple(settings.synonyms.get(name, [name])) for name in names]
    if settings.background == "threshold":
        words[0] = ()
    _tell_of_shared(dict(zip(names, words, strict=True)))
    return Vocabulary(prompts, tuple(words))


def _tell_of_shared(words: Mapping[str, tuple[str, ...]]) -> None:
    """Make a remark about words that belong to several classes. Such a word counts for the first class only."""
    owners: dict[str, list[str]] = {}
    for name, own in words.items():
        for word in own:
            owners.setdefault(word, []).append(name)
    shared = [f"{word!r} ({', '.join(found)})" for word, found in owners.items() if len(found) > 1]
    if shared:
        count = len(shared)
        belong = either(count, "belongs to more than one class and counts", "belong to more than one class and count")
        text = f"{counted(count, 'word')} {belong} only for the first of these classes"
        say(SHARED_WORDS, text, brief=counted(count, "shared word"), count=count, examples=shared)
