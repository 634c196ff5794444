"""Every block of code in the README and the docs runs as it is printed, or says why it is not run."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs.page import blocks, follow
from repository import REPOSITORY

PAGES = sorted({REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")} - {REPOSITORY / "docs" / "gate.md"})
"""All but the guide to the gate, which test_gate_guide.py follows and asks what it found."""


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
def test_a_page_works_as_printed(page: Path, tmp_path: Path) -> None:
    follow(page, tmp_path)
