"""The words of each class and their prompts, for the segmentation plugin."""

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


@dataclass(frozen=True)
class Vocabulary:
    """C classes, their Q words and T templates.

    Attributes:
        prompts_of: class names and templates, and where each came from.
        words: C tuples; that of a background without prompt is empty.
    """

    prompts_of: PromptSet
    words: tuple[tuple[str, ...], ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """C names, for people."""
        return self.prompts_of.class_names

    @property
    def templates(self) -> tuple[str, ...]:
        """T prompts with a place for the word."""
        return self.prompts_of.templates

    @property
    def queries(self) -> list[str]:
        """Q words, those of the first class first."""
        return [word for own in self.words for word in own]

    @property
    def owners(self) -> list[int]:
        """(Q,) the class of each word."""
        return [label for label, own in enumerate(self.words) for _ in own]

    @property
    def prompts(self) -> list[str]:
        """(Q * T) prompts, the templates of the first word first."""
        return [fill_template(template, word) for word in self.queries for template in self.templates]

    @property
    def labels(self) -> list[str]:
        """(Q,) prompts by the first template alone, for models that take one text a class."""
        return [fill_template(self.templates[0], word) for word in self.queries]

    @property
    def sha256(self) -> str:
        """Over names, words and templates, in order."""
        return sha256(json.dumps([self.class_names, self.words, self.templates]).encode()).hexdigest()

    @property
    def protocol(self) -> dict[str, Any]:
        """How the classes were prompted, for the record; words only where they are not the name."""
        named = zip(self.class_names, self.words, strict=True)
        return {**self.prompts_of.protocol, "words": {name: list(own) for name, own in named if own != (name,)}}


def vocabulary(
    card: TaskCard, dataset: ImageDataset, options: TaskOptions, settings: SegmentationProtocol
) -> Vocabulary:
    """The words of a card on its data.

    Names that the user gives replace the card's names and synonyms; commas in them separate a class's words, as in the
    lists of SCLIP and those who built on it ("person, person in shirt").

    Raises:
        LabelError: there are no class names, too few, the user's are of another number than the card's, or one has no
            words.
        CardError: synonyms of a class that does not exist.
    """
    prompts = prompt_set(card, dataset, options)
    names = prompts.class_names
    if len(names) < 2:
        raise LabelError(f"{card.name}: segmentation needs at least two classes, not {len(names)}")
    if prompts.class_names_from == "option":
        words = [tuple(word.strip() for word in name.split(",") if not is_blank(word)) for name in names]
        if () in words:
            raise LabelError(f"{card.name}: the class name {names[words.index(())]!r} has no word between its commas")
    else:
        if unknown := sorted(set(settings.synonyms) - set(names)):
            raise CardError(f"task {card.name!r}: synonyms of unknown classes: {listing(unknown)}")
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
        stand = "word of the classes stands" if len(shared) == 1 else "words of the classes stand"
        text = f"{len(shared):,} {stand} for more than one class"
        brief = f"{len(shared):,} shared word{'s' * (len(shared) != 1)}"
        say(SHARED_WORDS, text, brief=brief, count=len(shared), examples=shared)
