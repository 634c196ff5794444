"""The outside package keeps every promise, by the checks that its author would use."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vlmbench.cards import ModelCard
from vlmbench.data.base import Sample
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions
from vlmbench.testing import (
    ToyImages,
    check_executor,
    check_model,
    check_report_table,
    check_source,
    check_task,
    check_transfer,
    registered,
)
from vlmbench.testing.toy_data import png

LEVELS = [round(255 * number / 39) for number in range(40)]
GREYS = [(int(level > 127), png(np.full((4, 4), level, np.uint8))) for level in LEVELS]


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Something that the package defines: ``part("model:load")``."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))

    def find(name: str) -> Any:
        module, _, attribute = name.partition(":")
        return getattr(importlib.import_module(f"outside.{module}"), attribute)

    yield find


def test_its_model(part: Callable[[str], Any]) -> None:
    load = part("model:load")
    with registered(ADAPTERS, "grey", load):
        card = ModelCard(name="grey", adapter="grey", spec="1")
        other = load(ModelCard(name="grey", adapter="grey", spec="0.5"), LoadOptions())
        check_model(card, changed=other, texts=["bright"])


def test_its_source(part: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    for number, (label, data) in enumerate(GREYS):
        (tmp_path / "test" / f"{label}-{number:03}.png").write_bytes(data)
    assert not check_source(part("source:SOURCE"), tmp_path, options={"every": 2}).skipped


def test_its_kind(part: Callable[[str], Any]) -> None:
    samples = [Sample(f"{number:03}.png", label) for number, (label, _) in enumerate(GREYS)]
    data = ToyImages(samples, [file for _, file in GREYS], ("dark", "bright"))
    perfect = part("model:load")(ModelCard(name="grey", adapter="grey"), LoadOptions(device=str(torch.device("cpu"))))
    check_task(part("kind:KIND"), dataset=data, perfect=perfect)


def test_its_other_parts(part: Callable[[str], Any]) -> None:
    check_transfer(part("transfer:METHOD"))
    check_report_table(part("table:TABLE"))
    check_executor(part("executor:EXECUTOR"))
