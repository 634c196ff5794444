"""Prefix trees in sequences: every prompt is there once, whole, and sees itself and nothing else."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmbench.features.texts.prefix_tree import Pack, collate, packs

ROWS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), max_size=40)


def padded(rows: list[list[int]], pad: int = 7) -> tuple[np.ndarray, np.ndarray]:
    tokens = np.full((len(rows), max(map(len, rows), default=1)), pad, dtype=np.int64)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = row
    return tokens, np.array([len(row) for row in rows], dtype=np.int64)


def read_back(pack: Pack) -> dict[int, list[int]]:
    """Each prompt as its last node sees it, in order of depth."""
    found = {}
    for row, end in zip(pack.rows, pack.ends, strict=True):
        seen = np.flatnonzero(pack.sees[end])
        assert sorted(pack.depths[seen]) == list(range(len(seen)))
        found[row] = pack.tokens[seen[np.argsort(pack.depths[seen])]].tolist()
    return found


@settings(max_examples=200, deadline=None)
@given(ROWS, st.integers(1, 30))
def test_every_prompt_is_in_one_pack_and_whole(rows: list[list[int]], capacity: int) -> None:
    found: dict[int, list[int]] = {}
    for pack in packs(*padded(rows), capacity):
        alone = len({tuple(rows[row]) for row in pack.rows}) == 1
        assert len(pack.tokens) <= capacity or alone
        assert len(pack.tokens) == len(pack.depths) == len(pack.sees)
        found |= read_back(pack)
    assert found == dict(enumerate(rows))


@settings(max_examples=200, deadline=None)
@given(ROWS)
def test_with_room_for_all_there_is_a_node_for_each_distinct_prefix(rows: list[list[int]]) -> None:
    prefixes = {tuple(row[: stop + 1]) for row in rows for stop in range(len(row))}
    assert sum(len(pack.tokens) for pack in packs(*padded(rows), 10_000)) == len(prefixes)


@settings(max_examples=100, deadline=None)
@given(ROWS.filter(bool))
def test_every_node_sees_its_ancestors_alone(rows: list[list[int]]) -> None:
    for pack in packs(*padded(rows), 12):
        # What a node sees is a chain: as many nodes as its depth and one, each of which sees the start of that chain.
        assert np.array_equal(pack.sees.sum(axis=1), pack.depths + 1)
        for node in range(len(pack.tokens)):
            for other in np.flatnonzero(pack.sees[node]):
                assert set(np.flatnonzero(pack.sees[other])) <= set(np.flatnonzero(pack.sees[node]))


def test_a_worked_case() -> None:
    tokens, lengths = padded([[1, 2, 3], [1, 2, 4], [1, 5], [1, 2, 3]])
    (pack,) = packs(tokens, lengths, 10)
    assert pack.tokens.tolist() == [1, 2, 3, 4, 5]
    assert pack.depths.tolist() == [0, 1, 2, 2, 1]
    assert pack.rows == [0, 3, 1, 2] and pack.ends == [2, 2, 3, 4]
    assert [np.flatnonzero(row).tolist() for row in pack.sees] == [[0], [0, 1], [0, 1, 2], [0, 1, 3], [0, 4]]


def test_places_that_fill_a_batch_up_are_seen_by_none_and_end_nothing() -> None:
    tokens, lengths = padded([[1, 2, 3, 4], [2], [2, 2]])
    batch = collate(list(packs(tokens, lengths, 4)), "cpu")
    assert batch.tokens.tolist() == [[1, 2, 3, 4], [2, 2, 0, 0]]
    assert batch.ended.tolist() == [[True, False], [True, True]]
    assert batch.ends.tolist() == [[3, 0], [0, 1]]
    assert torch.equal(batch.sees[1, 2:], torch.eye(4, dtype=torch.bool)[2:])


def test_no_prompts_no_packs() -> None:
    assert list(packs(np.zeros((0, 5), dtype=np.int64), np.zeros(0, dtype=np.int64), 8)) == []
