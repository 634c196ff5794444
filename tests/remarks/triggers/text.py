"""What makes remarks of prompts: their length, and what the model takes for the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from remarks.trigger import TOY, Arguments, Trigger, captions, images, lines, task_card

MODEL = ("-m", "demo-clip")
LONG = "a photo of a {} that is far away, behind a red circle, a blue square, a green star and a yellow ring"


def _words(
    names: Sequence[str], template: str = "{}", model: Sequence[str] = TOY
) -> Callable[[Path, pytest.MonkeyPatch], Arguments]:
    """Cats and dogs under other names."""

    def write(top: Path, _: pytest.MonkeyPatch) -> Arguments:
        arguments = images(top)
        own = ("--classnames", lines(top / "names.txt", *names), "--templates", lines(top / "prompts.txt", template))
        return (*model, *arguments, *own)

    return write


def _long_caption(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    return (*MODEL, *captions(top, {"a.png": [LONG.format("cat")], "b.png": ["a dog"]}, ["a.png", "b.png"]))


def _card_names(first: str, second: str, model: Arguments = TOY) -> Callable[[Path, pytest.MonkeyPatch], Arguments]:
    """Two class folders that a card names so."""

    def write(top: Path, _: pytest.MonkeyPatch) -> Arguments:
        images(top)
        source = {"kind": "imagefolder", "location": str(top / "images"), "folders": ["cat", "dog"]}
        fields = {"classes": [first, second], "metrics": ["acc1"], "sources": [source]}
        return (*model, *task_card(top, "imagefolder", top / "images", **fields))

    return write


TRIGGERS = {
    "texts-cut": Trigger(
        _words(["cat", "dog"], LONG, MODEL),
        "2 of 2 prompts are longer than the 32 tokens that the model reads, the longest has 36; their ends were cut "
        "off: 'a photo of a cat that is…n star and a yellow ring', 'a photo of a dog that is…n star and a yellow ring'",
        "2 of 2 prompts cut at 32 tokens",
        count=2,
    ),
    "captions-cut": Trigger(
        _long_caption,
        "1 of 2 captions is longer than the 32 tokens that the model reads, it has 36; its end was cut off: "
        "'a photo of a cat that is…n star and a yellow ring'",
        "1 of 2 captions cut at 32 tokens",
    ),
    "indistinct-classes": Trigger(
        _card_names("red  Circle", "Red circle", MODEL),
        "2 of 2 class names are equal to another one for the model: 'red␣␣Circle' = 'Red circle'",
        "2 indistinct class names",
    ),
    "unfilled-places": Trigger(
        _words(["ox", "{name}"]),
        "1 class name has braces that vlmbench does not fill; the model reads the braces: '{name}'",
        "1 class name with braces",
    ),
    "repeated-card-names": Trigger(
        _card_names("crane", "crane"), "1 class name occurs more than once: 'crane'", "1 repeated class name"
    ),
    "empty-class-names": Trigger(
        _card_names("", "dog"), "the card leaves 1 class name empty: label 0", "1 empty class name"
    ),
}
