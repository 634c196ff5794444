"""The checkout that is under test, and the folders beside it."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TEST_DATA = Path(os.environ.get("VLMBENCH_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
"""Small real datasets."""
REFERENCE = Path(os.environ.get("VLMBENCH_REFERENCE", REPOSITORY.parent / "shared" / "reference"))
"""Facts that were transcribed from papers."""
