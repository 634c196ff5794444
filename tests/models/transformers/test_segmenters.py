"""CLIPSeg and GroupViT through the transformers adapter: the library's logits, drawn over the whole image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch.nn.functional import interpolate, normalize

from vlmbench.models.base import PrefixTextEncoder, Segmenter, capability

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models.checkpoints import (  # noqa: E402  (after the skip)
    CLIP_TEXT,
    VISION,
    clip_processor,
    open_folder,
    save,
    small_clip_tokenizer,
)
from models.tiny import assert_counts_tokens, assert_same_features, prefix_difference  # noqa: E402
from support.abilities import check_cards_of  # noqa: E402

from vlmbench.models.transformers import label_features as transformers_heads  # noqa: E402
from vlmbench.models.transformers import segmenters as transformers_segment  # noqa: E402
from vlmbench.models.transformers.model import TransformersModel  # noqa: E402

LABELS = ["a photo of a cat", "grass", "a photo of a red bus of a red cat", "sky", "road"]


def clipseg(folder: Path, **config: Any) -> Path:
    """With another image size than the tower's positions, as the published ones have (352 on 224)."""
    settings = {"extract_layers": [0, 1], "reduce_dim": 16, "decoder_intermediate_size": 32, **config}
    configured = transformers.CLIPSegConfig(
        text_config=CLIP_TEXT, vision_config={**VISION, "patch_size": 8}, projection_dim=24, **settings
    )
    processor = transformers.ViTImageProcessor(size={"height": 48, "width": 48})
    return save(folder, transformers.CLIPSegForImageSegmentation(configured), small_clip_tokenizer(), processor)


def groupvit(folder: Path) -> Path:
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "depths": [1, 1, 1],
        "num_hidden_layers": 3,
        "num_group_tokens": [16, 4, 0],
        "num_output_groups": [16, 4, 0],
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 4,
    }
    config = transformers.GroupViTConfig(
        text_config=CLIP_TEXT, vision_config=vision, projection_dim=24, projection_intermediate_dim=40
    )
    network = transformers.GroupViTModel(config)
    torch.manual_seed(1)
    for name, statistic in network.named_buffers():  # of the projections' batch norms
        if "running" in name:
            statistic.uniform_(0.5, 1.5)
    return save(folder, network, small_clip_tokenizer(), clip_processor(32))


FOLDERS = {"clipseg": clipseg, "groupvit": groupvit}


@pytest.fixture(scope="module", params=FOLDERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FOLDERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def model(folder: Path) -> TransformersModel:
    return open_folder(folder)


@pytest.fixture
def pictures() -> list[PIL.Image.Image]:
    random = np.random.default_rng(0)
    return [PIL.Image.fromarray(random.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in [(70, 50), (33, 40)]]


def segmenter(model: TransformersModel) -> Segmenter:
    found = capability(model, Segmenter)
    assert found is not None and "Segmenter" in model.capabilities
    return found


def librarys(folder: Path, picture: PIL.Image.Image, labels: list[str]) -> torch.Tensor:
    """The logits of the library's forward pass, at the network's size."""
    config = transformers.AutoConfig.from_pretrained(folder)
    network = getattr(transformers, config.architectures[0]).from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(labels, padding=True, return_tensors="pt")
    with torch.inference_mode():
        if config.model_type == "clipseg":
            pixels = processor(images=[picture] * len(labels), return_tensors="pt")  # as its documentation does
            logits = network(**tokens, **pixels).logits
            return logits.reshape(len(labels), *logits.shape[-2:])
        squeezed = processor(
            images=picture, do_center_crop=False, size={"height": 32, "width": 32}, return_tensors="pt"
        )
        return network(**tokens, **squeezed, output_segmentation=True).segmentation_logits[0]


def assert_close(ours: torch.Tensor, theirs: torch.Tensor, share: float = 1e-6) -> None:
    """Equal to a share of the largest: GroupViT's logits are in the hundreds, and in another batch sums are in another
    order, which a seeded decoder magnifies."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=share * max(1.0, float(theirs.abs().max())))


def resized(logits: torch.Tensor, picture: PIL.Image.Image) -> torch.Tensor:
    return interpolate(logits[None], size=(picture.height, picture.width), mode="bilinear", align_corners=False)[0]


@pytest.mark.parametrize("labels", [LABELS, LABELS[:1]], ids=["many", "one"])
def test_scores_are_the_librarys(folder, model, pictures, labels):
    found = segmenter(model).segment(pictures, labels)
    assert len(found) == len(pictures)
    for scores, picture in zip(found, pictures, strict=True):
        expected = resized(librarys(folder, picture, labels), picture)
        assert_close(scores, expected)
        assert scores.shape == (len(labels), picture.height, picture.width) and scores.dtype == torch.float32
        assert scores.std() > 1e-3  # the seeded network tells places apart
        if len(labels) > 1:
            assert (scores[0] - scores[1]).std() > 1e-3  # and texts


def test_too_long_texts_are_counted_as_the_library_does(model, folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert_counts_tokens(model, 77, lambda text: len(tokenizer(text)["input_ids"]))


def test_a_deeper_decoder(tmp_path, pictures):
    """The published refined CLIPSeg upsamples in several steps, and reads the text at another layer here."""
    folder = clipseg(tmp_path, use_complex_transposed_convolution=True, conditional_layer=1)
    (scores,) = segmenter(open_folder(folder)).segment(pictures[:1], LABELS)
    expected = resized(librarys(folder, pictures[0], LABELS), pictures[0])
    assert_close(scores, expected)


def test_chunks_of_labels_change_nothing(model, pictures, monkeypatch):
    whole = segmenter(model).segment(pictures, LABELS)
    segmenter(model).segment(pictures, ["a label"])  # so that the labels are encoded again
    monkeypatch.setattr(transformers_segment, "LABELS_AT_ONCE", 2)
    monkeypatch.setattr(transformers_heads, "TEXTS_AT_ONCE", 3)
    parts = segmenter(model).segment(pictures, LABELS)
    for ours, theirs in zip(parts, whole, strict=True):
        assert_close(ours, theirs, 1e-4)


def test_images_alone_and_in_a_batch(model, pictures):
    together = segmenter(model).segment(pictures, LABELS)
    for scores, picture in zip(together, pictures, strict=True):
        (alone,) = segmenter(model).segment([picture], LABELS)
        assert_close(alone, scores, 1e-4)


def test_no_labels_and_no_images(model, pictures):
    assert [tuple(scores.shape) for scores in segmenter(model).segment(pictures, [])] == [(0, 50, 70), (0, 40, 33)]
    assert segmenter(model).segment([], LABELS) == []


def test_the_whole_image_is_segmented(model):
    """What lies at the ends of a wide image changes the scores, though a centre crop would not see it."""
    plain = PIL.Image.new("RGB", (160, 40), (90, 90, 90))
    marked = plain.copy()
    marked.paste((255, 0, 0), (0, 0, 40, 40))
    before, after = segmenter(model).segment([plain, marked], LABELS)
    assert (before - after).abs().max() > 1e-3
    assert torch.equal(model.preprocess_whole(plain), model.preprocess_whole(plain))
    if model.processor.to_dict().get("do_center_crop"):
        assert torch.equal(model.preprocess(plain), model.preprocess(marked))


def test_autocast(model, pictures):
    whole = segmenter(model).segment(pictures, LABELS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = segmenter(model).segment(pictures, LABELS)
    for ours, theirs in zip(half, whole, strict=True):
        assert ours.dtype == torch.float32
        assert not torch.equal(ours, theirs)
        # GroupViT gives each patch to one group, and in a seeded network the nearest two are close.
        assert (ours - theirs).abs().mean() < (0.2 if model.family.towers else 1.0) * theirs.std()


def test_images_and_texts_encode_as_the_librarys(folder, model, pictures):
    """A segmenter is a dual encoder as well, and classifies."""
    network = transformers.AutoModel.from_pretrained(folder).eval()
    texts = transformers.AutoTokenizer.from_pretrained(folder)(LABELS, padding=True, return_tensors="pt")
    pixels = transformers.AutoImageProcessor.from_pretrained(folder)(images=pictures[0], return_tensors="pt")
    with torch.inference_mode():
        output = network(**texts, **pixels)
        assert_same_features(model.encode_image(pixels["pixel_values"]), normalize(output.image_embeds, dim=-1))
        assert_same_features(model.encode_text(LABELS), normalize(output.text_embeds, dim=-1))
        ours = model.logit_scale * model.encode_image(model.preprocess(pictures[0])[None]) @ model.encode_text(LABELS).T
        torch.testing.assert_close(ours, output.logits_per_image, rtol=1e-5, atol=1e-5)
    assert capability(model, PrefixTextEncoder) is not None
    assert prefix_difference(model, LABELS) < 1e-6


def test_cards_state_what_the_families_can_do(model):
    check_cards_of(model.network.config.model_type, "transformers", model)
