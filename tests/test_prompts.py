"""Prompts: whose words win, the texts that they make, and what their hash knows."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from said import sentences

from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.errors import LabelError
from vlmbench.prompts import prompt_set
from vlmbench.tasks.base import TaskOptions


@dataclass(frozen=True)
class Stated:
    """The words that data states."""

    classes: tuple[str, ...] | None
    templates: tuple[str, ...] | None


def card_of(**fields: object) -> TaskCard:
    return TaskCard(name="t", sources=[SourceSpec(kind="imagefolder", location="x")], **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("card_templates", "data_templates", "own", "expected", "origin"),
    [
        (["{} card"], ("{} data",), ("{} own",), ("{} own",), "option"),
        (["{} card"], ("{} data",), None, ("{} card",), "card"),
        (None, ("{} data",), None, ("{} data",), "data"),
        (None, None, None, ("a photo of a {}.",), "default"),
    ],
)
def test_whose_templates_win(card_templates, data_templates, own, expected, origin) -> None:  # type: ignore[no-untyped-def]
    card = card_of(templates=card_templates, classes=["a", "b"])
    prompts = prompt_set(card, Stated(("a", "b"), data_templates), TaskOptions(templates=own))
    assert (prompts.templates, prompts.templates_from) == (expected, origin)


def test_own_class_names_replace_and_must_be_as_many() -> None:
    data = Stated(("a", "b"), None)
    prompts = prompt_set(card_of(), data, TaskOptions(class_names=("x", "y")))
    assert prompts.class_names == ("x", "y") and prompts.class_names_from == "option"
    assert prompts.sha256 != prompt_set(card_of(), data, TaskOptions()).sha256
    with pytest.raises(LabelError, match="3 class names were given, but t has 2 classes"):
        prompt_set(card_of(), data, TaskOptions(class_names=("x", "y", "z")))
    with pytest.raises(LabelError, match="neither the card nor the data"):
        prompt_set(card_of(), Stated(None, None), TaskOptions())


def test_prompts_are_class_major_and_their_hash_knows_every_letter() -> None:
    data = Stated(("a", "b"), None)
    prompts = prompt_set(card_of(templates=["1 {}", "2 {}"]), data, TaskOptions())
    assert prompts.prompts == ["1 a", "2 a", "1 b", "2 b"]
    swapped = prompt_set(card_of(templates=["2 {}", "1 {}"]), data, TaskOptions())
    assert swapped.sha256 != prompts.sha256


def test_repeated_class_names_are_said() -> None:
    card = card_of(classes=["a", "a", "b"])
    said = sentences(lambda: prompt_set(card, Stated(None, None), TaskOptions()))
    assert said == ["repeated-class-names: 1 class name occurs more than once: 'a'"]
