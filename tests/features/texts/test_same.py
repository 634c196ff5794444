"""Equal rows are found as a comparison of each with each finds them, and classes are told of as people need it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from said import remarked, sentences

from vlmbench.features.texts.same import TOLERANCES, groups_of_equals, groups_of_same_tokens, tell_of_indistinct

TOLERANCE = TOLERANCES["fp32"]


def unit(rows: int, dim: int, seed: int = 0) -> torch.Tensor:
    drawn = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 5), max_size=40),
    st.sampled_from([2, 16, 512]),
    st.sampled_from([0.0, 1e-7, 1e-6]),
    st.integers(0, 9),
)
def test_groups_are_those_of_a_full_comparison(which: list[int], dim: int, noise: float, seed: int) -> None:
    rows = unit(6, dim, seed)[which] + noise * torch.randn(len(which), dim) / dim**0.5
    groups = groups_of_equals(rows, TOLERANCE)
    near = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist") <= TOLERANCE
    expected = {tuple(torch.nonzero(row).flatten().tolist()) for row in near if int(row.sum()) > 1}
    assert {tuple(group) for group in groups} == expected


def test_many_classes_with_few_equal_ones() -> None:
    """As many classes as ImageNet-21k, far closer to each other than those of a trained model."""
    rows = torch.nn.functional.normalize(unit(1, 64) + 0.02 * unit(21_000, 64, seed=1), dim=1)
    rows[20_000] = rows[3]
    rows[7_000:7_050] = rows[7_000] + 1e-7 * unit(50, 64, seed=2)
    groups = groups_of_equals(rows, TOLERANCE)
    assert sorted(groups) == [[3, 20_000], list(range(7_000, 7_050))]


def test_rows_that_are_all_one() -> None:
    assert groups_of_equals(unit(1, 32).expand(5_000, -1).contiguous(), TOLERANCE) == [list(range(5_000))]
    assert groups_of_equals(unit(1, 32), TOLERANCE) == [] and groups_of_equals(unit(0, 32), TOLERANCE) == []


def test_a_neighbour_in_between_hides_nothing() -> None:
    """Along the direction of the order, strangers lie between two equal rows."""
    directions = np.random.default_rng(0).standard_normal((8, 4))
    order = torch.from_numpy(directions[:, 0] / np.linalg.norm(directions[:, 0])).float()
    across = unit(20, 8)
    across -= (across @ order)[:, None] * order
    rows = across + 1e-7 * torch.arange(20)[:, None] * order
    rows[17] = rows[2]
    assert groups_of_equals(rows, 1e-6) == [[2, 17]]


def test_token_rows_are_compared_to_the_letter() -> None:
    ids = torch.tensor([[1, 250_000, 2], [1, 249_999, 2], [1, 250_000, 2], [0, 0, 0]])
    assert groups_of_same_tokens(ids) == [[0, 2]]
    assert groups_of_same_tokens(ids[:0]) == []


@pytest.mark.parametrize(
    ("groups", "names", "owners", "expected"),
    [
        ([[0, 1]], ["Cat", "cat", "dog"], None, "2 of 3 'Cat' = 'cat'"),
        ([[0, 1, 2]], ["crane", "crane", "Crane"], None, "2 of 2 'crane' = 'Crane'"),
        ([[0, 1, 2]], ["a", "b", "c"], None, "3 of 3 'a' = 'b' = …"),
        ([[0, 1], [2, 3]], ["a", "A", "b", "B", "c"], None, "4 of 5 'a' = 'A', 'b' = 'B'"),
        ([[0, 1]], ["Person", "person", "dog"], [0, 1, 1], "2 of 3 'Person' = 'person'"),
    ],
)
def test_what_is_told(groups: list[list[int]], names: list[str], owners: list[int] | None, expected: str) -> None:
    (said,) = sentences(lambda: tell_of_indistinct(groups, names, owners))
    numbers, same = expected[:6], expected[7:]
    assert said == f"indistinct-classes: {numbers} class names are equal to another one for the model: {same}"


@pytest.mark.parametrize(
    ("groups", "names", "owners"),
    [
        ([[0, 1]], ["crane", "crane", "dog"], None),  # repeated-class-names tells of these
        ([[0, 1]], ["Person", "person", "dog"], [0, 0, 1]),  # two words for one class
        ([], ["a", "b"], None),
    ],
)
def test_what_is_no_news(groups: list[list[int]], names: list[str], owners: list[int] | None) -> None:
    assert sentences(lambda: tell_of_indistinct(groups, names, owners)) == []


def test_blanks_that_differ_are_seen() -> None:
    (said,) = sentences(lambda: tell_of_indistinct([[0, 1]], ["red  cat ", "red cat"]))
    assert said.endswith(": 'red␣␣cat␣' = 'red cat'")


def test_long_names_show_both_ends() -> None:
    lead = "the small striped shape that lies in the far upper left corner beside the "
    _, (said,) = remarked(lambda: tell_of_indistinct([[0, 1]], [lead + "ring", lead + "star"]))
    (example,) = said.examples
    assert "beside the ring' = 'the small striped" in example and example.endswith("beside the star'")
    assert said.count == 1 and said.brief == "2 indistinct class names"
