"""What an author does wrong with a model in memory is told in words, before a wrong number can come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from models.memory.test_given import NORMAL, Usual, images, letters
from torch import Tensor, nn
from torchvision import transforms
from transformers import BatchEncoding

import vlmbench
from vlmbench.api import EvaluationError
from vlmbench.errors import UsageError
from vlmbench.testing import toy_model


def wrong(**parts: Any) -> str:
    """What an evaluation of a module with these parts says."""
    parts = {"transform": NORMAL, "tokenizer": letters, **parts}
    with pytest.raises((UsageError, EvaluationError)) as error:
        vlmbench.evaluate(vlmbench.as_model(Usual(), **parts), images())
    return f"{error.value}"


def of_object(**attributes: Any) -> str:
    """What an evaluation of an object with the protocol and these attributes says."""
    model: Any = toy_model()
    for name, value in attributes.items():
        setattr(model, name, value)
    with pytest.raises((UsageError, EvaluationError)) as error:
        vlmbench.evaluate(model, images(), use_cache=False)
    return f"{error.value}"


ENCODERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "rows": (lambda f: torch.cat([f, f]), r"shape (12, 6), not one row of features for each of 6 inputs"),
    "length": (lambda f: f[:, :4], "features of length 4, and those of encode_text have the length 6"),
    "complex": (lambda f: f.to(torch.complex64), "a tensor of torch.complex64"),
    "zeros": (lambda f: f * 0, "a row of zeros for '0'"),
    "an error": (lambda f: f[:, 99], "test_wrong.py, line"),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_features_of_an_encoder(name: str) -> None:
    change, found = ENCODERS[name]
    module = Usual()
    assert found in wrong(encode_image=lambda pixels: change(module.see(pixels)))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda pixels: (pixels * 255).byte(), "pixels of the type uint8, not real numbers"),
        (lambda pixels: pixels.permute(1, 2, 0), "(8, 8, 3) of an image, with the channels last"),
        (lambda pixels: pixels.numpy(), "the transform returned a ndarray"),
    ],
)
def test_pixels_of_a_transform(change: Callable[[Tensor], Any], found: str) -> None:
    assert found in wrong(transform=lambda image: change(NORMAL(image)))


@pytest.mark.parametrize(
    "transform",
    [
        transforms.Compose([transforms.Compose([transforms.RandomCrop(8)]), transforms.ToTensor()]),
        transforms.Compose([transforms.RandAugment(), NORMAL]),
        lambda image: NORMAL(image) + torch.randn(3, 8, 8),
        lambda image: NORMAL(image) * float(np.random.rand()),
    ],
    ids=["nested", "by name", "torch", "numpy"],
)
def test_a_transform_that_draws_at_random_however_it_does(transform: Any) -> None:
    module = Usual()
    np.random.seed(0)
    state, of_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr, index]
    with pytest.raises(UsageError, match="the transform is random"):
        vlmbench.as_model(module, transform, letters)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], of_numpy)  # type: ignore[arg-type, index]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"name": 3}, "name is 3, not a text"),
        ({"name": " "}, "name is ' ', not a text"),
        ({"identity": True}, "identity is True, not a text"),
        ({"identity": ""}, "identity is '', not a text"),
        ({"logit_scale": "a"}, "logit_scale is a str, not a number"),
        ({"logit_scale": 0}, "logit_scale is 0, not a number above 0"),
        ({"logit_scale": float("nan")}, "logit_scale is nan, not a number above 0"),
        ({"logit_bias": float("inf")}, "logit_bias is inf, not a finite number"),
    ],
)
def test_options(options: dict[str, Any], found: str) -> None:
    assert found in wrong(**options)


def test_a_scale_may_be_a_tensor() -> None:
    given: Any = vlmbench.as_model(Usual(), NORMAL, letters, logit_scale=nn.Parameter(torch.tensor(3.0)))  # type: ignore[arg-type]
    assert given.load().logit_scale == 3.0


def test_a_scale_that_diverged() -> None:
    module = Usual()
    module.logit_scale = nn.Parameter(torch.tensor(float("nan")))
    with pytest.raises(EvaluationError, match="factor nan"):
        vlmbench.evaluate(vlmbench.as_model(module, NORMAL, letters), images())


def test_weights_without_values_and_identities_without_weights() -> None:
    lazy = Usual()
    lazy.image = nn.LazyLinear(6)
    with pytest.raises(EvaluationError, match=r"image.weight of the module gets its shape at the first forward pass"):
        vlmbench.evaluate(vlmbench.as_model(lazy, NORMAL, letters), images())
    with torch.device("meta"):
        empty = Usual()
    with pytest.raises(EvaluationError, match="has no values"):
        vlmbench.evaluate(vlmbench.as_model(empty, NORMAL, letters), images())

    class Bare(nn.Module):
        def encode_image(self, pixels: Tensor) -> Tensor:
            return pixels.flatten(1)[:, :6]

        def encode_text(self, tokens: Tensor) -> Tensor:
            return tokens[:, :6].float()

        def get_extra_state(self) -> object:
            return self.state

        def set_extra_state(self, state: object) -> None: ...

    bare = Bare()
    bare.state = None  # type: ignore[assignment]
    with pytest.raises(EvaluationError, match="identity='hash': the module keeps '_extra_state' in no tensor"):
        vlmbench.evaluate(vlmbench.as_model(bare, NORMAL, letters, identity="hash"), images())
    assert vlmbench.evaluate(vlmbench.as_model(bare, NORMAL, letters, identity="version 2"), images())


TOKENIZERS: dict[str, tuple[Callable[[Sequence[str]], Any], Callable[[Any], Tensor]]] = {
    "BatchEncoding": (lambda texts: BatchEncoding({"input_ids": letters(texts)}), lambda batch: batch.input_ids),
    "dict": (lambda texts: {"ids": letters(texts).tolist()}, lambda batch: batch["ids"]),
    "tuple": (lambda texts: (letters(texts), letters(texts)), lambda batch: batch[0]),
    "texts": (list, letters),
}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_tokenizer_gives_on_what_the_encoder_takes(name: str) -> None:
    tokenizer, ids = TOKENIZERS[name]
    module = Usual()
    plain = vlmbench.evaluate(vlmbench.as_model(module, NORMAL, letters), images())[0]
    model = vlmbench.as_model(module, NORMAL, tokenizer, encode_text=lambda batch: module.read(ids(batch)))
    assert vlmbench.evaluate(model, images())[0].metrics == plain.metrics


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ({"embedding_dim": "6"}, "embedding_dim of ToyModel is '6'"),
        ({"logit_scale": torch.tensor(1.0)}, "logit_scale of ToyModel is a Tensor, not a number"),
        ({"capabilities": None}, "capabilities of ToyModel are a NoneType"),
        ({"device": "tpu"}, "no torch device: 'tpu'"),
        ({"identity": {}}, "identity of ToyModel is a dict"),
        ({"identity": replace(toy_model().identity, weights_sha256=None)}, "weights_sha256 in the identity"),  # type: ignore[arg-type]
        ({"card": {"name": "x"}}, "not a ModelCard"),
        ({"preprocess": 3}, "preprocess of ToyModel cannot be called"),
        ({"preprocess": lambda image: None}, "the model's transform returned a NoneType for '0'"),
        ({"preprocess": lambda image: image}, "not a tensor (3, H, W)"),
        ({"encode_image": lambda pixels: None}, "the encoder returned a NoneType, not a tensor of features"),
        ({"encode_text": lambda texts: [[1.0]] * len(texts)}, "the encoder returned a list"),
    ],
)
def test_objects_with_the_protocol(attributes: dict[str, Any], found: str) -> None:
    assert found in of_object(**attributes)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_module_of_torchscript() -> None:
    class Scripted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image, self.words = nn.Linear(192, 6), nn.Embedding(128, 6)

        @torch.jit.export
        def encode_image(self, pixels: Tensor) -> Tensor:
            return self.image(pixels.flatten(1))

        @torch.jit.export
        def encode_text(self, tokens: Tensor) -> Tensor:
            return self.words(tokens).mean(1)

    scripted = torch.jit.script(Scripted())
    assert vlmbench.evaluate(vlmbench.as_model(scripted, NORMAL, letters), images()) and scripted.training
    frozen = torch.jit.freeze(scripted.eval(), preserved_attrs=["encode_image", "encode_text"])
    assert vlmbench.evaluate(vlmbench.as_model(frozen, NORMAL, letters), images())
    with pytest.raises(EvaluationError, match="has no weights"):
        vlmbench.evaluate(vlmbench.as_model(frozen, NORMAL, letters, identity="hash"), images())
