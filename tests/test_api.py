"""``import vlmbench``: three lines give a number."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import toy_adapter  # noqa: F401  # registers the toy

import vlmbench
from vlmbench.errors import UnknownNameError, UsageError, VlmbenchError


def test_evaluate_returns_records(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_folder({"a": 3, "b": 3})
    (record,) = vlmbench.evaluate("toy:a", f"imagefolder:{folder}", results=tmp_path, device="cpu")
    assert isinstance(record, vlmbench.Record) and record.main.n == 6
    again = vlmbench.evaluate(["toy:a", "toy:bb"], [f"imagefolder:{folder}"], results=tmp_path, device="cpu")
    assert again[0] == record and again[1].model.name == "toy:bb"


def test_what_cannot_be_is_an_error_of_ours(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    task = f"imagefolder:{make_folder({'a': 3, 'b': 3})}"
    with pytest.raises(UsageError, match="skipbad"):
        vlmbench.evaluate("toy:a", task, results=tmp_path, skipbad=True)
    with pytest.raises(UsageError, match="--limit"):
        vlmbench.evaluate("toy:a", task, results=tmp_path, limit=0)
    with pytest.raises(UsageError, match="class_names must be a list of texts, but 'cat, dog' is one text"):
        vlmbench.evaluate("toy:a", task, results=tmp_path, class_names="cat, dog")
    with pytest.raises(UsageError, match=r"the list of class names: entry 2 is empty or not text: ' '"):
        vlmbench.evaluate("toy:a", task, results=tmp_path, class_names=["cat", " "])
    with pytest.raises(VlmbenchError, match="toy:a@crash on imagefolder"):
        vlmbench.evaluate("toy:a@crash", task, results=tmp_path)
    with pytest.raises(UnknownNameError):
        vlmbench.load_task("no-such-task")
    with pytest.raises(UsageError, match=r"'demo' means \d+ cards"):
        vlmbench.load_task("demo")


def test_loaders() -> None:
    model = vlmbench.load_model("toy:a", device="cpu")
    assert model.encode_text(["x"]).shape == (1, model.embedding_dim)
    assert vlmbench.load_task("cifar10").classes[0] == "airplane"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vlmbench.nothing  # noqa: B018


def test_importing_is_light() -> None:
    code = "import sys, vlmbench; sys.exit(any(name in sys.modules for name in ('torch', 'pydantic', 'rich')))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
