"""Flags and numbers as files write them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.data.formats.boxes.stated import stated_flag, stated_number, stated_size


@pytest.mark.parametrize("value", [1, 1.0, True, "1", " 1 ", "1.0", "\n\t1\n", "true", "True", " TRUE ", "yes"])
def test_flags_that_are_set(value: Any) -> None:
    assert stated_flag(value) is True


@pytest.mark.parametrize("value", [0, 0.0, -0.0, False, "0", "0.0", " false\n", "False", "no", None, "", "  "])
def test_flags_that_are_not_set(value: Any) -> None:
    assert stated_flag(value) is False


@pytest.mark.parametrize("value", [-1, 2, 0.5, "-1", "2", "maybe", [], {}, math.nan, "nan", 10**400])
def test_flags_that_are_neither(value: Any) -> None:
    with pytest.raises(ValueError, match=r"neither 0 nor 1|not a number|not finite"):
        stated_flag(value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**15), 10**15))
def test_a_number_is_itself_as_a_text(number: float) -> None:
    assert stated_number(number) == stated_number(f" {number!r}\n") == float(number)


@given(st.text() | st.none() | st.booleans() | st.lists(st.integers()) | st.floats())
def test_whatever_is_no_number_is_refused(value: Any) -> None:
    try:
        assert math.isfinite(stated_number(value))
    except ValueError as error:
        assert "is not a number" in str(error) or "not finite" in str(error)


def test_sizes() -> None:
    assert stated_size("40", 32.0) == (40, 32)
    assert stated_size(0, 0) is None and stated_size(None, 3) is None and stated_size("", "3") is None
    for width, height in ((-5, 1), (1, 10**12), (1.5, 2), ("wide", 1), (True, 1)):
        with pytest.raises(ValueError, match=r"no image can have|not a number"):
            stated_size(width, height)
