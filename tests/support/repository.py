"""The checkout that is under test, and the folders beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TEST_DATA = Path(os.environ.get("VLMBENCH_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
"""Small real datasets."""
REFERENCE = Path(os.environ.get("VLMBENCH_REFERENCE", REPOSITORY.parent / "shared" / "reference"))
"""Facts that were transcribed from papers."""

needs_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason=f"no reference tables at {REFERENCE} (set VLMBENCH_REFERENCE)"
)
