"""The reference facts that cards are checked against."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cards.protocols import Reference

REPOSITORY = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def reference() -> Reference:
    """The folder of reference facts; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("VLMBENCH_REFERENCE", REPOSITORY.parent / "shared" / "reference"))
    if not folder.is_dir():
        pytest.skip(f"no reference facts at {folder} (set VLMBENCH_REFERENCE)")
    return Reference(folder)
