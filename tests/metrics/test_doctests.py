"""The examples in the metrics' docstrings run."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module",
    ["classification", "detection.accuracy", "harmonic", "intervals", "ranking", "retrieval", "segmentation"],
)
def test_examples(module: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"vlmbench.metrics.{module}"))
    assert tried > 0 and failed == 0
