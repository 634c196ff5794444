"""The examples in docstrings of the reports."""

from __future__ import annotations

import doctest

import pytest

from vlmbench.metrics import paired
from vlmbench.reports import aggregates, cells, draws, facts


@pytest.mark.parametrize("module", [aggregates, cells, draws, facts, paired])
def test_examples_run(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert found.attempted > 0 and found.failed == 0
