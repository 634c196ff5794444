"""Names as file names of pages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vlmbench.reports.site.names import anchor, page_names


def test_plain_names_stay() -> None:
    assert page_names(["clip-vit-b-32", "demo"]) == {"clip-vit-b-32": "clip-vit-b-32", "demo": "demo"}


def test_names_that_differ_in_case_alone_are_told_apart_on_every_file_system() -> None:
    files = page_names(["CLIP", "clip", "Clip"])
    assert len({file.casefold() for file in files.values()}) == 3


@given(st.sets(st.text(min_size=1), max_size=8))
def test_every_name_has_a_safe_file_of_its_own(names: set[str]) -> None:
    files = page_names(names)
    assert files.keys() == names
    assert len({file.casefold() for file in files.values()}) == len(names)
    assert all(file.isascii() and "/" not in file and not file.startswith(".") for file in files.values())


def test_an_anchor_is_the_same_wherever_it_is_made() -> None:
    assert anchor("<script>") == anchor("<script>") != anchor("script")
    assert "<" not in anchor("<script>")
