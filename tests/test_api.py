"""``import vlmbench``: three lines give a number."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_adapter  # noqa: F401  # registers the toy
from data.layouts import image_bytes
from torch.utils.data import Dataset

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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_rot": "."}, "no argument 'data_rot'\nDid you mean 'data_root'"),
        ({"options": 3}, "no argument 'options'"),
        ({"limit": True}, "--limit must be a whole number"),
        ({"protocol": 3}, "protocol is a mapping of names to values, and 3 is a int"),
        ({"results": 3}, "results is a path, and 3 is a int"),
        ({"transfer": None}, "unknown transfer method None"),
        ({"precision": 16}, "unknown precision 16"),
        ({"plugins": "no/such.py"}, "no/such.py' does not exist"),
    ],
)
def test_arguments_of_the_wrong_kind(options: dict[str, Any], message: str, make_folder: Callable[..., Path]) -> None:
    with pytest.raises(VlmbenchError) as error:
        vlmbench.evaluate("toy:a", f"imagefolder:{make_folder({'a': 3, 'b': 3})}", **{"device": "cpu", **options})
    assert message in str(error.value)


def test_numbers_of_numpy_devices_and_paths(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    task = f"imagefolder:{make_folder({'a': 3, 'b': 3})}"
    (card := tmp_path / "mine.yaml").write_text("name: mine\nadapter: toy\nspec: a\n")
    (plain,) = vlmbench.evaluate("toy:a", task, device="cpu", limit=4, seed=1, results=tmp_path)
    (record,) = vlmbench.evaluate(
        card,  # type: ignore[arg-type]
        task,
        device=torch.device("cpu"),
        limit=np.int64(4),  # type: ignore[arg-type]
        seed=np.int64(1),  # type: ignore[arg-type]
        results=str(tmp_path),
    )
    assert record.metrics == plain.metrics and record.model.name == "mine"


def test_a_dataset_that_draws_random_numbers_leaves_the_random_states_alone() -> None:
    class Random(Dataset[Any]):
        classes = ("cat", "dog")

        def __len__(self) -> int:
            return 6

        def __getitem__(self, index: int) -> Any:
            random.random(), np.random.rand(), torch.rand(1)
            return image_bytes(index), index % 2

    before = random.getstate(), np.random.get_state()[2], torch.get_rng_state()  # type: ignore[index]
    vlmbench.evaluate("toy:a", Random(), device="cpu")
    assert random.getstate() == before[0] and np.random.get_state()[2] == before[1]  # type: ignore[index]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_an_unexpected_error_names_its_place(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(VlmbenchError, match=r"It was raised in toy_adapter.py, line \d+, in \w+\. Set"):
        vlmbench.evaluate("toy:a@crash", f"imagefolder:{make_folder({'a': 3, 'b': 3})}", results=tmp_path, device="cpu")


def test_loaders() -> None:
    model = vlmbench.load_model("toy:a", device="cpu")
    assert model.encode_text(["x"]).shape == (1, model.embedding_dim)
    assert vlmbench.load_task("cifar10").classes[0] == "airplane"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vlmbench.nothing  # noqa: B018


def test_importing_is_light() -> None:
    code = "import sys, vlmbench; sys.exit(any(name in sys.modules for name in ('torch', 'pydantic', 'rich')))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
