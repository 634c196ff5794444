"""Which words stand for which class, and which protocols can be."""

from __future__ import annotations

from typing import Any

import pytest
from said import sentences

from vlmbench.cards import TaskCard
from vlmbench.errors import CardError, LabelError, UsageError
from vlmbench.tasks.base import TaskOptions, settle_protocol
from vlmbench.tasks.segmentation.class_words import Vocabulary, vocabulary
from vlmbench.tasks.segmentation.plugin import PLUGIN
from vlmbench.tasks.segmentation.protocol import SegmentationProtocol


def card(protocol: dict[str, Any] | None = None, **fields: Any) -> TaskCard:
    data = {"name": "t", "plugin": "segmentation", "sources": [{"kind": "masks", "location": "x"}], **fields}
    return TaskCard.model_validate({**data, "protocol": protocol or {}})


class Nothing:
    """A dataset that states neither names nor templates."""

    classes = None
    templates = None


def words(task: TaskCard, **options: Any) -> Vocabulary:
    asked = TaskOptions(**options)
    return vocabulary(task, Nothing(), asked, settle_protocol(SegmentationProtocol, task, asked))  # type: ignore[arg-type]


CLASSES = ["background", "boat", "cow"]
TEMPLATES = ["a {}.", "the {c}."]
SYNONYMS = {"background": ["sky", "wall"], "boat": ["ship"]}


def test_synonyms_take_the_place_of_names() -> None:
    found = words(card({"synonyms": SYNONYMS}, classes=CLASSES, templates=TEMPLATES))
    assert found.queries == ["sky", "wall", "ship", "cow"] and found.owners == [0, 0, 1, 2]
    assert found.prompts == ["a sky.", "the sky.", "a wall.", "the wall.", "a ship.", "the ship.", "a cow.", "the cow."]
    assert found.labels == ["a sky.", "a wall.", "a ship.", "a cow."]
    assert found.class_names == tuple(CLASSES)
    assert found.protocol["words"] == {"background": ["sky", "wall"], "boat": ["ship"]}


def test_a_background_by_threshold_has_no_words() -> None:
    found = words(card({"background": "threshold", "probability_threshold": 0.5}, classes=CLASSES))
    assert found.queries == ["boat", "cow"] and found.owners == [1, 2]
    assert found.protocol["words"] == {"background": []}


def test_commas_alone_are_no_word() -> None:
    with pytest.raises(LabelError, match=r"the class name ' , ,' has no word \(commas separate words\)"):
        words(card(classes=CLASSES), class_names=("sky", " , ,", "cow"))


def test_the_users_names_replace_synonyms_too_and_commas_separate_words() -> None:
    task = card({"synonyms": SYNONYMS}, classes=CLASSES)
    found = words(task, class_names=("sky, grass", "ship", "cow,calf"))
    assert found.words == (("sky", "grass"), ("ship",), ("cow", "calf"))
    assert found.protocol["class_names_from"] == "option"
    with pytest.raises(LabelError, match="2 class names were given"):
        words(task, class_names=("a", "b"))


def test_words_names_and_templates_are_in_the_hash() -> None:
    base = {"classes": CLASSES, "templates": TEMPLATES}
    vocabularies = [
        words(card(**base)),
        words(card({"synonyms": SYNONYMS}, **base)),
        words(card(**{**base, "templates": ["a {}."]})),
        words(card(**{**base, "classes": ["background", "boat", "ox"]})),
    ]
    assert len({each.sha256 for each in vocabularies}) == 4


def test_a_word_of_two_classes_is_said() -> None:
    said = sentences(lambda: words(card({"synonyms": {"background": ["sky", "cow"]}}, classes=CLASSES)))
    assert said == [
        "shared-words: 1 word belongs to more than one class and counts only for the first of these classes: "
        "'cow' (background, cow)"
    ]
    assert not sentences(lambda: words(card(classes=CLASSES)))


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(CardError, match="`synonyms` names unknown classes: ship"):
        words(card({"synonyms": {"ship": ["boat"]}}, classes=CLASSES))
    with pytest.raises(LabelError, match="neither the card nor the data states class names"):
        words(card())
    with pytest.raises(LabelError, match="at least two classes"):
        words(card(classes=["only"]))


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ({"strid": 3}, "strid: Extra inputs"),
        ({"window": 100, "stride": 101}, "leaves gaps"),
        ({"window": 100, "stride": None}, "windows need a stride"),
        ({"short_side": 500, "long_side_limit": 400}, "below short_side"),
        ({"probability_threshold": 0.1}, "set background to class or threshold"),
        ({"background": "threshold"}, "needs a probability_threshold"),
        ({"background": "class", "probability_threshold": 1.5}, "less than or equal to 1"),
        ({"pamr_dilations": [0]}, "each must be at least 1"),
        ({"remainder": "stretch"}, "'pad' or 'crop'"),
        ({"synonyms": {"a": []}}, "no word may be empty"),
        ({"logit_scale": 0}, "greater than 0"),
    ],
)
def test_protocols_that_cannot_be(protocol: dict[str, Any], message: str) -> None:
    with pytest.raises(CardError, match=rf"task 't': protocol: [\s\S]*{message}"):
        PLUGIN.check(card(protocol), TaskOptions())
    if set(protocol) <= PLUGIN.protocol_fields:  # other names may be meant for another task of the run
        with pytest.raises(UsageError, match=message):
            PLUGIN.check(card(), TaskOptions(protocol=protocol))


def test_whole_images_by_one_setting() -> None:
    for task in (card(), card({"window": 64, "stride": 32})):
        settled = settle_protocol(SegmentationProtocol, task, TaskOptions(protocol={"window": None}))
        assert settled.window is None and settled.stride is None
