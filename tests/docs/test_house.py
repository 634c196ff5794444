"""The page on the house names files and entry point groups that are there."""

from __future__ import annotations

import re

import pytest
from repository import REPOSITORY

from vlmbench.cli.doctor import REGISTRIES
from vlmbench.registry import load_target

PAGE = (REPOSITORY / "docs" / "house.md").read_text("utf-8")
PLACES = re.findall(r"`([\w./]+(?:\.py|/))`", PAGE)
ROOMS = ("", "data", "features", "interchange", "tasks/classification")
"""Where a row of a table that is about one room names a file."""


@pytest.mark.parametrize("place", sorted({place for place in PLACES if "<" not in place}))
def test_every_place_is_there(place: str) -> None:
    assert any((root / place).exists() for root in (REPOSITORY, *(REPOSITORY / "vlmbench" / room for room in ROOMS)))


def test_every_group_of_entry_points_is_named() -> None:
    groups = {load_target(target).group for target in REGISTRIES}
    assert groups == set(re.findall(r"`(vlmbench\.\w+)`", PAGE)) - {"vlmbench.evaluate"}
