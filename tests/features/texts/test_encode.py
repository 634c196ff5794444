"""Prompts: once each, exact, cached."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from toy_adapter import toy

from vlmbench.errors import ModelError, NonFiniteFeaturesError, VlmbenchWarning
from vlmbench.features.batches import checked, encode_halving
from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.progress import Silent
from vlmbench.features.texts.encode import encode_texts
from vlmbench.testing.toy_models import DIM, ToyModel


class LetterPrefix:
    """The toy's text tower as a prefix encoder: one token a byte, zeros after the text."""

    def __init__(self, model: ToyModel) -> None:
        self.model = model
        self.widths: list[int] = []

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        tokens = torch.zeros(len(texts), 64, dtype=torch.long)
        for row, text in enumerate(texts):
            letters = list(text.encode())[:64]
            tokens[row, : len(letters)] = torch.tensor(letters, dtype=torch.long) + 1
        return tokens

    def lengths(self, tokens: Tensor) -> Tensor:
        return (tokens > 0).sum(dim=1)

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        self.widths.append(tokens.shape[1])
        return self.model.encode_text([bytes(t - 1 for t in row if t > 0).decode() for row in tokens.tolist()])


def test_each_distinct_text_is_encoded_once_and_order_is_kept() -> None:
    model = toy()
    texts = ["b", "a", "b", "c", "a"]
    features, use = encode_texts(model, texts, precision="fp32", space=None, progress=Silent(), batch_size=2)
    assert model.text_calls == 3 and use.text_misses == 3
    torch.testing.assert_close(features, toy().encode_text(texts), rtol=0, atol=0)


def test_cached_prompts_are_not_encoded_again(tmp_path: Path) -> None:
    space = FeatureSpace(tmp_path, {}, DIM)
    first, _ = encode_texts(toy(), ["a", "b"], precision="fp32", space=space, progress=Silent())
    model = toy()
    again, use = encode_texts(model, ["b", "c", "a"], precision="fp32", space=space, progress=Silent())
    assert model.text_calls == 1 and (use.text_hits, use.text_misses) == (2, 1)
    torch.testing.assert_close(again[[2, 0]], first, rtol=0, atol=0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=60), min_size=1))
def test_trimmed_and_sorted_equals_plain(texts: list[str]) -> None:
    model = toy()
    prefix = LetterPrefix(model)
    model.capabilities = {"PrefixTextEncoder": prefix}
    trimmed, _ = encode_texts(model, texts, precision="fp32", space=None, progress=Silent(), batch_size=3)
    torch.testing.assert_close(trimmed, toy().encode_text(texts), rtol=0, atol=1e-6)
    assert prefix.widths == sorted(prefix.widths)
    assert prefix.widths[-1] == max(len(text) for text in texts)


def test_memory_that_runs_out_halves_the_batch_and_gives_the_same() -> None:
    sizes: list[int] = []

    def encode(items: Sequence[int]) -> Tensor:
        sizes.append(len(items))
        if len(items) > 2:
            raise torch.OutOfMemoryError("no")
        return torch.tensor(items, dtype=torch.float32)[:, None]

    with pytest.warns(VlmbenchWarning, match="a batch of 7 did not fit"):
        assert encode_halving(encode, list(range(7)))[:, 0].tolist() == list(range(7))
    assert max(sizes) == 7

    def never(items: Sequence[int]) -> Tensor:
        raise MemoryError

    with pytest.raises(ModelError, match="single input"):
        encode_halving(never, [1])


def test_a_bug_is_not_taken_for_a_lack_of_memory() -> None:
    def broken(items: Sequence[int]) -> Tensor:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="multiplied"):
        encode_halving(broken, [1, 2])


def test_what_an_encoder_returns_is_checked() -> None:
    good = torch.eye(3)
    assert torch.equal(checked(good, ["a", "b", "c"], 3, renormalise=False), good)
    with pytest.raises(ModelError, match=r"shape \(3, 3\), not \(3, 4\)"):
        checked(good, ["a", "b", "c"], 4, renormalise=False)
    with pytest.raises(ModelError, match="length"):
        checked(2 * good, ["a", "b", "c"], 3, renormalise=False)
    bad = good.clone()
    bad[1, 1] = float("inf")
    with pytest.raises(NonFiniteFeaturesError, match="'b'"):
        checked(bad, ["a", "b", "c"], 3, renormalise=False)
    half = (good * 1.01).to(torch.bfloat16)
    np.testing.assert_allclose(checked(half, ["a", "b", "c"], 3, renormalise=True).norm(dim=1), 1, atol=1e-6)
