"""``vlmbench doctor``: every registry is listed, and a broken plugin is a warning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlmbench import registry as registry_module
from vlmbench.cli import doctor
from vlmbench.registry import Registry, load_target

HELD: Registry[object] = Registry("kind of thing", {"good": "json:dumps"})
TARGET = f"{__name__}:HELD"


def test_every_registry_of_the_package_is_in_the_list() -> None:
    """One that is not in the list would hide its broken plugins."""
    package = Path(registry_module.__file__).parent
    listed = {id(load_target(target)) for target in doctor.REGISTRIES}
    found = set()
    for path in package.rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(": Registry[")
            if value and name.isidentifier() and name.isupper():
                module = ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
                found.add(f"{module}:{name}")
    assert len(found) >= 3 and {id(load_target(target)) for target in found} == listed


def test_a_broken_plugin_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    HELD.register("bad", "json:no_such_name", origin="the package worse")
    monkeypatch.setattr(doctor, "REGISTRIES", (TARGET,))
    warning, listed = doctor._plugins()
    assert warning[:2] == ("warn", "kind of thing bad") and "the package worse" in warning[2]
    assert listed == ("ok", "kind of thing", "bad, good")
    assert HELD.get("good") is json.dumps
