"""More dual encoders of the transformers adapter against the library's own forward pass."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from models.tiny import assert_counts_tokens, assert_same_features, prefix_difference
from said import sentences

from vlmbench import as_model
from vlmbench.errors import ModelError, UnsupportedError
from vlmbench.models.base import PrefixTextEncoder, capability, dual_encoder
from vlmbench.models.memory.undisturbed import undisturbed
from vlmbench.testing.checks.features import stacked

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models import dual_checkpoints as saved  # noqa: E402  (after the skip)
from models.checkpoints import open_folder  # noqa: E402
from support.abilities import check_cards_of  # noqa: E402

TEXTS = ["a photo of a cat", "dog", "a dog of a photo of a cat of a dog", "cat " * 100]
SIZES = [(50, 70), (30, 120), (64, 64), (100, 25)]
FAMILIES: dict[str, tuple[Callable[[Path], Path], str, int]] = {
    "siglip": (saved.siglip, "SiglipModel", 16),
    "siglip2": (saved.siglip2, "Siglip2Model", 16),
    "aimv2": (saved.aimv2, "Aimv2Model", 77),
    "tipsv2": (saved.tipsv2, "Tipsv2Model", 16),
    "vit and bert": (saved.vit_bert, "VisionTextDualEncoderModel", 20),
    "clip and roberta": (saved.clip_roberta, "VisionTextDualEncoderModel", 20),
    "blip": (saved.blip, "BlipForImageTextRetrieval", 35),
    "BlipModel": (lambda folder: saved.blip(folder, "BlipModel"), "BlipModel", 35),
}
NO_MASK = {"siglip", "siglip2"}
"""Families that read the padding as text."""


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    make, _, _ = FAMILIES[request.param]
    return request.param, make(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def pictures() -> list[PIL.Image.Image]:
    draw = np.random.default_rng(0)
    return [PIL.Image.fromarray(draw.integers(0, 256, (height, width, 3), dtype=np.uint8)) for height, width in SIZES]


def expected(name: str, folder: Path, pictures: list[PIL.Image.Image]) -> tuple[Any, Any, Any]:
    """Features of images and of texts, and their logits, as the library's own forward pass has them."""
    _, kind, length = FAMILIES[name]
    library = getattr(transformers, kind).from_pretrained(folder).eval()
    inputs = transformers.AutoTokenizer.from_pretrained(folder)(
        TEXTS,
        padding="max_length",
        truncation=True,
        max_length=length,
        return_tensors="pt",
        return_attention_mask=name not in NO_MASK,
    )
    pixels = transformers.AutoImageProcessor.from_pretrained(folder)(images=pictures, return_tensors="pt")
    if name != "blip":
        output = library(**inputs, **pixels)
        return output.image_embeds, output.text_embeds, output.logits_per_image
    kept: dict[str, torch.Tensor] = {}
    for part in ("vision_proj", "text_proj"):
        library.get_submodule(part).register_forward_hook(lambda _, __, out, part=part: kept.update({part: out}))
    scores = library(**inputs, **pixels, use_itm_head=False).itm_score
    return kept["vision_proj"], kept["text_proj"], scores / 0.07


def encoded(folder: Path, pictures: list[PIL.Image.Image]) -> tuple[Any, torch.Tensor, torch.Tensor]:
    model = dual_encoder(open_folder(folder))
    images = model.encode_image(stacked([model.preprocess(picture) for picture in pictures]))
    return model, images, model.encode_text(TEXTS)


@torch.inference_mode()
def test_features_and_logits_are_the_librarys(family, pictures):
    name, folder = family
    images, texts, logits = expected(name, folder, pictures)
    model, our_images, our_texts = encoded(folder, pictures)
    assert_same_features(our_images, F.normalize(images, dim=-1))
    assert_same_features(our_texts, F.normalize(texts, dim=-1))
    ours = model.logit_scale * our_images @ our_texts.T + model.logit_bias
    torch.testing.assert_close(ours, logits, rtol=1e-5, atol=2e-5)
    assert type(model.network).__name__ == FAMILIES[name][1]
    assert (our_texts[0] - our_texts[1]).abs().max() > 0.01  # the seeded towers tell texts and images apart
    assert (our_images[0] - our_images[1]).abs().max() > 0.001


@torch.inference_mode()
def test_a_text_or_an_image_alone_has_the_features_it_has_in_a_batch(family, pictures):
    _, folder = family
    model, images, texts = encoded(folder, pictures)
    alone = torch.cat([model.encode_image(stacked([model.preprocess(picture)])) for picture in pictures])
    assert_same_features(alone, images)
    assert_same_features(torch.cat([model.encode_text([text]) for text in TEXTS]), texts)
    assert_same_features(model.encode_text(["dog", "cat"]), torch.cat([texts[1:2], model.encode_text(["cat"])]))
    assert model.encode_text([]).shape == (0, model.embedding_dim)


def test_which_towers_cut_texts(family):
    name, folder = family
    model = open_folder(folder)
    offered = capability(model, PrefixTextEncoder)
    assert (offered is not None) == (name == "aimv2")
    if offered is not None:
        assert prefix_difference(model, TEXTS) < 1e-6
    assert "PackedTextEncoder" not in model.capabilities


def test_too_long_texts_are_counted_as_the_library_does(family):
    name, folder = family
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert_counts_tokens(open_folder(folder), FAMILIES[name][2], lambda text: len(tokenizer(text)["input_ids"]))


@pytest.mark.parametrize(("part", "message"), [("token", "tokenizer"), ("processor", "image processor cannot be")])
def test_a_missing_part_is_one_message(family, tmp_path, part, message):
    _, folder = family
    for file in folder.iterdir():
        if part not in file.name:
            shutil.copy(file, tmp_path / file.name)
    with pytest.raises(ModelError, match=message):
        open_folder(tmp_path)


def test_weights_of_another_family_are_one_message(family, tmp_path):
    name, folder = family
    other = saved.siglip if name != "siglip" else saved.aimv2
    shutil.copytree(folder, tmp_path / "mixed")
    shutil.copy(other(tmp_path / "other") / "model.safetensors", tmp_path / "mixed" / "model.safetensors")
    with pytest.raises(ModelError, match="the checkpoint lacks"):
        open_folder(tmp_path / "mixed")


def test_the_class_of_the_weights_decides(tmp_path):
    """AutoModel would build BlipModel with random towers from BLIP's weights for retrieval or captions."""
    folder = saved.blip(tmp_path / "captioner", "BlipForConditionalGeneration")
    with pytest.raises(UnsupportedError, match="BlipForConditionalGeneration has no features") as refused:
        open_folder(folder)
    assert refused.value.hint == "Of this model type, vlmbench can use BlipForImageTextRetrieval or BlipModel."
    (said,) = sentences(lambda: open_folder(saved.blip(tmp_path / "retrieval")))
    assert said.startswith("scale-assumed: the checkpoint has no logit scale, so confidences use the factor 14.29")


def test_a_text_tower_without_a_pooler_is_refused(tmp_path):
    with pytest.raises(UnsupportedError, match="cannot use VisionTextDualEncoderModel as a dual encoder"):
        open_folder(saved.vit_distilbert(tmp_path))


def test_a_processor_of_other_patches_is_refused(tmp_path):
    folder = saved.siglip2(tmp_path)
    saved.change(folder / "preprocessor_config.json", patch_size=16)
    with pytest.raises(ModelError, match="patches of 16 x 16 pixels, but the network takes 8 x 8"):
        open_folder(folder)


def test_a_processor_of_whole_images_is_refused(tmp_path):
    folder = saved.siglip2(tmp_path)
    transformers.SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    with pytest.raises(ModelError, match="makes no pixel_attention_mask and spatial_shapes"):
        open_folder(folder)


@pytest.mark.parametrize("name", ["siglip2", "aimv2", "tipsv2", "vit and bert", "blip"])
@torch.inference_mode()
def test_a_network_in_memory_is_as_the_adapter_makes_it(name, tmp_path, pictures):
    make, kind, _ = FAMILIES[name]
    folder = make(tmp_path)
    loaded, images, texts = encoded(folder, pictures)
    network = getattr(transformers, kind).from_pretrained(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    reduced = deepcopy(network).bfloat16()
    with undisturbed([network]):
        given: Any = as_model(network, processor, tokenizer).load()
        assert torch.equal(given.encode_image(stacked([given.preprocess(picture) for picture in pictures])), images)
        assert torch.equal(given.encode_text(TEXTS), texts)
        assert (given.logit_scale, given.logit_bias) == (loaded.logit_scale, loaded.logit_bias)
        assert given.identity.tokenizer == loaded.identity.tokenizer
        half: Any = as_model(reduced, processor, tokenizer).load()
        pixels = stacked([half.preprocess(picture) for picture in pictures])
        assert half.logit_scale == pytest.approx(loaded.logit_scale, rel=0.01)
        assert ((half.encode_image(pixels) * images).sum(dim=1) > 0.98).all()
        assert ((half.encode_text(TEXTS) * texts).sum(dim=1) > 0.98).all()


def test_cards_state_what_the_family_can_do(family):
    name, folder = family
    if name not in ("vit and bert", "clip and roberta"):  # VisionTextDualEncoder has no card
        model = open_folder(folder)
        check_cards_of(model.network.config.model_type, "transformers", model)
