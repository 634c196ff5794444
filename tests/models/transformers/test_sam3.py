"""SAM 3 through the transformers adapter: the library's scores, boxes, masks and maps, with each label asked alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from vlmbench.errors import ModelError, UnsupportedError
from vlmbench.models.base import (
    Detections,
    Detector,
    InstanceSegmenter,
    Model,
    Segmenter,
    TokenReader,
    capability,
    dual_encoder,
)

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")
pytest.importorskip("transformers.models.sam3", reason="this transformers has no SAM 3")

from models.checkpoints import CLIP_TEXT, open_folder, save, small_clip_tokenizer  # noqa: E402  (after the skip)
from support.abilities import check_cards_of  # noqa: E402

from vlmbench.models.transformers import sam3  # noqa: E402

LABELS = ["cat", "dog", "red bus", "tree", "a photo of a cat"]
QUERIES, SIDE = 7, 56
HEAD = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
VIT = {
    "model_type": "sam3_vit_model",
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 7,
    "window_size": 4,
    "global_attn_indexes": [1],
    "pretrain_image_size": 28,
}


def parts(text: dict[str, Any]) -> dict[str, Any]:
    """A configuration of a few thousand weights, with every kind of part."""
    return {
        "vision_config": {
            "backbone_config": VIT,
            "fpn_hidden_size": 16,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        "text_config": {**CLIP_TEXT, **text},
        "geometry_encoder_config": {**HEAD, "num_layers": 1},
        "detr_encoder_config": {**HEAD, "num_layers": 1},
        "detr_decoder_config": {**HEAD, "num_layers": 1, "num_queries": QUERIES},
        "mask_decoder_config": {"hidden_size": 16, "num_attention_heads": 2, "num_upsampling_stages": 2},
    }


CLIP_PARTS = parts({"max_position_embeddings": 32, "projection_dim": 16, "hidden_act": "gelu"})


def processor() -> Any:
    images = transformers.Sam3ImageProcessor(size={"height": SIDE, "width": SIDE})
    return transformers.Sam3Processor(images, small_clip_tokenizer())


def image_model(folder: Path) -> Path:
    network = transformers.Sam3Model(transformers.Sam3Config(**CLIP_PARTS))
    return save(folder, network, small_clip_tokenizer(), processor())


def video_model(folder: Path) -> Path:
    """As facebook/sam3 is published: the detector beside a tracker."""
    tracker = {
        "model_type": "sam3_tracker_video",
        "vision_config": CLIP_PARTS["vision_config"],
        "image_size": SIDE,
        "mask_decoder_config": {"hidden_size": 16, "num_attention_heads": 2, "mlp_dim": 16, "iou_head_hidden_dim": 16},
        "prompt_encoder_config": {"hidden_size": 16, "image_size": SIDE, "patch_size": 7},
        "memory_attention_hidden_size": 16,
        "memory_attention_num_layers": 1,
        "memory_attention_feed_forward_hidden_size": 16,
        "memory_attention_rope_feat_sizes": [8, 8],
        "memory_encoder_hidden_size": 16,
        "memory_encoder_output_channels": 8,
        "mask_downsampler_embed_dim": 16,
        "memory_fuser_embed_dim": 16,
        "memory_fuser_intermediate_dim": 16,
        "memory_fuser_num_layers": 1,
    }
    config = transformers.Sam3VideoConfig(detector_config={"model_type": "sam3", **CLIP_PARTS}, tracker_config=tracker)
    return save(folder, transformers.Sam3VideoModel(config), small_clip_tokenizer(), processor())


def lite_model(folder: Path) -> Path:
    text = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2, "num_hidden_layers": 3}
    network = transformers.Sam3LiteTextModel(transformers.Sam3LiteTextConfig(**parts({**text, "projection_dim": 16})))
    return save(folder, network, small_clip_tokenizer(), processor())


FOLDERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "sam3": (image_model, "Sam3Model"),
    "sam3_video": (video_model, "Sam3Model"),
    "sam3_lite_text": (lite_model, "Sam3LiteTextModel"),
}


@pytest.fixture(scope="module", params=FOLDERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FOLDERS[kind][0](tmp_path_factory.mktemp(kind))


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return open_folder(folder)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_model(tmp_path_factory.mktemp("plain"))


@pytest.fixture
def pictures() -> list[PIL.Image.Image]:
    random = np.random.default_rng(0)
    sizes = [(120, 50), (64, 64), (40, 90)]
    return [PIL.Image.fromarray(random.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes]


def head(model: Model) -> Any:
    offered = [capability(model, kind) for kind in (Detector, InstanceSegmenter, Segmenter)]
    assert None not in offered and len({id(each) for each in offered}) == 1, "they share the labels' features"
    return offered[0]


def librarys(folder: Path, kind: str, picture: PIL.Image.Image, labels: list[str]) -> tuple[dict[str, Any], Any]:
    """All pairs of a query and a label, best first, and the map of each label: the library's, label by label."""
    network = getattr(transformers, FOLDERS[kind][1]).from_pretrained(folder).eval()
    own, size = processor(), [(picture.height, picture.width)]
    found: dict[str, list[Any]] = {"scores": [], "boxes": [], "masks": [], "labels": []}
    maps = []
    for number, label in enumerate(labels):
        inputs = own(images=picture, text=label, return_tensors="pt")
        inputs.pop("original_sizes")
        with torch.inference_mode():
            output = network(**inputs)
        (one,) = own.post_process_instance_segmentation(output, threshold=-1, target_sizes=size)
        for name in ("scores", "boxes", "masks"):
            found[name].append(one[name])
        found["labels"].append(torch.full((len(one["scores"]),), number))
        (scores,) = own.image_processor.post_process_semantic_segmentation(
            output, target_sizes=size, return_segmentation_scores=True
        )
        maps.append(scores["segmentation_scores"][0])
    joined = {name: torch.cat(values) for name, values in found.items()}
    order = joined["scores"].argsort(descending=True, stable=True)
    return {name: values[order] for name, values in joined.items()}, torch.stack(maps)


def assert_same(ours: Detections, theirs: dict[str, Any], *, side: int) -> None:
    torch.testing.assert_close(ours.scores, theirs["scores"], rtol=0, atol=1e-5)
    assert torch.equal(ours.labels, theirs["labels"]) and ours.labels.dtype == torch.int64
    torch.testing.assert_close(ours.boxes, theirs["boxes"], rtol=0, atol=1e-5 * side)
    if "masks" in theirs:
        assert ours.masks is not None and len(ours.masks) == len(theirs["masks"])
        differ = sum(
            int((mask.pixels() != own.numpy().astype(bool)).sum())
            for mask, own in zip(ours.masks, theirs["masks"], strict=True)
        )
        assert differ <= 1e-5 * theirs["masks"].numel(), "a pixel may lie on the threshold"


def as_dict(found: Detections) -> dict[str, Any]:
    return {"scores": found.scores, "boxes": found.boxes, "labels": found.labels}


def test_scores_boxes_and_masks_are_the_librarys(folder, kind, model, pictures):
    found = head(model).segment_instances(pictures, LABELS)
    for ours, picture in zip(found, pictures, strict=True):
        theirs, _ = librarys(folder, kind, picture, LABELS)
        assert_same(ours, theirs, side=max(picture.size))
        assert len(ours.scores) == QUERIES * len(LABELS) and len(ours.labels.unique()) == len(LABELS)
        assert 0.01 < theirs["masks"].float().mean() < 0.99, "the seeded masks are neither empty nor full"
        assert theirs["scores"].std() > 1e-3, "the seeded heads tell texts apart"


def test_maps_are_the_librarys(folder, kind, model, pictures):
    found = head(model).segment(pictures, LABELS)
    for ours, picture in zip(found, pictures, strict=True):
        _, maps = librarys(folder, kind, picture, LABELS)
        assert ours.shape == (len(LABELS), picture.height, picture.width)
        torch.testing.assert_close(ours, maps, rtol=0, atol=1e-5)


def test_images_alone_and_in_a_batch_and_without_masks(model, pictures):
    together = head(model).segment_instances(pictures, LABELS)
    for picture, expected in zip(pictures, together, strict=True):
        (alone,) = head(model).segment_instances([picture], LABELS)
        assert_same(alone, as_dict(expected), side=max(picture.size))
        assert alone.masks == expected.masks
        (boxes,) = head(model).detect([picture], LABELS)
        assert boxes.masks is None
        assert_same(boxes, as_dict(expected), side=max(picture.size))


@pytest.mark.parametrize("at_once", [1, 2])
def test_chunks_of_labels_and_of_masks_change_nothing(plain, pictures, monkeypatch, at_once):
    model = open_folder(plain)
    whole, maps = head(model).segment_instances(pictures, LABELS), head(model).segment(pictures, LABELS)
    monkeypatch.setattr(sam3, "LABELS_AT_ONCE", at_once)
    monkeypatch.setattr(sam3, "PIXELS_AT_ONCE", 1)
    for ours, expected, picture in zip(head(model).segment_instances(pictures, LABELS), whole, pictures, strict=True):
        assert_same(ours, as_dict(expected), side=max(picture.size))
        assert ours.masks == expected.masks
    for ours, expected in zip(head(model).segment(pictures, LABELS), maps, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("top_k", "at_once"), [(5, 8), (5, 1), (1000, 2)])
def test_only_the_best_over_all_labels_are_kept(plain, pictures, monkeypatch, top_k, at_once):
    whole = head(open_folder(plain)).segment_instances(pictures, LABELS)
    monkeypatch.setattr(sam3, "LABELS_AT_ONCE", at_once)
    found = head(open_folder(plain, top_k=top_k)).segment_instances(pictures, LABELS)
    for ours, every, picture in zip(found, whole, pictures, strict=True):
        best = {name: values[:top_k] for name, values in as_dict(every).items()}
        assert_same(ours, best, side=max(picture.size))
        assert ours.masks == every.masks[:top_k]


def test_no_threshold_and_300_by_default(plain, pictures):
    many = [" ".join([word] * count) for word in ("cat", "dog", "tree", "sky") for count in range(1, 13)]
    (found,) = head(open_folder(plain)).detect(pictures[:1], many)
    assert len(many) * QUERIES == 336 and len(found.scores) == 300
    assert torch.equal(found.scores, found.scores.sort(descending=True).values) and float(found.scores.min()) < 0.3


def test_labels_are_encoded_once_and_other_labels_are_other_questions(plain, pictures, monkeypatch):
    model = open_folder(plain)
    own = head(model)
    first = own.detect(pictures[:1], LABELS)[0]
    with monkeypatch.context() as patch:
        patch.setattr(own._network, "get_text_features", None)
        assert_same(own.detect(pictures[:1], LABELS)[0], as_dict(first), side=120)
    other = own.detect(pictures[:1], LABELS[::-1])[0]
    torch.testing.assert_close(other.scores, first.scores, rtol=0, atol=1e-6)
    torch.testing.assert_close(len(LABELS) - 1 - other.labels, first.labels)


def test_the_image_is_seen_once_for_all_labels(plain, pictures, monkeypatch):
    own = head(open_folder(plain))
    seen, calls = own._network.get_vision_features, []
    monkeypatch.setattr(sam3, "LABELS_AT_ONCE", 1)
    monkeypatch.setattr(
        own._network, "get_vision_features", lambda **given: calls.append(given) or seen(**given), raising=False
    )
    own.detect(pictures, LABELS)
    assert [len(call["pixel_values"]) for call in calls] == [3]


def test_no_labels_and_no_images(plain, pictures):
    own = head(open_folder(plain))
    for found in own.segment_instances(pictures, []):
        assert found.boxes.shape == (0, 4) and found.scores.shape == (0,) and found.labels.dtype == torch.int64
        assert found.masks == ()
    assert own.detect([], LABELS) == [] and own.segment([], LABELS) == []
    assert [each.shape for each in own.segment(pictures[:1], [])] == [(0, 50, 120)]


def test_phrases_are_cut_at_32_tokens_and_counted(model, plain, pictures):
    reader = capability(model, TokenReader)
    assert reader is not None and reader.context_length == 32
    long = " ".join(["cat"] * 40)
    assert list(reader.token_counts(["cat", long])) == [reader.token_counts(["cat"])[0], 42]
    assert reader.tokenize([long]).shape == (1, 32) and reader.tokenize([]).shape == (0, 32)
    own = head(open_folder(plain))
    cut, same = own.detect(pictures[:1], [long]), own.detect(pictures[:1], [" ".join(["cat"] * 35)])
    torch.testing.assert_close(cut[0].scores, same[0].scores)


def test_it_encodes_no_images_and_says_what_it_can_do(plain):
    with pytest.raises(UnsupportedError, match="for the mask of each object"):
        dual_encoder(open_folder(plain))
    identity = open_folder(plain).identity
    assert "Sam3Model" in identity.architecture and "one label a text" in identity.tokenizer


def test_a_processor_of_another_size_and_a_wrong_top_k_are_refused(plain, tmp_path):
    for file in plain.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    transformers.Sam3Processor(
        transformers.Sam3ImageProcessor(size={"height": 28, "width": 28}), small_clip_tokenizer()
    ).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="makes images of 28 x 28 pixels, but the network takes 56 x 56"):
        open_folder(tmp_path)
    with pytest.raises(ModelError, match="top_k must be 1 or more"):
        open_folder(plain, top_k=0)


def test_autocast_leaves_boxes_and_masks_whole(plain, pictures):
    own = head(open_folder(plain))
    whole = own.detect(pictures[:1], LABELS)[0]
    own.detect(pictures[:1], ["cat"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = own.segment_instances(pictures[:1], LABELS)[0]
    assert half.boxes.dtype == half.scores.dtype == torch.float32
    assert len(half.boxes.unique()) > 0.9 * half.boxes.numel()
    assert (half.scores - whole.scores).abs().max() < 0.05


def test_cards_state_what_the_family_can_do(kind, model):
    if kind == "sam3":
        check_cards_of(kind, "transformers", model)
