"""The model of all tests of methods through the image tower."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_vit import tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tiny model in float64."""
    found = tiny_model(tmp_path_factory.mktemp("configs"))
    found.network.double()
    return found
