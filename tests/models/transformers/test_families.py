"""Families of the transformers adapter against the library itself: features, scale, and what follows a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from models.tiny import assert_counts_tokens, assert_same_features, image_of_mode, packed_difference, prefix_difference
from said import sentences

from vlmbench.errors import ModelError
from vlmbench.models.base import PrefixTextEncoder, capability

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models.checkpoints import (  # noqa: E402  (after the skip)
    CLIP_TEXT,
    TEXT,
    VISION,
    align,
    bert_tokenizer,
    clip_processor,
    flava,
    metaclip_2,
    open_folder,
    roberta_tokenizer,
    save,
    small_clip_tokenizer,
)
from support.abilities import check_cards_of  # noqa: E402

from vlmbench.models.transformers.packed_text import packed_text_encoder  # noqa: E402

TEXTS = ["a photo of a cat", "dog", "a dog of a photo of a cat of a dog", "cat " * 100]


def chinese_clip(folder: Path) -> Path:
    config = transformers.ChineseCLIPConfig(
        text_config={**TEXT, "vocab_size": 10}, vision_config=VISION, projection_dim=24
    )
    return save(folder, transformers.ChineseCLIPModel(config), bert_tokenizer(), clip_processor(32))


def altclip(folder: Path) -> Path:
    text = {**TEXT, "vocab_size": 12, "project_dim": 24, "max_position_embeddings": 130}
    config = transformers.AltCLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)
    return save(folder, transformers.AltCLIPModel(config), roberta_tokenizer(), clip_processor(32))


def clipseg(folder: Path) -> Path:
    config = transformers.CLIPSegConfig(text_config=CLIP_TEXT, vision_config=VISION, projection_dim=24)
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    return save(folder, transformers.CLIPSegModel(config), small_clip_tokenizer(), processor)


FAMILIES = {
    "AlignModel": (align, 64),
    "FlavaModel": (flava, 77),
    "ChineseCLIPModel": (chinese_clip, 52),
    "AltCLIPModel": (altclip, 77),
    "MetaClip2Model": (metaclip_2, 77),
    "CLIPSegModel": (clipseg, 77),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, int, Path]:
    make, length = FAMILIES[request.param]
    return request.param, length, make(tmp_path_factory.mktemp(request.param))


@pytest.fixture
def picture() -> PIL.Image.Image:
    return PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))


def expected(name: str, folder: Path, picture: PIL.Image.Image, length: int) -> tuple[torch.Tensor, torch.Tensor, Any]:
    """The features of images and texts as the library's own forward pass has them, and the model."""
    library = getattr(transformers, name).from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        TEXTS, padding="max_length", truncation=True, max_length=length, return_tensors="pt"
    )
    pixels = transformers.AutoImageProcessor.from_pretrained(folder)(images=picture, return_tensors="pt")
    if name != "FlavaModel":
        output = library(**tokens, **pixels)
        return output.image_embeds, output.text_embeds, library
    # FLAVA's contrastive features are made by its model for pretraining: what it says of every pair of image and text.
    flava = transformers.FlavaForPreTraining.from_pretrained(folder).eval()
    kept: dict[str, torch.Tensor] = {}
    flava.global_contrastive_head.register_forward_pre_hook(
        lambda _, inputs: kept.update(images=inputs[0][:1], texts=inputs[1])
    )
    tokens["pixel_values"] = pixels["pixel_values"].expand(len(TEXTS), -1, -1, -1)
    flava(**tokens, skip_unmasked_multimodal_encoder=True, return_loss=False)
    return kept["images"], kept["texts"], library


def test_features_are_the_librarys(family, picture):
    """Of texts padded to the full length too: what they are padded with is masked, or behind where they are pooled."""
    name, length, folder = family
    model = open_folder(folder)
    with torch.inference_mode():
        images, texts, library = expected(name, folder, picture, length)
        ours = model.encode_image(model.preprocess(picture)[None])
        assert_same_features(ours, torch.nn.functional.normalize(images, dim=-1))
        assert_same_features(model.encode_text(TEXTS), texts)
        assert model.encode_text([]).shape == (0, 24)
    assert model.embedding_dim == 24 and model.logit_bias == 0.0
    assert type(model.network) is type(library)
    assert (texts[0] - texts[1]).abs().max() > 0.01  # the seeded tower tells texts apart


def test_scores_are_the_librarys(family, picture):
    """Scale and features together: the logits of the library's forward pass."""
    name, length, folder = family
    model = open_folder(folder)
    with torch.inference_mode():
        images, texts, library = expected(name, folder, picture, length)
        ours = model.logit_scale * model.encode_image(model.preprocess(picture)[None]) @ model.encode_text(TEXTS).T
        if name == "AlignModel":
            assert model.logit_scale == pytest.approx(4.0)
            torch.testing.assert_close(ours, images @ texts.T / library.temperature, rtol=1e-5, atol=1e-5)
        else:
            torch.testing.assert_close(ours, library.logit_scale.exp() * images @ texts.T, rtol=1e-5, atol=1e-5)


def test_images_of_every_mode(family):
    _, _, folder = family
    model = open_folder(folder)
    for mode in ("RGB", "L", "RGBA", "LA", "P", "CMYK", "1"):
        image = image_of_mode(mode)
        pixels = model.preprocess(image)
        assert pixels.shape == (3, 32, 32) and pixels.dtype == torch.float32
        if "A" not in mode:  # transparency the library lays on white, in newer versions
            torch.testing.assert_close(pixels, model.preprocess(image.convert("RGB")))


def test_a_text_alone_has_the_features_it_has_in_a_batch(family):
    _, _, folder = family
    model = open_folder(folder)
    with torch.inference_mode():
        together = model.encode_text(TEXTS)
        alone = torch.cat([model.encode_text([text]) for text in TEXTS])
    assert_same_features(alone, together)


def test_causal_towers_cut_texts(family):
    name, _, folder = family
    model = open_folder(folder)
    offered = capability(model, PrefixTextEncoder)
    assert (offered is not None) == (name in ("MetaClip2Model", "CLIPSegModel"))
    if offered is not None:
        assert prefix_difference(model, TEXTS) < 1e-6
    assert ("PackedTextEncoder" in model.capabilities) == (name == "MetaClip2Model")
    if "PackedTextEncoder" in model.capabilities:
        assert packed_difference(model, TEXTS) < 1e-6


def test_too_long_texts_are_counted_as_the_library_does(family):
    _, length, folder = family
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert_counts_tokens(open_folder(folder), length, lambda text: len(tokenizer(text)["input_ids"]))


def test_a_repositorys_own_layer_of_the_librarys_name_is_not_packed(tmp_path):
    model = open_folder(metaclip_2(tmp_path))
    causal = model.capabilities["PrefixTextEncoder"]
    assert packed_text_encoder(model.towers, causal) is not None
    layer = model.towers.text_model.encoder.layers[1]
    kind = type(layer)
    layer.__class__ = type(kind.__name__, (kind,), {"__module__": "transformers_modules.somebody.modeling_clip"})
    assert packed_text_encoder(model.towers, causal) is None


def test_metaclip_2s_end_of_text_is_2(tmp_path):
    """In CLIP's configs that number is a mistake; in this family's it is the token."""
    model = open_folder(metaclip_2(tmp_path))
    offered = capability(model, PrefixTextEncoder)
    assert offered is not None
    assert offered.lengths(torch.tensor([[0, 9, 7, 2, 1, 1]])).tolist() == [4]


def test_flava_says_what_it_leaves_aside(tmp_path):
    (said,) = sentences(lambda: open_folder(flava(tmp_path)))
    assert "no place" in said


def test_a_tokenizer_without_its_files_is_refused(family, tmp_path):
    """The library makes one that knows special tokens only, and goes on."""
    _, _, folder = family
    for file in folder.iterdir():
        if "token" not in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match="tokenizer"):
        open_folder(tmp_path)


def test_an_image_processor_without_its_file_is_refused(family, tmp_path):
    _, _, folder = family
    for file in folder.iterdir():
        if "processor" not in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match="the image processor cannot be loaded"):
        open_folder(tmp_path)


def test_top_k_is_for_detectors(family):
    _, _, folder = family
    with pytest.raises(ModelError, match="top_k is an option of detectors"):
        open_folder(folder, top_k=5)


def test_cards_state_what_the_family_can_do(family):
    name, _, folder = family
    if name != "CLIPSegModel":  # bare towers, without the head of the cards
        model = open_folder(folder)
        check_cards_of(model.network.config.model_type, "transformers", model)
