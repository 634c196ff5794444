"""What a card may ask of torchvision's datasets: splits, options, and the order of the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cards.protocols import CARDS
from data.torchvision_files import CARD_OF, build
from data.torchvision_sets import context, opened, spec_of

from vlmbench.data.base import SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.errors import LabelError, UsageError


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("CIFAR10", {"location": "CIFAR1"}, r"is not one of[\s\S]*'CIFAR10'"),
        ("CIFAR10", {"location": "EuroSAT"}, r"is not one of[\s\S]*Known are CIFAR10, CIFAR100"),
        ("CIFAR10", {"split": "val"}, r"no split 'val'[\s\S]*train and test"),
        ("SUN397", {"split": "test"}, "it has no splits"),
        ("CIFAR10", {"options": {"download": True}}, "unknown option 'download'"),
        ("DTD", {"options": {"partition": 11}}, "`partition` must be one of 1, 2, .*, not 11"),
        ("FGVCAircraft", {"options": {"annotation_level": "make"}}, "variant, family and manufacturer, not 'make'"),
        ("CIFAR10", {"options": {"under": 3}}, "`under` must be the name of a folder"),
        ("CIFAR10", {"other_locations": ["CIFAR100"]}, "does not use `other_locations`"),
    ],
)
def test_what_cannot_be_asked_is_refused(name: str, fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        open_dataset([spec_of(name, **fields)], context(CARDS[CARD_OF[name]], tmp_path))


def test_options_reach_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = build("DTD", tmp_path, monkeypatch)
    labels = tmp_path / "dtd/dtd/labels"
    (labels / "test2.txt").write_text("".join(sorted((labels / "test1.txt").read_text().splitlines(True))))
    (tmp_path / "dtd/dtd/images" / names[0] / f"{names[0]}_0.jpg").rename(
        tmp_path / "dtd/dtd/images" / names[0] / "second.jpg"
    )
    (labels / "test2.txt").write_text((labels / "test2.txt").read_text().replace(f"{names[0]}_0.jpg", "second.jpg"))
    assert opened("DTD", tmp_path, options={"partition": 2}).samples[0].id.endswith("second.jpg")
    assert opened("DTD", tmp_path).samples[0].id.endswith("_0.jpg")


def test_another_order_is_never_accepted_without_being_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build("FER2013", tmp_path, monkeypatch)
    for options in ({}, {"class_names": "card"}):
        with pytest.raises(LabelError):
            opened("FER2013", tmp_path, options=options)
    build("SUN397", tmp_path, monkeypatch)
    with pytest.raises(LabelError):
        opened("SUN397", tmp_path, options={})


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ("by_name", UsageError, "by-name or a list"),
        (["angry"], LabelError, "7 classes, but the card names 1"),
        (
            ["angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"],
            LabelError,
            "differ from",
        ),
        (["angry", "disgusted", "fearful", "happy", "sad", "surprised", "calm"], LabelError, "calm and neutral"),
        (["angry", "angry", "fearful", "happy", "sad", "surprised", "neutral"], LabelError, "disgusted"),
        ("by-name", LabelError, "disgust, disgusted"),
    ],
)
def test_labels_that_are_not_the_cards_classes_are_refused(
    labels: object, error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build("FER2013", tmp_path, monkeypatch)
    with pytest.raises(error, match=message):
        opened("FER2013", tmp_path, options={"labels": labels})


def test_a_number_without_a_class_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = build("GTSRB", tmp_path, monkeypatch)
    csv = tmp_path / "gtsrb/GT-final_test.csv"
    csv.write_text(csv.read_text().replace(f";{len(names) - 1}\n", f";{len(names)}\n"))
    with pytest.raises(LabelError, match="outside the allowed range 0 to 42"):
        opened("GTSRB", tmp_path)
    build("CLEVRClassification", tmp_path, monkeypatch)
    scenes = tmp_path / "clevr/CLEVR_v1.0/scenes/CLEVR_val_scenes.json"
    scenes.write_text(scenes.read_text().replace('"objects": [{}, {}, {}]', '"objects": []'))
    with pytest.raises(LabelError, match="label -3"):
        opened("CLEVRClassification", tmp_path)


def test_a_task_of_several_classes_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="multi-label"):
        open_dataset([spec_of("CIFAR10")], SourceContext(data_root=tmp_path, target="classes"))


def test_labels_paired_otherwise_are_another_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of a dataset is remembered under its state."""
    build("FER2013", tmp_path, monkeypatch)
    swapped = ["angry", "fearful", "disgusted", "happy", "sad", "surprised", "neutral"]
    assert opened("FER2013", tmp_path).state() != opened("FER2013", tmp_path, options={"labels": swapped}).state()
