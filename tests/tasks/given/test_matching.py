"""Names in files of answers: ids, file names, folders and suffixes; what is ambiguous is refused."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from said import sentences

from vlmbench.data.base import Sample
from vlmbench.errors import ModelError
from vlmbench.tasks.given.matching import Matcher


def matcher(*ids: str) -> Matcher:
    dataset: Any = SimpleNamespace(samples=[Sample(name, 0) for name in ids])
    return Matcher(dataset, "answers.csv")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("cat/1.png", [0]),
        ("./cat/1.png", [0]),
        ("cat\\1.png", [0]),
        ("/data/val/cat/1.png", [0]),
        ("cat/1", [0]),
        ("val/cat/1", [0]),
        ("2.png", [1]),
        ("2", [1]),
        ("clip-7", [3]),
        ("clip-7.mp4", [3]),
        ("videos/clip-7.mp4", [3]),
        ("cat/1.jpg", []),
        ("bird/2.png", []),
        ("1.5", []),
        ("", []),
    ],
)
def test_a_name_finds_its_sample(name: str, found: Sequence[int]) -> None:
    assert matcher("cat/1.png", "cat/2.png", "dog/1.png", "clip-7").find(name) == found


@pytest.mark.parametrize("name", ["1.png", "1"])
def test_a_name_of_two_samples_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"'1.*' fits 2 samples of the data: cat/1.png and dog/1.png"):
        matcher("cat/1.png", "dog/1.png").find(name)


def test_a_whole_id_is_never_ambiguous() -> None:
    assert matcher("1.png", "a/1.png", "1").rows(["1", "a/1.png", "1.png"]).tolist() == [2, 1, 0]


def test_samples_of_one_id_get_their_rows_in_turn() -> None:
    two = matcher("a", "b", "a")
    assert two.rows(["a", "b", "a"]).tolist() == [0, 1, 2]
    with pytest.raises(ModelError, match="rows 1 and 4 are both of the sample 'a'"):
        two.rows(["a", "b", "a", "a"])


def test_two_spellings_of_one_sample_are_refused() -> None:
    with pytest.raises(ModelError, match=r"rows 1 and 2 are both of the sample 'x/a.png' \('a' and 'a.png'\)"):
        matcher("x/a.png", "x/b.png").rows(["a", "a.png"])


def test_unknown_names_are_a_remark_and_only_unknown_names_an_error() -> None:
    (said,) = sentences(lambda: matcher("a", "b").rows(["a", "c", "d"]))
    assert said == "answers-unmatched: 2 names in answers.csv are of no sample of the data: c, d"
    with pytest.raises(ModelError, match=r"none of its 2 names is of a sample of the data: 'c' and 'd', but"):
        matcher("a", "b").rows(["c", "d"])


def test_spaces_and_the_two_forms_of_accents_do_not_count() -> None:
    """Programs on macOS write NFD, others NFC."""
    composed, apart = "caf\u00e9/1.png", "cafe\u0301/1.png"
    for own, other in ((composed, apart), (apart, composed)):
        found = matcher(own, "b.png")
        assert found.find(own) == found.find(other) == found.find(f" {other} ") == [0]
    assert matcher(composed, apart).find(apart) == [1]  # two files on Linux


def test_spaces_around_a_name_do_not_count_unless_the_data_has_them() -> None:
    assert matcher("a.png").find(" a.png ") == [0]
    assert matcher("a.png", "a.png ").find("a.png ") == [1]
