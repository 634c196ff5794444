"""check_model: models that keep all promises, and for each promise a model that breaks it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from models import tiny_weights
from torch import Tensor, nn
from torchvision import transforms

import vlmbench
from vlmbench.cards import ModelCard
from vlmbench.errors import UsageError
from vlmbench.models import ADAPTERS
from vlmbench.models.base import Detections, LoadOptions, TokenPacks
from vlmbench.models.open_clip.adapter import load
from vlmbench.run_lengths import RunLengths, compressed
from vlmbench.testing import (
    ColourModel,
    ConformanceError,
    ToyDetector,
    ToyModel,
    ToyPatches,
    ToySegmenter,
    check_model,
    registered,
    toy_model,
)
from vlmbench.testing.toy_tokens import ToyTokens

CARD = ModelCard(name="toy", adapter="toy")


class ToBytes:
    """BytePixels of a toy."""

    def to_bytes(self, image: PIL.Image.Image) -> Tensor:
        return ((toy_model().preprocess(image) + 0.5) * 255).round().to(torch.uint8)

    def from_bytes(self, pixels: Tensor) -> Tensor:
        return torch.from_numpy(pixels.numpy().astype(np.float32) / 255 - 0.5)


def test_toys_keep_every_promise() -> None:
    parts = {
        "DenseEncoder": ToyPatches(),
        "Segmenter": ToySegmenter(),
        "Detector": ToyDetector(),
        "BytePixels": ToBytes(),
    }
    found = check_model(toy_model(tokens=True, **parts), changed=toy_model(tokens=True, seed=1), any_mode=True)
    assert len(found.kept) >= 38
    assert [promise for promise, _ in found.skipped] == [
        "Loaded twice, it gives the same features",
        "Loaded twice, it has the same identity",
    ]
    assert not any("DenseEncoder" in promise for promise in check_model(toy_model()).kept)
    check_model(ColourModel(), any_mode=True)


def test_demo_clip_keeps_every_promise() -> None:
    found = check_model("demo-clip", any_mode=True)
    assert {promise for promise, _ in found.skipped} == {"Another weight gives another identity"}
    assert any(promise.startswith("PackedTextEncoder") for promise in found.kept)


@pytest.mark.parametrize("architecture", ["tiny", "tiny-coca"])
def test_towers_of_open_clip_keep_every_promise(
    architecture: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tiny_weights.make_known(monkeypatch, tmp_path / "configs")

    def make(seed: int) -> ModelCard:
        return ModelCard(name=architecture, adapter="open_clip", spec=architecture, options={"random_seed": seed})

    check_model(make(0), changed=load(make(1), LoadOptions(offline=True)), any_mode=True)


def test_a_detector_alone_needs_no_encoders() -> None:
    class Lone:
        card, device = CARD, torch.device("cpu")
        identity = replace(toy_model().identity, preprocess="", tokenizer="")

        def __init__(self) -> None:
            self.capabilities = {"Detector": ToyDetector()}

    found = check_model(Lone())
    assert "It encodes images and texts" in dict(found.skipped)
    assert sum(promise.startswith("Detector") for promise in found.kept) == 4


class Mutant(ToyModel):
    """A toy with one method or attribute in place of its own."""

    def __init__(self, **changed: Any) -> None:
        tokens = changed.pop("tokens", False)
        source = toy_model(tokens=tokens)
        super().__init__(source.card, context_length=source.context_length, capabilities=source.capabilities)
        for name, value in changed.items():
            bound = value.__get__(self) if isinstance(value, FunctionType) else value
            setattr(self, name, bound)


def image(change: Callable[[Any, Tensor, Tensor], Tensor]) -> Mutant:
    """A toy whose image features are changed: ``change(model, pixels, features)``."""
    return Mutant(encode_image=lambda self, pixels: change(self, pixels, ToyModel.encode_image(self, pixels)))


def text(change: Callable[[Any, list[str], Tensor], Tensor]) -> Mutant:
    return Mutant(encode_text=lambda self, texts: change(self, list(texts), ToyModel.encode_text(self, texts)))


def pixels(change: Callable[[Any, PIL.Image.Image, Tensor], Any]) -> Mutant:
    return Mutant(preprocess=lambda self, picture: change(self, picture, ToyModel.preprocess(self, picture)))


def noisy(features: Tensor) -> Tensor:
    return nn.functional.normalize(features + 0.1 * torch.randn(features.shape, generator=NOISE), dim=-1)


NOISE = torch.Generator().manual_seed(0)


def scribbled(self: Any, picture: PIL.Image.Image, made: Tensor) -> Tensor:
    picture.putpixel((0, 0), (1, 2, 3))
    return made


class Slow:
    """A transform that keeps an image in an attribute: two threads mix them up."""

    def __call__(self, model: Any, picture: PIL.Image.Image, made: Tensor) -> Tensor:
        import time

        self.made = made
        time.sleep(0.002)
        return self.made


def overwritten(model: Any, given: Tensor, features: Tensor) -> Tensor:
    given.zero_()
    return features


def drawn(self: Any, given: Tensor, features: Tensor) -> Tensor:
    random.random()
    return features


def centred(model: Any, given: Tensor, features: Tensor) -> Tensor:
    return nn.functional.normalize(features - features.mean(dim=0) * (len(features) > 1), dim=-1)


def by_place(model: Any, given: Sequence[Any], features: Tensor) -> Tensor:
    return nn.functional.normalize(features + 0.1 * torch.arange(len(features))[:, None], dim=-1)


def refused(model: Any, texts: list[str], features: Tensor) -> Tensor:
    if "" in texts:
        raise ValueError("an empty text")
    return features


def leaving(model: Any, texts: list[str], features: Tensor) -> Tensor:
    raise SystemExit(3)


def drifting() -> Any:
    def encode_text(self: Any, texts: Sequence[str]) -> Tensor:
        self.text_weight *= 1 + 1e-7
        return ToyModel.encode_text(self, texts)

    return Mutant(encode_text=encode_text)


def no_text(model: Any, texts: list[str], features: Tensor) -> Tensor:
    return torch.stack(list(features))


MODELS: dict[str, tuple[Callable[[], Any], str]] = {
    "no card": (lambda: Mutant(card=None), "It has a card"),
    "device is a text": (lambda: Mutant(device="cpu"), "It has a card"),
    "a capability without methods": (lambda: Mutant(capabilities={"Detector": object()}), "Each capability is listed"),
    "training mode": (lambda: Mutant(network=nn.Linear(2, 2)), "Its networks are in evaluation mode"),
    "no architecture": (
        lambda: Mutant(identity=replace(toy_model().identity, architecture="")),
        "Its identity is complete",
    ),
    "no libraries": (lambda: Mutant(identity=replace(toy_model().identity, libraries={})), "Its identity is complete"),
    "scale 0": (lambda: Mutant(logit_scale=0.0), "embedding_dim, logit_scale and logit_bias"),
    "scale is a tensor": (lambda: Mutant(logit_scale=torch.tensor(1.0)), "embedding_dim, logit_scale and logit_bias"),
    "another dim": (lambda: Mutant(embedding_dim=8), "encode_image gives finite features (B, D)"),
    "pixels as bytes": (lambda: pixels(lambda m, p, made: made.to(torch.uint8)), "preprocess takes an RGB image"),
    "pixels of any size": (
        lambda: pixels(lambda m, p, made: torch.zeros(3, p.height, p.width)),
        "preprocess takes an RGB image",
    ),
    "no tensor": (lambda: pixels(lambda m, p, made: made.numpy()), "preprocess takes an RGB image"),
    "random crop": (
        lambda: pixels(lambda m, p, made: made + torch.rand(1, generator=NOISE)),
        "preprocess gives the same pixels for the same image",
    ),
    "the image is changed": (lambda: pixels(scribbled), "preprocess gives the same pixels for the same image"),
    "one image for all threads": (lambda: pixels(Slow()), "preprocess gives the same pixels if several threads"),
    "no unit length": (lambda: image(lambda m, p, features: 3 * features), "encode_image gives finite features (B, D)"),
    "NaN": (lambda: image(lambda m, p, features: features * float("nan")), "encode_image gives finite features (B, D)"),
    "a list": (lambda: image(lambda m, p, features: list(features)), "encode_image gives finite features (B, D)"),  # type: ignore[arg-type]
    "dropout": (lambda: image(lambda m, p, features: noisy(features)), "encode_image is deterministic"),
    "the pixels are changed": (lambda: image(overwritten), "encode_image is deterministic"),
    "batch norm": (lambda: image(centred), "An image has the same features alone"),
    "by place": (lambda: image(by_place), "An image has the same features alone"),
    "blind": (lambda: image(lambda m, p, features: features[:1].expand_as(features)), "Different images"),
    "autocast": (
        lambda: image(lambda m, p, features: features * (2 if torch.is_autocast_enabled("cpu") else 1)),
        "Both encoders work under autocast",
    ),
    "empty texts": (lambda: text(refused), "encode_text gives finite features (N, D)"),
    "texts of no unit length": (
        lambda: text(lambda m, t, features: 2 * features),
        "encode_text gives finite features (N, D)",
    ),
    "no texts": (lambda: text(no_text), "encode_text gives (0, D)"),
    "padding is seen": (lambda: text(by_place), "A text has the same features alone"),
    "weights drift": (drifting, "Its weights are the same"),
    "ends the program": (lambda: text(leaving), "encode_text gives finite features (N, D)"),
    "training mode in a list": (
        lambda: Mutant(parts=[nn.Dropout(0.5)]),
        "Its networks are in evaluation mode",
    ),
    "nearly blind": (
        lambda: image(lambda m, p, features: nn.functional.normalize(features[:1] + 1e-6 * features, dim=-1)),
        "Different images",
    ),
    "deaf": (lambda: text(lambda m, t, features: features[:1].expand_as(features)), "Different texts"),
    "random state": (lambda: image(drawn), "It changes no setting"),
    "default type": (
        lambda: image(lambda m, p, features: (torch.set_float32_matmul_precision("high"), features)[1]),
        "It changes no setting",
    ),
}


@pytest.fixture(autouse=True)
def process_as_it_was() -> Any:
    state, precision = random.getstate(), torch.get_float32_matmul_precision()
    yield
    random.setstate(state)
    torch.set_float32_matmul_precision(precision)


def broken(check: Callable[[], object]) -> list[str]:
    """The promises that a check finds broken."""
    with pytest.raises(ConformanceError) as caught:
        check()
    for each in caught.value.broken:
        assert each.found and each.fix and each.promise in str(caught.value)
    return [each.promise for each in caught.value.broken]


@pytest.mark.parametrize("mutant", MODELS)
def test_a_broken_model_is_caught(mutant: str) -> None:
    make, promise = MODELS[mutant]
    assert any(each.startswith(promise) for each in broken(lambda: check_model(make())))


def test_few_different_texts_are_said_and_not_refused() -> None:
    assert "More than two texts have different features" in dict(check_model(ColourModel()).skipped)
    assert "More than two texts have different features" not in dict(check_model(toy_model()).skipped)


def test_a_model_in_memory_and_its_transform() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(192, 6), nn.Dropout(0.9))
    words = nn.Embedding(128, 6)
    steps = [transforms.Resize((8, 8)), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    given = vlmbench.as_model(
        module,
        transforms.Compose(steps),
        lambda texts: torch.tensor([[ord(letter) % 128 for letter in text[:20].ljust(20)] for text in texts]),
        encode_image=module,
        encode_text=lambda tokens: words(tokens).mean(dim=1),
    )
    assert check_model(given).kept and module.training


def test_all_broken_promises_are_listed() -> None:
    bad = Mutant(logit_scale=-1.0, identity=replace(toy_model().identity, tokenizer=" "))
    assert len(broken(lambda: check_model(bad))) == 2


def test_a_weight_that_is_not_hashed_is_caught() -> None:
    other = toy_model(seed=3)
    other.identity = toy_model().identity
    assert broken(lambda: check_model(toy_model(), changed=other)) == ["Another weight gives another identity"]


def test_a_load_that_is_random_is_caught() -> None:
    seeds = iter(range(9))
    with registered(ADAPTERS, "fickle", lambda card, options: ToyModel(card, seed=next(seeds))):
        found = broken(lambda: check_model(ModelCard(name="f", adapter="fickle")))
    assert found == ["Loaded twice, it gives the same features", "Loaded twice, it has the same identity"]


def test_a_transform_of_rgb_alone_is_caught_if_any_mode_is_asked_for() -> None:
    rgb = Mutant(preprocess=lambda self, p: ToyModel.preprocess(self, p.convert("RGB")))
    check_model(rgb)
    assert broken(lambda: check_model(rgb, any_mode=True)) == [
        "preprocess takes images of every mode as vlmbench converts them"
    ]


class Tokens(ToyTokens):
    flaw = ""

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        found = super().tokenize(texts)
        return found.int() if self.flaw == "int32" else found

    def lengths(self, tokens: Tensor) -> Tensor:
        return super().lengths(tokens) - (3 if self.flaw == "short" else 0) if self.flaw != "zero" else tokens[:, 0] * 0

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        return [min(10, count) if self.flaw == "cut" else count for count in super().token_counts(texts)]

    def encode_packs(self, packs: TokenPacks) -> Tensor:
        return super().encode_packs(packs).roll(int(self.flaw == "order"), dims=0)

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        return super().encode_tokens(tokens[:, :-1] if self.flaw == "last" else tokens)


class Patches(ToyPatches):
    flaw = ""

    def normalise(self, image: PIL.Image.Image) -> Tensor:
        return super().normalise(image.resize((16, 16)) if self.flaw == "resized" else image)

    def encode_patches(self, pixels: Tensor, readout: str) -> Tensor:
        if self.flaw == "any readout":
            readout = readout if readout in self.readouts else "plain"
        if self.flaw == "any size":
            pixels = pixels[..., : pixels.shape[-1] // 4 * 4]
        found = super().encode_patches(pixels, readout)
        if self.flaw == "length":
            return 2 * found
        if self.flaw == "leaves":
            MODEL_OF_PATCHES[0].image_weight *= -1
        return found.movedim(1, -1) if self.flaw == "axes" else found


MODEL_OF_PATCHES: list[ToyModel] = []


class Boxes(ToyDetector):
    flaw = ""

    def detect(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        found = super().detect(images, labels)
        for each in found:
            if self.flaw == "parts":
                each.boxes.div_(100)
            if self.flaw == "sizes":
                each.boxes[:, :2] = 20
            if self.flaw == "far":
                each.boxes[:, 2] = 2000
            if self.flaw == "labels":
                each.labels.add_(7)
            if self.flaw == "by batch":
                each.boxes[:, 3] += len(images)
        if self.flaw == "none":
            return [Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64)) for _ in images]
        return found[1:] if self.flaw == "few" else found


class Instances(ToyDetector):
    """A mask that fills each box of the toy."""

    flaw = ""

    def segment_instances(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        boxes = super().detect(images, labels)
        return [self._filled(image, len(images), found) for image, found in zip(images, boxes, strict=True)]

    def _filled(self, image: PIL.Image.Image, images: int, found: Detections) -> Detections:
        masks = np.zeros((len(found.scores), image.height + (self.flaw == "size"), image.width), dtype=bool)
        masks[:, :8, :8] = True
        if self.flaw == "by batch":
            masks[:, 8:, :] = images > 1
        made = compressed(masks)
        if self.flaw == "broken":
            made = [RunLengths(mask.height, mask.width, "9") for mask in made]
        return replace(found, masks=None if self.flaw == "none" else made[1:] if self.flaw == "few" else made)


class Scores(ToySegmenter):
    flaw = ""

    def segment(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Tensor]:
        found = super().segment(images, labels)
        if self.flaw == "turned":
            return [each.transpose(1, 2) for each in found]
        if self.flaw == "NaN":
            return [each / 0 * 0 for each in found]
        return [each + len(images) for each in found] if self.flaw == "by batch" else found


class OtherBytes(ToBytes):
    flaw = ""

    def to_bytes(self, image: PIL.Image.Image) -> Tensor:
        return super().to_bytes(image).float() if self.flaw == "floats" else super().to_bytes(image)

    def from_bytes(self, pixels: Tensor) -> Tensor:
        return super().from_bytes(pixels) + (1e-7 if self.flaw == "bits" else 0)


PARTS: dict[tuple[str, str], str] = {
    ("PrefixTextEncoder", "int32"): "PrefixTextEncoder: tokenize gives",
    ("PrefixTextEncoder", "zero"): "PrefixTextEncoder: tokenize gives",
    ("PrefixTextEncoder", "last"): "PrefixTextEncoder: a batch that is cut",
    ("PackedTextEncoder", "order"): "PackedTextEncoder: packed prompts",
    ("PackedTextEncoder", "short"): "PackedTextEncoder: packed prompts",
    ("TokenReader", "int32"): "TokenReader: context_length",
    ("TokenReader", "cut"): "TokenReader: a text has more tokens",
    ("DenseEncoder", "resized"): "DenseEncoder: normalise",
    ("DenseEncoder", "length"): "DenseEncoder: readout 'plain'",
    ("DenseEncoder", "axes"): "DenseEncoder: readout 'plain'",
    ("DenseEncoder", "any readout"): "DenseEncoder: an unknown readout",
    ("DenseEncoder", "any size"): "DenseEncoder: an unknown readout",
    ("DenseEncoder", "leaves"): "DenseEncoder: encode_image gives the same",
    ("Detector", "parts"): "Detector: boxes are left",
    ("Detector", "sizes"): "Detector: boxes are left",
    ("Detector", "far"): "Detector: boxes are left",
    ("Detector", "labels"): "Detector: detect gives",
    ("Detector", "few"): "Detector: detect gives",
    ("Detector", "none"): "Detector: boxes are not filtered",
    ("Detector", "by batch"): "Detector: an image has the same boxes",
    **{
        ("InstanceSegmenter", flaw): "InstanceSegmenter: segment_instances"
        for flaw in ("none", "few", "size", "broken")
    },
    ("InstanceSegmenter", "by batch"): "InstanceSegmenter: an image has the same scores and masks",
    ("Segmenter", "turned"): "Segmenter: segment gives",
    ("Segmenter", "NaN"): "Segmenter: segment gives",
    ("Segmenter", "by batch"): "Segmenter: an image has the same scores",
    ("BytePixels", "bits"): "BytePixels",
    ("BytePixels", "floats"): "BytePixels",
}


@pytest.mark.parametrize("name, flaw", PARTS)
def test_a_broken_capability_is_caught(name: str, flaw: str) -> None:
    model = toy_model(tokens=True)
    kinds: dict[str, Callable[[], Any]] = {
        "DenseEncoder": Patches,
        "Detector": Boxes,
        "InstanceSegmenter": Instances,
        "Segmenter": Scores,
        "BytePixels": OtherBytes,
    }
    part = kinds.get(name, lambda: Tokens(model.encode_text))()
    model.capabilities = {name: part}
    check_model(model)
    part.flaw, MODEL_OF_PATCHES[:] = flaw, [model]
    assert any(each.startswith(PARTS[name, flaw]) for each in broken(lambda: check_model(model)))


def test_a_name_that_is_not_one_model_is_refused() -> None:
    with pytest.raises(UsageError, match=r"means \d+ models"):
        check_model("*clip*")
