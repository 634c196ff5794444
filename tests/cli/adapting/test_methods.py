"""``vlmbench methods``: what it says about each method is that method's own."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import types
from collections.abc import Mapping

import pytest
from typer.testing import CliRunner

import vlmbench.transfer.methods
from vlmbench.cli.main import app
from vlmbench.transfer import METHODS


def own_texts() -> Mapping[str, str]:
    """The text of each module that defines a method, by the method's name."""
    found = {}
    for each in pkgutil.walk_packages(vlmbench.transfer.methods.__path__, "vlmbench.transfer.methods."):
        module = importlib.import_module(each.name)
        if hasattr(module, "METHOD"):
            found[module.METHOD.name] = " ".join((module.__doc__ or "").split())
    return found


def test_each_method_has_the_text_of_the_file_that_defines_it() -> None:
    texts = own_texts()
    assert texts.keys() == set(METHODS) and len(set(texts.values())) == len(texts)
    listed = json.loads(CliRunner().invoke(app, ["methods", "list", "--json"]).stdout)
    assert {method["name"]: method["description"] for method in listed} == texts


def test_a_module_that_imports_a_method_lends_it_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin is among the modules before those that it imports."""
    borrower = types.ModuleType("borrower", "Another text.")
    vars(borrower)["METHOD"] = METHODS.get("gda")
    monkeypatch.setattr(sys, "modules", {"borrower": borrower, **sys.modules})
    (shown,) = json.loads(CliRunner().invoke(app, ["methods", "list", "gda", "--json"]).stdout)
    assert shown["description"].startswith("GDA: ")


def test_an_option_without_a_number_as_default_says_what_it_is_then() -> None:
    listed = json.loads(CliRunner().invoke(app, ["methods", "list", "--json"]).stdout)
    unset = [option for method in listed for option in method["options"] if option["default"] is None]
    assert unset and all("by default" in option["meaning"] for option in unset)


def test_show_prints_them() -> None:
    done = CliRunner().invoke(app, ["methods", "show", "kgcoop"])
    words = " ".join(done.stdout.split())
    assert done.exit_code == 0 and "KgCoOp: CoOp whose texts stay close" in words
    assert "chunk=unset: classes that go through the text tower at once; by default by an estimate" in words
