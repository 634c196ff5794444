"""Cards, and where they are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmbench.cards import ModelCard, TaskCard, fill_template, parse_card, read_yaml
from vlmbench.catalogue import find_models, find_tasks, model_cards, suites, task_cards
from vlmbench.data import SOURCES
from vlmbench.errors import CardError, UnknownNameError, UsageError
from vlmbench.models import ADAPTERS
from vlmbench.tasks import task_plugin
from vlmbench.tasks.base import TaskOptions

SOURCE = {"kind": "imagefolder", "location": "x"}


def test_braces_in_a_name_mean_nothing() -> None:
    assert fill_template("{c}", "{} means the empty set") == "{} means the empty set"
    assert fill_template("{}: {c}", "{c}") == "{c}: {c}"


def test_every_shipped_card_fits_and_names_only_what_exists() -> None:
    assert model_cards() and task_cards() and suites()
    for model in model_cards():
        assert model.adapter in ADAPTERS or not model.runnable, model.name
    for task in task_cards():
        task_plugin(task.plugin).check(task, TaskOptions())
        assert all(spec.kind in SOURCES for spec in task.sources), task.name
        if task.classes:
            for spec in task.sources:
                assert spec.folders is None or len(spec.folders) == len(task.classes), task.name
    for suite in suites():
        assert [task.name for task in find_tasks(suite.name)] == suite.tasks


def test_misfits_are_all_listed_with_the_fields_that_exist() -> None:
    with pytest.raises(CardError) as caught:
        parse_card(TaskCard, {"name": "x", "sources": [SOURCE], "metrcs": [], "version": 0}, where="x.yaml")
    assert "x.yaml: not a valid task card" in caught.value.message
    assert "metrcs" in caught.value.message and "version" in caught.value.message
    assert caught.value.hint and "main_metric" in caught.value.hint


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("templates", ["a photo"], "no place for the class name"),
        ("templates", [], "empty"),
        ("main_metric", "acc7", "not among metrics"),
        ("sources", [], "at least 1"),
    ],
)
def test_impossible_values(field: str, value: object, said: str) -> None:
    with pytest.raises(CardError, match=said):
        parse_card(TaskCard, {"name": "x", "sources": [SOURCE], field: value}, where="x.yaml")


def test_templates_are_replaced_not_formatted() -> None:
    assert fill_template("a {c} of {}", "{c.__class__}") == "a {c.__class__} of {c.__class__}"
    assert fill_template("a {0} of {c}", "cat") == "a {0} of cat"


def test_yaml_cannot_construct_objects(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(CardError, match="not valid YAML"):
        read_yaml(path)


def test_a_model_without_a_card() -> None:
    (card,) = find_models("open_clip:ViT-B-32/path/to/x.pt")
    assert card == ModelCard(name="open_clip:ViT-B-32/path/to/x.pt", adapter="open_clip", spec="ViT-B-32/path/to/x.pt")


def test_unknown_names_suggest() -> None:
    with pytest.raises(UnknownNameError, match="unknown task or suite 'cifar1'") as caught:
        find_tasks("cifar1")
    assert caught.value.hint and "'cifar10'" in caught.value.hint
    with pytest.raises(UnknownNameError, match="unknown model 'democlip'") as caught:
        find_models("democlip")
    assert caught.value.hint and "'demo-clip'" in caught.value.hint


def test_patterns() -> None:
    assert {card.name for card in find_tasks("demo-*")} >= {"demo-scenes", "demo-digits"}


def test_own_cards_are_found_and_may_not_shadow_shipped_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model_cards").mkdir()
    (tmp_path / "model_cards" / "mine.yaml").write_text("name: mine\nadapter: open_clip\nspec: ViT-B-32/openai\n")
    monkeypatch.setenv("VLMBENCH_CARDS", str(tmp_path))
    assert find_models("mine")[0].spec == "ViT-B-32/openai"
    (tmp_path / "model_cards" / "demo-clip.yaml").write_text("name: demo-clip\nadapter: conse\n")
    with pytest.raises(CardError, match="two cards are named 'demo-clip'"):
        find_models("demo-clip")
    monkeypatch.setenv("VLMBENCH_CARDS", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="nowhere"):
        find_models("demo-clip")


def test_a_card_must_be_named_after_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: b\nadapter: open_clip\n")
    with pytest.raises(CardError, match="named 'b', its file 'a'"):
        find_models(str(path))
    with pytest.raises(CardError, match="cannot be read"):
        find_models(str(tmp_path / "none.yaml"))


def test_a_suite_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("name: my\ntasks: [cifar10, demo-scenes]\n")
    assert [card.name for card in find_tasks(str(path))] == ["cifar10", "demo-scenes"]
    path.write_text("name: my\ntasks: [cifar11]\n")
    with pytest.raises(CardError, match="unknown task 'cifar11'"):
        find_tasks(str(path))
