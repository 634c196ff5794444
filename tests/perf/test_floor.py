"""What the floors count, against the plain definition."""

from __future__ import annotations

import numpy as np
import open_clip
import pytest
from floor import text_floor, tree_depths
from hypothesis import given
from hypothesis import strategies as st

END = 9


@given(st.lists(st.lists(st.integers(1, 3), max_size=4), min_size=1, max_size=12))
def test_nodes_are_the_distinct_prefixes(texts):
    rows = [[8, *text, END] for text in texts]
    tokens = np.zeros((len(rows), 6), dtype=np.int64)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = row
    depths = tree_depths(tokens, np.array([len(row) for row in rows]))
    prefixes = {tuple(row[:depth]) for row in rows for depth in range(1, len(row) + 1)}
    assert sorted(depths.tolist()) == sorted(len(prefix) for prefix in prefixes)


def test_padded_work_is_what_torch_counts():
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    network, tokenizer = open_clip.create_model("RN50"), open_clip.get_tokenizer("RN50")
    texts = ["a cat", "a cat on a mat"]
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        network.encode_text(tokenizer(texts))
    floor = text_floor(network, tokenizer, texts)
    assert floor.padded.flops == pytest.approx(counter.get_total_flops(), rel=1e-3)
    assert (floor.padded.tokens, floor.trimmed.tokens, floor.tree.tokens) == (154, 4 + 7, 1 + 2 + 1 + 4)
