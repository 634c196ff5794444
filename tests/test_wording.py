"""Numbers and lists in words."""

from __future__ import annotations

import doctest

import pytest

import vlmbench.wording
from vlmbench.wording import listed


def test_the_examples() -> None:
    found = doctest.testmod(vlmbench.wording)
    assert found.attempted >= 3 and not found.failed


@pytest.mark.parametrize(
    ("names", "phrase"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_a_list_of_any_length(names: list[str], phrase: str) -> None:
    assert listed(names) == phrase


def test_a_list_that_fits_is_not_cut() -> None:
    assert listed(["a", "b"], most=2) == "a and b"
