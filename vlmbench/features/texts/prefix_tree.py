"""Packs prompts so that a common beginning is computed once. The engine encodes texts for causal towers with it.

In a causal tower a token's state depends only on the tokens before it. So prompts with the same beginning share the
states of that beginning. Sorted, the prompts of a zero-shot head form a prefix tree with few nodes: ImageNet's 80,000
prompts are 0.77 million tokens, but 0.33 million nodes. A pack is a piece of that tree in one sequence: each node has
its depth as position, and sees its ancestors and itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vlmbench.models.base import TokenPacks

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pack:
    """A piece of the prefix tree, n nodes in one sequence, every node after its ancestors.

    Attributes:
        rows: the prompts that end in this pack; prompts with equal tokens end at the same node.
        tokens: (n,) token ids.
        depths: (n,) each node's position in its prompts, from 0.
        sees: (n, n) whether the node of the row sees the node of the column.
        ends: the last node of each prompt in ``rows``.
    """

    rows: list[int]
    tokens: Ints
    depths: Ints
    sees: NDArray[np.bool_]
    ends: list[int]


def packs(tokens: Ints, lengths: Ints, capacity: int) -> Iterator[Pack]:
    """Pack prompts into at most ``capacity`` nodes each. A longer prompt gets a pack of its own.

    Args:
        tokens: (N, L) token ids.
        lengths: (N,) the number of leading tokens of each row that count, 1 or more.
        capacity: nodes in one pack. The tokens that a pack's first prompt shares with the previous pack are repeated.
    """
    order, shared = _sorted(tokens, lengths)
    start, size = 0, 0
    for place, row in enumerate(order):
        grown = size + int(lengths[row] - shared[place])
        if place > start and grown > capacity:
            yield _pack(tokens, lengths, order[start:place], shared[start:place])
            start, grown = place, int(lengths[row])
        size = grown if place > start else int(lengths[row])
    if len(order):
        yield _pack(tokens, lengths, order[start:], shared[start:])


def collate(chosen: Sequence[Pack], device: torch.device) -> TokenPacks:
    """Join B packs to one batch. Padding after a shorter pack sees only itself, and no node sees it."""
    longest = max(len(pack.tokens) for pack in chosen)
    most = max(len(pack.ends) for pack in chosen)
    tokens = np.zeros((len(chosen), longest), dtype=np.int64)
    depths = np.zeros_like(tokens)
    sees = np.zeros((len(chosen), longest, longest), dtype=bool)
    sees[:, np.arange(longest), np.arange(longest)] = True
    ends = np.zeros((len(chosen), most), dtype=np.int64)
    ended = np.zeros_like(ends, dtype=bool)
    for row, pack in enumerate(chosen):
        size, count = len(pack.tokens), len(pack.ends)
        tokens[row, :size], depths[row, :size] = pack.tokens, pack.depths
        sees[row, :size, :size] = pack.sees
        ends[row, :count], ended[row, :count] = pack.ends, True
    return TokenPacks(*(torch.from_numpy(part).to(device) for part in (tokens, depths, sees, ends, ended)))


def _sorted(tokens: Ints, lengths: Ints) -> tuple[Ints, Ints]:
    """The rows in lexicographic order, and the number of leading tokens that each shares with the previous row."""
    if not len(tokens):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    longest = int(lengths.max())
    trimmed = np.where(np.arange(longest) < lengths[:, None], tokens[:, :longest], -1)
    order = np.lexsort(trimmed.T[::-1])
    rows = trimmed[order]
    differ = rows[1:] != rows[:-1]
    shared = np.where(differ.any(axis=1), differ.argmax(axis=1), longest)
    return order, np.concatenate([[0], np.minimum(shared, lengths[order[1:]])])


def _pack(tokens: Ints, lengths: Ints, rows: Ints, shared: Ints) -> Pack:
    total = int(lengths[rows[0]] + (lengths[rows[1:]] - shared[1:]).sum())
    nodes, depths = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    sees = np.zeros((total, total), dtype=bool)
    ends: list[int] = []
    path = np.zeros(int(lengths[rows].max()), dtype=np.int64)
    filled = 0
    for place, row in enumerate(rows):
        known, length = int(shared[place]) if place else 0, int(lengths[row])
        new = slice(filled, filled + length - known)
        path[known:length] = np.arange(new.start, new.stop)
        nodes[new], depths[new] = tokens[row, known:length], np.arange(known, length)
        sees[new, path[:known]] = True
        sees[new, new] = np.tri(length - known, dtype=bool)
        ends.append(int(path[length - 1]))
        filled = new.stop
    return Pack(rows.tolist(), nodes, depths, sees, ends)
