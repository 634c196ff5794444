"""Texts that are longer than the model reads are told of, whichever way they are encoded, and from a warm cache too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from said import remarked, sentences
from toy_adapter import toy

from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.features.progress import Silent
from vlmbench.features.texts.encode import encode_texts
from vlmbench.testing.toy_models import DIM, ToyModel
from vlmbench.testing.toy_tokens import CONTEXT_LENGTH, ToyTokens

SAME = "their ends were cut off, and 2 of them are now equal to another one: 'a photo of a cat', 'a photo of a dog'"
ENDS = ["a photo of a cat", "a photo of a dog"]
TEXTS = ["a cat", *ENDS, "a dog", ENDS[0], "ten tokens"]
SAID = f"texts-cut: 3 of 6 prompts are longer than the 10 tokens that the model reads, the longest has 16; {SAME}, …"


class CutToy(ToyModel):
    """The toy, which reads ten letters."""

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        return super().encode_text([text[:CONTEXT_LENGTH] for text in texts])


def cut_toy(*ways: str) -> tuple[CutToy, ToyTokens]:
    model = CutToy(toy().card, seed=1)
    letters = ToyTokens(model.encode_text)
    model.capabilities = dict.fromkeys((*ways, "TokenReader"), letters)
    return model, letters


def encode(model: Any, texts: Sequence[str], space: FeatureSpace | None = None, called: Any = "prompt") -> Any:
    return encode_texts(model, texts, precision="fp32", space=space, progress=Silent(), batch_size=2, called=called)


@pytest.mark.parametrize("way", ["PackedTextEncoder", "PrefixTextEncoder", None])
def test_a_warm_cache_says_the_same_without_a_tokenizer(way: str | None, tmp_path: Path) -> None:
    model, letters = cut_toy(*([way] if way else []))
    space = FeatureSpace(tmp_path, {}, DIM)
    (first, _), (said,) = remarked(lambda: encode(model, TEXTS, space))
    assert f"{said.code}: {said.sentence}" == SAID and said.count == 3
    assert said.brief == "3 of 6 prompts cut at 10 tokens"
    if way:  # only full rows are counted, each once
        assert letters.counted == [*ENDS, "ten tokens"]
    letters.counted.clear()
    model.text_calls = 0
    (again, use), warm = remarked(lambda: encode(model, TEXTS, space))
    assert warm == [said] and not letters.counted and not model.text_calls and use.text_hits == 5
    assert torch.equal(first, again)
    space.close()


def test_half_a_warm_cache_says_it_of_all(tmp_path: Path) -> None:
    model, _ = cut_toy("PrefixTextEncoder")
    space = FeatureSpace(tmp_path, {}, DIM)
    encode(model, ["a cat", ENDS[1]], space)
    assert sentences(lambda: encode(model, TEXTS, space)) == [SAID]
    assert sentences(lambda: encode(model, ["a cat"], space)) == []
    space.close()


def test_one_text_and_what_it_is_called() -> None:
    model, _ = cut_toy()
    assert sentences(lambda: encode(model, [ENDS[0]], called="caption")) == [
        "captions-cut: 1 of 1 caption is longer than the 10 tokens that the model reads, it has 16; its end was "
        "cut off: 'a photo of a cat'"
    ]
    assert sentences(lambda: encode(model, ["this is number one", "that is number two"])) == [
        "texts-cut: 2 of 2 prompts are longer than the 10 tokens that the model reads, the longest has 18; "
        "their ends were cut off: 'that is number two', 'this is number one'"
    ]


def test_models_that_cannot_tell_say_nothing() -> None:
    model = CutToy(toy().card, seed=1)
    assert sentences(lambda: encode(model, TEXTS)) == []


def test_texts_that_a_capability_reads_by_itself() -> None:
    model, _ = cut_toy("PrefixTextEncoder")
    engine = FeatureEngine(model, EngineSettings())
    said = sentences(lambda: engine.tell_of_labels([*ENDS, "a cat"], ["cat", "dog", "puma"]))
    assert said == [
        f"texts-cut: 2 of 3 prompts are longer than the 10 tokens that the model reads, the longest has 16; {SAME}",
        "indistinct-classes: 2 of 3 class names are equal to another one for the model: 'cat' = 'dog'",
    ]
    assert sentences(lambda: engine.tell_of_labels([], [])) == []
    model.capabilities = {}
    assert sentences(lambda: engine.tell_of_labels([*ENDS, "a cat"], ["cat", "dog", "puma"])) == []
