"""OWL-ViT and OWLv2 through the transformers adapter: the library's boxes, at the right places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from vlmbench.errors import ModelError, UnsupportedError
from vlmbench.models.base import Detections, Detector, PrefixTextEncoder, capability, dual_encoder

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models.checkpoints import CLIP_TEXT, VISION, open_folder, save, small_clip_tokenizer  # noqa: E402  (after the skip)
from models.tiny import assert_counts_tokens, prefix_difference  # noqa: E402
from support.abilities import check_cards_of  # noqa: E402

from vlmbench.models.transformers import owl as transformers_detect  # noqa: E402
from vlmbench.models.transformers.model import TransformersModel  # noqa: E402

LABELS = [f"a photo of a {name}" for name in ("cat", "dog", "red bus", "tree", "grass", "sky", "road")]
PATCHES = 16


def owl(folder: Path, family: str, *, head: str = "ForObjectDetection", **processor: Any) -> Path:
    config = getattr(transformers, f"{family}Config")(
        text_config=CLIP_TEXT, vision_config={**VISION, "image_size": 64}, projection_dim=32
    )
    images = getattr(transformers, f"{family}ImageProcessor")(size={"height": 64, "width": 64}, **processor)
    return save(folder, getattr(transformers, f"{family}{head}")(config), small_clip_tokenizer(), images)


@pytest.fixture(scope="module", params=["OwlViT", "Owlv2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return owl(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def model(folder: Path) -> TransformersModel:
    return open_folder(folder)


@pytest.fixture
def pictures() -> list[PIL.Image.Image]:
    random = np.random.default_rng(0)
    sizes = [(120, 50), (64, 64), (40, 90)]
    return [PIL.Image.fromarray(random.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes]


def detector(model: TransformersModel) -> Detector:
    found = capability(model, Detector)
    assert found is not None and "Detector" in model.capabilities
    return found


def librarys(folder: Path, pictures: list[PIL.Image.Image], labels: list[str]) -> tuple[Any, list[dict[str, Any]]]:
    """The library's raw outputs, and its own post-processing of them without a threshold."""
    config = transformers.AutoConfig.from_pretrained(folder)
    network = getattr(transformers, config.architectures[0]).from_pretrained(folder).eval()
    images = transformers.AutoImageProcessor.from_pretrained(folder)
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        labels * len(pictures), padding="max_length", truncation=True, max_length=16, return_tensors="pt"
    )
    with torch.inference_mode():
        outputs = network(**tokens, **images(images=pictures, return_tensors="pt"))
    sizes = [(picture.height, picture.width) for picture in pictures]
    return outputs, images.post_process_object_detection(outputs, threshold=0.0, target_sizes=sizes)


def assert_same(found: list[Detections], expected: list[dict[str, Any]]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.scores, theirs["scores"], rtol=0, atol=1e-6)
        torch.testing.assert_close(ours.labels, theirs["labels"], rtol=0, atol=0)
        # Boxes are pixels of images 120 wide: 1e-6 of the square's side.
        torch.testing.assert_close(ours.boxes, theirs["boxes"], rtol=0, atol=1.2e-4)
        assert ours.boxes.dtype == torch.float32 and ours.labels.dtype == torch.int64


@pytest.mark.parametrize("labels", [LABELS, LABELS[:1], [" ".join(LABELS), "cat"]], ids=["many", "one", "long"])
def test_detections_are_the_librarys(folder, model, pictures, labels):
    found = detector(model).detect(pictures, labels)
    _, expected = librarys(folder, pictures, labels)
    assert_same(found, expected)
    assert [len(image.scores) for image in found] == [PATCHES] * 3
    if labels is LABELS:
        assert len(found[0].labels.unique()) > 1  # the seeded heads tell texts apart


def test_chunks_of_labels_change_nothing(model, pictures, monkeypatch):
    whole = detector(model).detect(pictures, LABELS)
    for at_once in (1, 3):
        monkeypatch.setattr(transformers_detect, "LABELS_AT_ONCE", at_once)
        parts = detector(model).detect(pictures, LABELS)
        assert_same(parts, [vars(image) for image in whole])


def test_images_alone_and_in_a_batch(model, pictures):
    together = detector(model).detect(pictures, LABELS)
    alone = [detector(model).detect([picture], LABELS)[0] for picture in pictures]
    assert_same(alone, [vars(image) for image in together])


def test_no_labels_and_no_images(model, pictures):
    for image in detector(model).detect(pictures, []):
        assert image.boxes.shape == (0, 4) and image.scores.shape == (0,) and image.labels.dtype == torch.int64
    assert detector(model).detect([], LABELS) == []


def test_other_labels_are_other_questions(model, pictures):
    """The last labels' features are kept; another list must not be answered with them."""
    first = detector(model).detect(pictures, LABELS)
    other = detector(model).detect(pictures, LABELS[::-1])
    torch.testing.assert_close(other[0].labels, len(LABELS) - 1 - first[0].labels)
    assert_same(detector(model).detect(pictures, LABELS), [vars(image) for image in first])


@pytest.mark.parametrize("size", [(200, 100), (100, 200), (160, 160)], ids=["wide", "tall", "square"])
def test_boxes_lie_where_the_things_are(model, size, monkeypatch):
    """A bright rectangle, found in what the network sees, told as a box and drawn back into the image's pixels."""
    left, top, right, bottom = 20, 40, 80, 80
    image = PIL.Image.new("RGB", size)
    image.paste((255, 255, 255), (left, top, right, bottom))
    seen = model.preprocess(image).mean(dim=0)
    rows, columns = (seen > 1).nonzero(as_tuple=True)  # half of white, and more than the grey of padding
    x0, x1, y0, y1 = (float(edge) / 64 for edge in (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1))
    box = torch.tensor([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0])
    monkeypatch.setattr(model.network, "box_predictor", lambda patches, _: box.expand(*patches.shape[:2], 4))
    (found,) = detector(model).detect([image], ["a rectangle"])
    pixel_seen = max(size) / 64  # an edge may lie anywhere in its pixel
    expected = torch.tensor([left, top, right, bottom], dtype=torch.float32)
    assert (found.boxes - expected).abs().max() <= pixel_seen


def test_owlv2_that_squeezes(tmp_path):
    """A processor told not to pad squeezes the image, and its boxes are scaled to match."""
    model = open_folder(owl(tmp_path, "Owlv2", do_pad=False))
    found = transformers_detect.pixel_boxes(torch.tensor([[0.5, 0.5, 1.0, 1.0]]), (200, 100), padded=False)
    assert found.tolist() == [[0.0, 0.0, 200.0, 100.0]]
    image = PIL.Image.new("RGB", (200, 100))
    (boxes,) = (image.boxes for image in detector(model).detect([image], ["cat"]))
    network = model.network
    with torch.inference_mode():
        features = network.image_embedder(pixel_values=model.preprocess(image)[None])[0]
        raw = network.box_predictor(features.flatten(1, 2), features)[0]
    torch.testing.assert_close((boxes[:, 2] + boxes[:, 0]) / 2, raw[:, 0] * 200)
    torch.testing.assert_close((boxes[:, 3] + boxes[:, 1]) / 2, raw[:, 1] * 100)


@pytest.mark.parametrize(("top_k", "at_once"), [(5, 128), (5, 2), (1000, 2)])
def test_top_k_is_over_all_pairs(folder, pictures, monkeypatch, top_k, at_once):
    monkeypatch.setattr(transformers_detect, "LABELS_AT_ONCE", at_once)
    found = detector(open_folder(folder, top_k=top_k)).detect(pictures, LABELS)
    outputs, per_box = librarys(folder, pictures, LABELS)
    for image, ours in enumerate(found):
        scores = outputs.logits[image].sigmoid()
        count = min(top_k, scores.numel())
        expected = scores.flatten().sort(descending=True).values[:count]
        torch.testing.assert_close(ours.scores, expected, rtol=0, atol=1e-6)
        for score, label, box in zip(ours.scores, ours.labels, ours.boxes, strict=True):
            patch = (per_box[image]["boxes"] - box).abs().sum(dim=1).argmin()
            torch.testing.assert_close(per_box[image]["boxes"][patch], box, rtol=0, atol=1.2e-4)
            torch.testing.assert_close(scores[patch, label], score, rtol=0, atol=1e-6)


def test_top_k_must_be_a_number_above_0(folder):
    with pytest.raises(ModelError, match="top_k must be 1 or more, not 0"):
        open_folder(folder, top_k=0)
    with pytest.raises(ModelError, match="'top_k' is 'all'"):
        open_folder(folder, top_k="all")


def test_autocast_leaves_coordinates_whole(model, pictures):
    whole = detector(model).detect(pictures, LABELS)
    detector(model).detect(pictures, ["a label"])  # so that the labels are encoded again
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = detector(model).detect(pictures, LABELS)
    for ours, theirs in zip(half, whole, strict=True):
        assert ours.boxes.dtype == ours.scores.dtype == torch.float32
        # The image tower rounds; the boxes' sigmoid and grid do not, which alone would be off by half a pixel.
        assert len(ours.boxes.unique()) > 0.9 * ours.boxes.numel()
        assert (ours.boxes - theirs.boxes).abs().max() < 12


def test_texts_encode_and_images_do_not(folder, model, pictures):
    """The library's projection of whole images is untrained in every published checkpoint."""
    network = transformers.AutoModel.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        LABELS, padding="max_length", max_length=16, return_tensors="pt"
    )
    with torch.inference_mode():
        output = network.get_text_features(**tokens)
        projected = output if isinstance(output, torch.Tensor) else output.pooler_output
        expected = torch.nn.functional.normalize(projected, dim=-1)
        torch.testing.assert_close(model.encode_text(LABELS), expected, rtol=0, atol=1e-6)
    with pytest.raises(UnsupportedError, match=r"whole images[^\n]*lacks encode_image\)[^\n]*for boxes"):
        dual_encoder(model)
    assert capability(model, PrefixTextEncoder) is not None
    assert prefix_difference(model, ["a photo of a cat", "dog", "cat " * 40]) < 1e-6


def test_too_long_texts_are_counted_as_the_library_does(model, folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert_counts_tokens(model, 16, lambda text: len(tokenizer(text)["input_ids"]))


def test_a_checkpoint_of_the_towers_alone_detects_nothing(tmp_path):
    model = open_folder(owl(tmp_path, "OwlViT", head="Model"))
    assert "Detector" not in model.capabilities and capability(model, Detector) is None
    with torch.inference_mode():
        assert model.encode_text(LABELS).shape == (len(LABELS), 32)


def test_a_head_without_weights_is_refused(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    state = load_file(tmp_path / "model.safetensors")
    del state["box_head.dense2.weight"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 of .*box_head\.dense2\.weight"):
        open_folder(tmp_path)


def test_cards_state_what_the_family_can_do(model):
    check_cards_of(model.network.config.model_type, "transformers", model)
