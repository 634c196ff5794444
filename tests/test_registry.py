"""The generic registry."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

import vlmbench.registry
from vlmbench.errors import MissingDependencyError, PluginError, UnknownNameError, VlmbenchWarning
from vlmbench.registry import Registry, did_you_mean, load_plugin_file


def test_entries_are_imported_when_first_asked_for() -> None:
    registry: Registry[object] = Registry("thing", {"dumps": "json:dumps", "broken": "no_such_module_at_all:x"})
    assert list(registry) == ["broken", "dumps"]
    import json

    assert registry.get("dumps") is json.dumps


def test_unknown_name_suggests_the_closest() -> None:
    registry: Registry[object] = Registry("model adapter", {"open_clip": "json:dumps", "conse": "json:loads"})
    with pytest.raises(UnknownNameError, match="unknown model adapter 'openclip'") as caught:
        registry.get("openclip")
    assert caught.value.hint == "Did you mean 'open_clip'?"


def test_missing_package_of_a_builtin_names_the_package() -> None:
    registry: Registry[object] = Registry("model adapter", {"x": "no_such_module_at_all:load"})
    with pytest.raises(MissingDependencyError, match="no_such_module_at_all"):
        registry.get("x")


def test_a_taken_name_is_refused_but_the_same_entry_is_not() -> None:
    registry: Registry[object] = Registry("thing", {"a": "json:dumps"})
    registry.register("a", "json:dumps")
    with pytest.raises(PluginError, match="already registered by vlmbench"):
        registry.register("a", "json:loads", origin="the package evil")


def test_entry_points_are_read_and_a_clash_only_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        [
            EntryPoint(name="good", value="json:loads", group="g"),
            EntryPoint(name="a", value="json:loads", group="g"),
            EntryPoint(name="bad", value="no_such_module_at_all:x", group="g"),
        ]
    )
    monkeypatch.setattr(vlmbench.registry, "entry_points", lambda group: points)
    registry: Registry[object] = Registry("thing", {"a": "json:dumps"}, group="g")
    with pytest.warns(VlmbenchWarning, match="'a' from an installed package is already registered"):
        assert list(registry) == ["a", "bad", "good"]
    import json

    assert registry.get("good") is json.loads
    assert registry.get("a") is json.dumps
    with pytest.raises(PluginError, match="bad"):
        registry.get("bad")


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("CIFAR10", ["cifar10", "imagenet1k"], "Did you mean 'cifar10'?"),
        ("zzz", ["a", "b"], "Known: a, b."),
        ("zzz", [f"name{i}" for i in range(50)], ""),
        ("zzz", [], ""),
    ],
)
def test_did_you_mean(name: str, known: list[str], expected: str) -> None:
    assert did_you_mean(name, known) == expected


def test_plugin_file_runs_and_its_failures_are_named(tmp_path: Path) -> None:
    good = tmp_path / "good.py"
    good.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    load_plugin_file(good)
    assert (tmp_path / "ran").exists()
    bad = tmp_path / "bad.py"
    bad.write_text("1 / 0")
    with pytest.raises(PluginError, match=r"bad\.py.*ZeroDivisionError"):
        load_plugin_file(bad)
    with pytest.raises(PluginError, match="does not exist"):
        load_plugin_file(tmp_path / "none.py")


@pytest.mark.parametrize(
    "value, why", [("json:dumps", "is a function, not a Thing"), ("registry_exits:X", "cannot be")]
)
def test_a_wrong_or_exiting_entry_is_an_error_with_its_name(
    value: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Thing:
        name = "x"

    (tmp_path / "registry_exits.py").write_text("import sys\nsys.exit(7)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry: Registry[Thing] = Registry("thing", {}, expects=Thing)
    registry.register("x", value, origin="the package odd")
    with pytest.raises(PluginError, match=rf"thing 'x' \(the package odd\) {why}"):
        registry.get("x")
    with pytest.warns(VlmbenchWarning, match="ignored: thing 'x'"):
        assert registry.usable() == []


def test_an_entry_under_another_name_is_refused() -> None:
    class Thing:
        name = "own"

    registry: Registry[Thing] = Registry("thing", {}, expects=Thing)
    registry.register("other", Thing())
    with pytest.raises(PluginError, match="calls itself 'own'"):
        registry.get("other")


def test_a_plugin_file_runs_once_as_long_as_it_stays_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugin.py").write_text("import registry_count\nregistry_count.RUNS += 1\n")
    (tmp_path / "registry_count.py").write_text("RUNS = 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import registry_count  # type: ignore[import-not-found]

    load_plugin_file(tmp_path / "plugin.py")
    load_plugin_file(tmp_path / "plugin.py")
    assert registry_count.RUNS == 1
    (tmp_path / "plugin.py").write_text("import registry_count\nregistry_count.RUNS += 10\n")
    load_plugin_file(tmp_path / "plugin.py")
    assert registry_count.RUNS == 11
