"""Prompts: whose words win, the texts that they make, and what their hash knows."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from said import remarked, sentences

from vlmbench.card_files import read_task, task_card_files
from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.errors import LabelError
from vlmbench.markup import is_blank
from vlmbench.prompts import prompt_set
from vlmbench.remarks.codes import is_strict
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


BLANKS = ["", " ", "\t", "\u00a0\u3000", "\u200b", "\ufeff", "\u00ad\u2060", "\x00"]


@pytest.mark.parametrize("blank", BLANKS)
def test_a_class_of_the_data_has_a_name(blank: str) -> None:
    with pytest.raises(LabelError, match=r"t: 1 of the data's 3 class names is empty: label 1") as found:
        prompt_set(card_of(), Stated(("a", blank, "b"), None), TaskOptions())
    assert "--classnames FILE" in str(found.value.hint)
    named = prompt_set(card_of(), Stated(("a", blank, "b"), None), TaskOptions(class_names=("a", "x", "b")))
    assert named.class_names == ("a", "x", "b")


@pytest.mark.parametrize("blank", BLANKS)
def test_a_card_may_leave_a_class_without_a_name(blank: str) -> None:
    """ELEVATER's list of chess pieces does, and CLIP_benchmark's of CLEVR's distances."""
    made, said = remarked(lambda: prompt_set(card_of(classes=["a", blank, "b"]), Stated(None, None), TaskOptions()))
    assert made.class_names == ("a", blank, "b")
    assert [remark.sentence for remark in said] == ["the card leaves 1 class name empty: label 1"]
    assert said[0].code == "empty-class-names" and not is_strict(said[0])


@pytest.mark.parametrize("seen", ["-", "🐈", "猫", "é", "e\u0301", "❤\ufe0f", "‽", "_", "\U000f0000"])
def test_one_sign_is_a_name(seen: str) -> None:
    assert not is_blank(seen)
    assert sentences(lambda: prompt_set(card_of(), Stated(("a", seen), None), TaskOptions())) == []


def test_a_name_that_is_no_text_is_refused() -> None:
    """A folder's name in Latin-1, as Python reads it, and half of a sign out of JSON."""
    for name in ("caf\udce9", "\ud83d"):
        with pytest.raises(LabelError, match="the name of class 1 is not Unicode text"):
            prompt_set(card_of(), Stated(("a", name), None), TaskOptions())


UNFILLED = "braces that vlmbench does not fill; the model reads the braces"


@pytest.mark.parametrize(
    ("names", "templates", "expected"),
    [
        (["{}", "dog"], ["a {}"], f"1 class name has {UNFILLED}: '{{}}'"),
        (["{c}", "a {name}"], ["{}"], f"2 class names have {UNFILLED}: 'a {{name}}', '{{c}}'"),
        (["cat", "dog"], ["a {} in {place}"], f"1 template has {UNFILLED}: 'a {{}} in {{place}}'"),
        (["{0}", "dog"], ["{} {1}", "{}"], f"1 class name and 1 template have {UNFILLED}: '{{0}}', '{{}} {{1}}'"),
        (["cat", "dog"], ["a {} and {c}"], None),
        (["cat", "dog"], ["a {{}}"], f"1 template has {UNFILLED}: 'a {{{{}}}}'"),
        (["set {1, 2}", ":-{ }"], ["{}"], None),
    ],
)
def test_braces_that_nothing_fills_are_said(names: list[str], templates: list[str], expected: str | None) -> None:
    card = card_of(classes=names, templates=templates)
    said = sentences(lambda: prompt_set(card, Stated(None, None), TaskOptions()))
    assert said == ([f"unfilled-places: {expected}"] if expected else [])


def test_the_shipped_cards_words_are_without_fault() -> None:
    """But for two lists that leave a class without a name."""
    said = {}
    for path in (path for paths in task_card_files().paths.values() for path in paths):
        card = read_task(path)
        if card.classes and card.plugin != "retrieval":
            codes = {remark.code for remark in remarked(lambda: prompt_set(card, Stated(None, None), TaskOptions()))[1]}  # noqa: B023
            if codes - {"repeated-card-names"}:
                said[card.name] = codes
    assert said == {
        "clevr-closest-distance": {"empty-class-names"},
        "odinw-chess-pieces-native": {"empty-class-names"},
    }


def test_repeated_class_names_are_said() -> None:
    card = card_of(classes=["a", "a", "b"])
    ((said,),) = (remarked(lambda: prompt_set(card, Stated(None, None), TaskOptions()))[1],)
    assert said.code == "repeated-card-names" and not is_strict(said)
    said_of_data = sentences(lambda: prompt_set(card_of(), Stated(("a", "a", "b"), None), TaskOptions()))
    assert said_of_data == ["repeated-class-names: 1 class name occurs more than once: 'a'"]


def test_imagenets_own_list_repeats_names() -> None:
    """Its ids n03773504 and n04008634 are both a "missile", as OpenAI's list has them."""
    ids = Stated(("n03773504", "n04008634", "n01440764"), None)
    said = {remark.code: is_strict(remark) for remark in remarked(lambda: prompt_set(card_of(), ids, TaskOptions()))[1]}
    assert said == {"wordnet-names": False, "repeated-card-names": False}
