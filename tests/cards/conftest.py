"""The reference facts that cards are checked against."""

from __future__ import annotations

import pytest
from cards.protocols import Reference
from repository import REFERENCE


@pytest.fixture(scope="session")
def reference() -> Reference:
    """The folder of reference facts; tests that need it are skipped where it is absent."""
    if not REFERENCE.is_dir():
        pytest.skip(f"no reference facts at {REFERENCE} (set VLMBENCH_REFERENCE)")
    return Reference(REFERENCE)
