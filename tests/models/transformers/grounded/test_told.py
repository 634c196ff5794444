"""Remarks about the labels of detectors."""

from __future__ import annotations

import pytest

from vlmbench.models.transformers.grounded.told import tell_of_template
from vlmbench.remarks.base import gathered_remarks
from vlmbench.remarks.codes import WARNING


@pytest.mark.parametrize(
    ("labels", "shared"),
    [
        (["a photo of a cat", "a photo of a traffic light"], "a photo of a"),
        (["cat", "dog"], None),
        (["cat"], None),
        (["a cat", "a cat"], None),  # one text
        (["red bus", "red"], "red"),
        ([], None),
        (["", "a cat"], None),
    ],
)
def test_what_all_labels_begin_with(labels, shared):
    with gathered_remarks(WARNING) as said:
        tell_of_template(labels)
        tell_of_template(labels)
    assert [remark.code for remark in said.remarks] == ["template-in-labels"] * (shared is not None)
    assert shared is None or f"begin with {shared!r};" in said.remarks[0].text
