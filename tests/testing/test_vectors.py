"""check_model of models with several vectors: all promises kept, and for each a model that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from vlmbench.testing import ConformanceError, ToyVectors, check_model


class Changed(ToyVectors):
    """A toy whose vectors a function changes."""

    def __init__(
        self,
        images: Callable[[Tensor], Tensor] = lambda vectors: vectors,
        texts: Callable[[Tensor], Tensor] = lambda vectors: vectors,
        **stated: Any,
    ) -> None:
        super().__init__()
        self._images, self._texts = images, texts
        for name, value in stated.items():
            setattr(self, name, value)

    def encode_image_vectors(self, pixels: Tensor) -> Tensor:
        return self._images(super().encode_image_vectors(pixels))

    def encode_text_vectors(self, texts: Sequence[str]) -> Tensor:
        return self._texts(super().encode_text_vectors(texts))


BROKEN: dict[str, tuple[Callable[[], ToyVectors], str]] = {
    "a similarity without a name": (lambda: Changed(similarity="cosine"), "MultiVectorEncoder: it states"),
    "an ensemble without a name": (lambda: Changed(ensemble="mean"), "MultiVectorEncoder: it states"),
    "a scale of 0": (lambda: Changed(logit_scale=0.0), "MultiVectorEncoder: it states"),
    "several words for a maximum": (
        lambda: Changed(similarity="max over image vectors"),
        "MultiVectorEncoder: it states",
    ),
    "another number of vectors": (lambda: Changed(image_vectors=3), "MultiVectorEncoder: encode_image_vectors gives"),
    "long vectors": (lambda: Changed(images=lambda found: 2 * found), "MultiVectorEncoder: encode_image_vectors gives"),
    "NaN": (
        lambda: Changed(texts=lambda found: found * float("nan")),
        "MultiVectorEncoder: encode_text_vectors gives",
    ),
    "only padding": (lambda: Changed(texts=torch.zeros_like), "MultiVectorEncoder: encode_text_vectors gives"),
    "the batch is seen": (
        lambda: Changed(images=lambda found: torch.nn.functional.normalize(found + found.mean(dim=0), dim=-1)),
        "MultiVectorEncoder: encode_image_vectors: each image has the same vectors",
    ),
    "deaf": (
        lambda: Changed(texts=lambda found: found[:1].expand_as(found)),
        "MultiVectorEncoder: encode_text_vectors: different texts",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_model_is_caught(what: str) -> None:
    make, promise = BROKEN[what]
    with pytest.raises(ConformanceError) as caught:
        check_model(make())
    assert any(each.promise.startswith(promise) for each in caught.value.broken)


def test_a_good_model_keeps_all_promises() -> None:
    for model in (ToyVectors(), ToyVectors(similarity="max over image vectors")):
        kept = check_model(model).kept
        assert sum(promise.startswith("MultiVectorEncoder") for promise in kept) == 7
        assert "Its identity is complete" in kept
