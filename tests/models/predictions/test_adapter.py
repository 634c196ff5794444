"""Folders of answers as models: cards beside them, options and hashes; wrong folders and cards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from given_answers import write_card

from vlmbench.api import load_model
from vlmbench.cards import ModelCard
from vlmbench.catalogue import find_models
from vlmbench.errors import CardError, ModelError
from vlmbench.models.base import Answers, LoadOptions, capability, lacks_encoders
from vlmbench.models.predictions.adapter import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text("id,label\n1,2\n")
    return tmp_path


def answers(folder: Path) -> Answers:
    found = capability(load_model(f"predictions:{folder}"), Answers)
    assert found is not None
    return found


def test_a_folder_without_a_card_has_the_name_that_the_user_wrote(folder: Path) -> None:
    model = load_model(f"predictions:{folder}")
    assert model.card.name == f"predictions:{folder}" and model.identity.answers_again
    assert "whose answers are in its folder" in (lacks_encoders(model) or "")


def test_the_card_beside_names_the_system(folder: Path) -> None:
    write_card(folder, name="my-system", training_data="all", parameters=7)
    (card,) = find_models(f"predictions:{folder}")
    assert (card.name, card.adapter, card.spec, card.training_data) == ("my-system", "predictions", str(folder), "all")
    assert load_model(f"predictions:{folder}").identity.parameters == 7
    assert answers(folder).names() == ["a.csv"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "not valid YAML"),
        ("- a", "is a mapping of fields, not list"),
        ("adapter: open_clip", "a card beside answers has the adapter 'predictions'"),
        ("spec: /elsewhere", "no `spec`"),
        ("titel: x", "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_card_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "card.yaml").write_text(text)
    with pytest.raises(CardError, match=r"card\.yaml") as raised:
        find_models(f"predictions:{folder}")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"missing": "wrong"}, "option 'missing' is 'wrong'"),
        ({"scores": "logit"}, "Did you mean 'logits'"),
        ({"logit_scale": 0}, "must be a number above 0"),
        ({"logit_scale": float("nan")}, "must be a number above 0"),
        ({"logit_scale": True}, "must be of type"),
        ({"scores": "probabilities", "logit_scale": 2.0}, "probabilities have no 'logit_scale'"),
        ({"score": "logits"}, "no option 'score'"),
    ],
)
def test_a_wrong_option_is_refused(folder: Path, options: dict[str, object], message: str) -> None:
    write_card(folder, options=options)
    with pytest.raises(ModelError) as raised:
        load_model(f"predictions:{folder}")
    assert message in str(raised.value)


def test_a_folder_that_is_none_is_refused(folder: Path) -> None:
    (folder / "empty").mkdir()
    write_card(folder / "empty", name="x")
    for spec, message in (
        (folder / "nowhere", "does not exist"),
        (folder / "a.csv", "is a file"),
        (folder / "empty", "holds no answers"),
    ):
        with pytest.raises(ModelError, match=message):
            load_model(f"predictions:{spec}")
    with pytest.raises(ModelError, match="names no folder"):
        load(ModelCard(name="predictions:", adapter="predictions"), LoadOptions())


def test_the_file_of_a_task_has_its_safe_name(folder: Path) -> None:
    found = answers(folder)
    assert found.path("a", (".npz", ".csv")) == folder / "a.csv" and found.path("a", (".npz",)) is None
    (folder / "a").mkdir()
    with pytest.raises(ModelError, match="two sets of answers to a"):
        found.path("a", ("", ".csv"))
    assert found.path("imagefolder:x/y", (".csv",)) is None


def test_a_hash_is_of_the_content_and_follows_it(folder: Path) -> None:
    found, file = answers(folder), folder / "a.csv"
    before = found.sha256(file)
    assert found.sha256(file) == before
    file.write_text("id,label\n1,3\n")
    os.utime(file, ns=(1, 1))
    assert found.sha256(file) != before
    masks = folder / "masks"
    (masks / "x").mkdir(parents=True)
    (masks / "x" / "1.png").write_bytes(b"1")
    whole = found.sha256(masks)
    (masks / "x" / "1.png").rename(masks / "x" / "2.png")
    assert found.sha256(masks) != whole
