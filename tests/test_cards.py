"""Cards, and where they are found."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vlmbench.cards import ModelCard, TaskCard, fill_template, parse_card, read_yaml
from vlmbench.catalogue import find_models, find_tasks, model_cards, named_tasks, suites, task_cards
from vlmbench.data import SOURCES
from vlmbench.errors import CardError, UnknownNameError, UsageError, VlmbenchWarning
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


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("null", "entry 2 is empty, not text"),
        ("", "entry 2 is empty, not text"),
        ("3", "entry 2 is the int 3, not text"),
        ("no", "entry 2 is the bool False, not text"),
        ("on", "entry 2 is the bool True, not text"),
        ("1.5", "entry 2 is the float 1.5, not text"),
        ("{}", "entry 2 is the dict {}, not text"),
        ("2024-01-02", r"entry 2 is the date datetime.date\(2024, 1, 2\), not text"),
        ("[cat]", r"entry 2 is the list \['cat'\], not text"),
    ],
)
@pytest.mark.parametrize("field", ["classes", "templates"])
def test_what_yaml_takes_for_no_text_is_named(field: str, entry: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        f"name: t\nsources: [{{kind: demo, location: x}}]\n{field}:\n- '{{}}'\n- {entry}\n"
    )
    with pytest.raises(CardError, match=rf"{field}: Value error, {said}: put it in quotes"):
        parse_card(TaskCard, read_yaml(tmp_path / "t.yaml"), where="t.yaml")


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


def test_a_folder_without_a_kind_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_tasks(str(tmp_path))
    assert "There is a folder of this name. Name what it holds: imagefolder:PATH" in str(caught.value.hint)


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


@pytest.mark.parametrize(
    ("text", "key", "first", "line"),
    [
        ("name: a\nadapter: x\nname: b\n", "'name'", 1, 3),
        ("name: a\nadapter: x\noptions:\n  a: 1\n  b: 2\n  a: 3\n", "'a'", 4, 6),
        ("name: a\nadapter: x\noptions: {deep: [{k: 1, j: 2}, {k: 1, k: 2}]}\n", "'k'", 3, 3),
        ("name: a\nadapter: x\n'name': b\n", "'name'", 1, 3),
        ("options:\n  1: a\n  0x1: b\n", "1", 2, 3),
        ("base: &base {a: 1, a: 2}\nother:\n  <<: *base\n", "'a'", 1, 1),
    ],
)
def test_a_key_that_is_there_twice_is_an_error_with_both_lines(
    tmp_path: Path, text: str, key: str, first: int, line: int
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    for read in (find_models, find_tasks):
        with pytest.raises(CardError) as caught:
            read(str(path))
        assert caught.value.message == f"{path}:{line}: {key} is there twice, first in line {first}"


def test_equal_keys_of_different_mappings_and_keys_that_replace_merged_ones_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("base: &base {a: 1, b: 2}\nother:\n  <<: *base\n  a: 3\nlist: [{a: 1}, {a: 2}]\n'1': x\n1: y\n")
    assert read_yaml(path) == {
        "base": {"a": 1, "b": 2},
        "other": {"a": 3, "b": 2},
        "list": [{"a": 1}, {"a": 2}],
        "1": "x",
        1: "y",
    }


@pytest.mark.parametrize("text", ["date: 2024-13-45\n", "[" * 5000, "a: [\n"])
def test_what_yaml_cannot_read_is_one_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(CardError, match="not valid YAML"):
        read_yaml(path)


def test_a_pipe_is_no_card(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    os.mkfifo(path)
    with pytest.raises(CardError, match="it is a pipe, not a regular file"):
        read_yaml(path)


TASK = "name: {name}\nsources: [{{kind: demo, location: scenes}}]\nclasses: [a]\n"
BROKEN = {
    "misnamed": TASK.format(name="other"),
    "twice": TASK.format(name="twice") + "classes: [b]\n",
    "misfit": TASK.format(name="misfit") + "sample: 3\n",
    "no-yaml": "name: [\n",
    "a-list": "[1, 2]\n",
}


@pytest.fixture
def with_broken_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cards of one's own, five of each kind broken, and one sound one."""
    for folder in ("model_cards", "tasks/suites"):
        (tmp_path / folder).mkdir(parents=True)
    for name, text in BROKEN.items():
        (tmp_path / "tasks" / f"own-{name}.yaml").write_text(text.replace(f"name: {name}", f"name: own-{name}"))
        model = text.replace("sources", "options").replace("[{kind: demo, location: scenes}]", "{a: 1}\nadapter: x")
        (tmp_path / "model_cards" / f"own-{name}.yaml").write_text(model.replace("name: ", "name: own-"))
    (tmp_path / "model_cards" / "own-misnamed.yaml").write_text("name: other\nadapter: x\n")
    (tmp_path / "tasks" / "own-sound.yaml").write_text(TASK.format(name="own-sound"))
    (tmp_path / "model_cards" / "own-sound.yaml").write_text("name: own-sound\nadapter: open_clip\nspec: x\n")
    every = ", ".join(f"own-{name}" for name in [*BROKEN, "sound"])
    (tmp_path / "tasks" / "suites" / "own-suite.yaml").write_text(f"name: own-suite\ntasks: [{every}]\n")
    (tmp_path / "tasks" / "suites" / "own-torn.yaml").write_text("name: own-torn\ntasks: []\n")
    monkeypatch.setenv("VLMBENCH_CARDS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("read", "kind"), [(model_cards, "model_cards"), (task_cards, "tasks")], ids=["models", "tasks"]
)
def test_a_broken_card_stops_no_list_and_is_named(
    with_broken_cards: Path, read: Callable[[str], list[ModelCard]], kind: str
) -> None:
    with pytest.warns(VlmbenchWarning) as said:
        cards = read("own-*")
    assert [card.name for card in cards] == ["own-sound"]
    messages = [str(warning.message) for warning in said]
    assert len(messages) == len(BROKEN)
    for name in BROKEN:
        assert any(
            message.startswith(f"left out: {with_broken_cards / kind / f'own-{name}.yaml'}") for message in messages
        )
    assert find_models("demo-clip") and find_tasks("demo-scenes"), "others are looked up as ever"


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_card_is_named_when_it_is_asked_for(with_broken_cards: Path, name: str) -> None:
    for find in (find_models, find_tasks):
        with pytest.raises(CardError, match=f"own-{name}.yaml"):
            find(f"own-{name}")


def test_the_name_inside_a_misnamed_card_leads_to_its_file(with_broken_cards: Path) -> None:
    for find in (find_models, find_tasks):
        with pytest.raises(UnknownNameError) as caught:
            find("other")
        assert "own-misnamed.yaml" in (caught.value.hint or "") and "make both names equal" in (caught.value.hint or "")


def test_a_broken_suite_stops_only_itself(with_broken_cards: Path) -> None:
    with pytest.warns(VlmbenchWarning, match=r"own-torn\.yaml"):
        assert "own-suite" in [suite.name for suite in suites()]
    with pytest.raises(CardError, match=r"own-torn\.yaml"):
        find_tasks("own-torn")


def test_of_a_suite_and_a_pattern_the_others_are_asked(with_broken_cards: Path) -> None:
    for name in ("own-suite", "own-*"):
        named = named_tasks(name)
        assert [card.name for card in named.cards] == ["own-sound"]
        assert sorted(broken for broken, _ in named.broken) == sorted(f"own-{broken}" for broken in BROKEN)


def test_two_files_of_one_name_stop_only_that_name(with_broken_cards: Path) -> None:
    (with_broken_cards / "tasks" / "below").mkdir()
    (with_broken_cards / "tasks" / "below" / "own-sound.yaml").write_text(TASK.format(name="own-sound"))
    with pytest.raises(CardError, match="two cards are named 'own-sound'"):
        find_tasks("own-sound")
    assert find_tasks("demo-scenes")
    with pytest.warns(VlmbenchWarning, match="two cards are named 'own-sound'"):
        assert [card.name for card in task_cards("demo-scenes")] == ["demo-scenes"] and task_cards("own-*") == []
