"""Which samples are scored."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.data.base import Sample, Target
from vlmbench.tasks.base import TaskOptions
from vlmbench.tasks.subset import choose, drawn, proportional_shares


def samples(*targets: Target) -> list[Sample]:
    return [Sample(f"s{place}", target) for place, target in enumerate(targets)]


def by_class(labels: list[int], size: int, seed: int = 0) -> Counter[int]:
    data = samples(*labels)
    return Counter(labels[index] for index in choose(data, TaskOptions(limit=size, stratified=True, seed=seed)))


def test_the_subset_is_random_seeded_and_in_order() -> None:
    data = samples(*range(1000))
    assert choose(data[:5], TaskOptions()) == choose(data[:5], TaskOptions(limit=9)) == [0, 1, 2, 3, 4]
    chosen = choose(data, TaskOptions(limit=10))
    assert chosen == sorted(set(chosen)) == choose(data, TaskOptions(limit=10)) and len(chosen) == 10
    assert chosen != choose(data, TaskOptions(limit=10, seed=1)) and chosen != list(range(10))
    # As before there was a choice of how to draw: records of such subsets are found again.
    assert chosen == sorted(np.random.default_rng(0).choice(1000, size=10, replace=False).tolist())


def test_a_stratified_subset_has_every_class_in_its_proportion() -> None:
    labels = [0] * 500 + [1] * 300 + [2] * 200
    assert by_class(labels, 100) == by_class(labels, 100, seed=7) == {0: 50, 1: 30, 2: 20}
    data = samples(*labels)
    first, other = (choose(data, TaskOptions(limit=100, stratified=True, seed=seed)) for seed in (0, 1))
    assert first == sorted(set(first)) != other
    assert first == choose(data, TaskOptions(limit=100, stratified=True)) and first != list(range(100))


def test_a_rare_class_is_there_where_there_is_room() -> None:
    labels = [0] * 997 + [1, 2, 3]
    assert by_class(labels, 10) == {0: 7, 1: 1, 2: 1, 3: 1}
    assert by_class(labels, 3) == {0: 3}
    assert sum(by_class(list(range(100)), 30).values()) == 30


def test_ties_are_drawn_and_not_given_to_the_first_classes() -> None:
    chosen = {frozenset(by_class(list(range(100)), 10, seed)) for seed in range(5)}
    assert len(chosen) == 5 and all(kept != frozenset(range(10)) for kept in chosen)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.data())
def test_shares_are_as_near_to_proportion_as_whole_numbers_are(counts: list[int], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, sum(counts)))
    held = np.array(counts)
    shares = proportional_shares(held, size, np.random.default_rng(0))
    assert shares.sum() == size and (shares <= held).all() and (shares >= 0).all()
    quotas = size * held / held.sum()
    if size >= len(counts):
        assert (shares >= 1).all()
    if size >= len(counts) and (quotas >= 1).all():
        assert (np.abs(shares - quotas) < 1).all()
        up = shares > np.floor(quotas)
        remainders = quotas - np.floor(quotas)
        assert not up.any() or up.all() or remainders[up].min() >= remainders[~up].max() - 1e-9
    assert (shares <= np.ceil(np.maximum(quotas, 1))).all()


@pytest.mark.parametrize(
    ("targets", "how"),
    [((0, 1, 2), "by class"), (((0, 1), (2,), ()), "at random"), ((("a",), ("b",), ("c",)), "at random"),
     ((None, None, None), "at random")],
)  # fmt: skip
def test_only_samples_of_one_class_each_have_strata(targets: tuple[Target, ...], how: str) -> None:
    data = samples(*targets)
    assert drawn(data, TaskOptions(limit=2, stratified=True)) == how
    assert drawn(data, TaskOptions(limit=2)) == "at random"
    assert drawn(data, TaskOptions(limit=3, stratified=True)) is drawn(data, TaskOptions()) is None
    assert len(choose(data, TaskOptions(limit=2, stratified=True))) == 2
