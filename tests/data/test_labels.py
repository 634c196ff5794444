"""Label checks: every contradiction is an error that lists it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.data.base import Sample
from vlmbench.data.labels import check_class_names, check_targets, listing, normalise
from vlmbench.errors import LabelError


def test_normalise_ignores_case_and_separators() -> None:
    assert normalise("Sea_Lion") == normalise("sea-lion ") == normalise("SEA  LION") == "sea lion"
    assert normalise("sealion") != normalise("sea lion")


@given(st.text())
def test_normalise_is_idempotent(name: str) -> None:
    assert normalise(normalise(name)) == normalise(name)


def test_listing_says_how_many_more() -> None:
    assert listing(str(i) for i in range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"


def test_equal_names_pass_after_normalisation() -> None:
    check_class_names(["Sea_lion", "T-Shirt"], ["sea lion", "t shirt"], place="x")


def test_another_number_of_classes_lists_the_surplus() -> None:
    with pytest.raises(LabelError, match=r"3 classes, but the card names 2.*\n.*'dog' \(data\)"):
        check_class_names(["cat", "dog", "eel"], ["cat", "eel"], place="x")


@pytest.mark.parametrize("card_names_win", [True, False])
def test_a_permutation_is_never_accepted(card_names_win: bool) -> None:
    with pytest.raises(LabelError, match=r"another order.*0: 'dog' in the data and 'cat' in the card"):
        check_class_names(["dog", "cat"], ["cat", "dog"], place="x", card_names_win=card_names_win)


def test_renaming_must_be_asked_for() -> None:
    with pytest.raises(LabelError, match=r"1: 'canine' in the data and 'dog' in the card[\s\S]*class_names: card"):
        check_class_names(["cat", "canine"], ["cat", "dog"], place="x")
    check_class_names(["cat", "canine"], ["cat", "dog"], place="x", card_names_win=True)


def test_renaming_does_not_hide_a_moved_class() -> None:
    with pytest.raises(LabelError):
        check_class_names(["canine", "cat", "eel"], ["cat", "dog", "eel"], place="x", card_names_win=True)


def test_a_target_out_of_range_names_the_sample_and_the_range() -> None:
    with pytest.raises(LabelError, match=r"'b' has label 2, outside the allowed range 0 to 1"):
        check_targets([Sample("a", 0), Sample("b", 2)], 2, place="x", target="class")
    with pytest.raises(LabelError, match=r"'b' has label -1, outside the allowed range 0 and up"):
        check_targets([Sample("a", 9), Sample("b", -1)], None, place="x", target="class")
    with pytest.raises(LabelError, match=r"'a' has label 2"):
        check_targets([Sample("a", (0, 2))], 2, place="x", target="classes")


def test_labels_that_start_at_one_are_recognised() -> None:
    with pytest.raises(LabelError, match="seem to start at 1"):
        check_targets([Sample("a", 1), Sample("b", 2)], 2, place="x", target="class")


def test_kinds_of_targets_are_not_mixed() -> None:
    with pytest.raises(LabelError, match="several classes, but the task needs one class"):
        check_targets([Sample("a", (0,))], 2, place="x", target="class")
    with pytest.raises(LabelError, match="one class, but the task needs several classes"):
        check_targets([Sample("a", 0)], 2, place="x", target="classes")
    check_targets([Sample("a", ()), Sample("b", (0, 1))], 2, place="x", target="classes")
