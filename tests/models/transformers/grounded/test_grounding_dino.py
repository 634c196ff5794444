"""Grounding DINO and MM-Grounding DINO: the library's own forward, and a literal reading of its outputs."""

from __future__ import annotations

import inspect
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from vlmbench.cli.run import run
from vlmbench.errors import ModelError, UnsupportedError, VlmbenchWarning
from vlmbench.models.base import Detections, TokenReader, capability, dual_encoder

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models.checkpoints import clip, open_folder  # noqa: E402  (after the skip)
from models.transformers.grounded.detectors import (  # noqa: E402
    assert_same,
    detector,
    grounding_dino,
    pictures,
)
from support.abilities import check_cards_of  # noqa: E402

LABELS = ["cat", "a photo of a dog", "Red bus", "teddy bear", "tree"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grounding_dino(tmp_path_factory.mktemp("GroundingDino"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return open_folder(folder)


@pytest.fixture(scope="module")
def mm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grounding_dino(tmp_path_factory.mktemp("MMGroundingDino"), "MMGroundingDino")


@pytest.fixture(scope="module")
def mm_model(mm_folder: Path) -> Any:
    return open_folder(mm_folder)


@cache
def loaded(folder: Path) -> tuple[Any, Any, Any]:
    """The library's network, tokenizer and processor."""
    config = transformers.AutoConfig.from_pretrained(folder)
    network = getattr(transformers, config.architectures[0]).from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    images = transformers.AutoImageProcessor.from_pretrained(folder)
    return network, tokenizer, transformers.GroundingDinoProcessor(images, tokenizer)


def librarys(folder: Path, image: PIL.Image.Image, chunks: list[list[str]], top: int = 300) -> Detections:
    """One image without padding, each chunk by the library's processor and forward; then a plain loop over pairs."""
    network, tokenizer, processor = loaded(folder)
    pairs = []
    for number, labels in enumerate(chunks):
        inputs = processor(images=image, text=[labels], return_tensors="pt")
        with torch.inference_mode():
            outputs = network(**inputs)
        caption = ". ".join(label.lower() for label in labels) + "."
        offsets = tokenizer(caption, return_offsets_mapping=True)["offset_mapping"]
        start = 0
        for label, text in enumerate(labels):
            end = start + len(text)
            mine = [place for place, (a, b) in enumerate(offsets) if a >= start and b <= end and b > a]
            scores = outputs.logits[0][:, mine].sigmoid().mean(dim=1)
            which = sum(map(len, chunks[:number])) + label
            pairs += [(float(score), which, box) for score, box in zip(scores, outputs.pred_boxes[0], strict=True)]
            start = end + len(". ")
    pairs = sorted(pairs, key=lambda pair: -pair[0])[:top]
    centre = torch.stack([box for _, _, box in pairs])
    corners = torch.cat([centre[:, :2] - centre[:, 2:] / 2, centre[:, :2] + centre[:, 2:] / 2], dim=1)
    boxes = corners * torch.tensor([image.width, image.height, image.width, image.height])
    if "MM" in type(network).__name__:
        boxes[:, 0::2] = boxes[:, 0::2].clamp(0, image.width)
        boxes[:, 1::2] = boxes[:, 1::2].clamp(0, image.height)
    return Detections(boxes, torch.tensor([pair[0] for pair in pairs]), torch.tensor([pair[1] for pair in pairs]))


def test_detections_are_the_librarys(folder, model):
    found = detector(model).detect(pictures(), LABELS)
    assert_same(found, [librarys(folder, image, [LABELS]) for image in pictures()])
    assert [len(image.scores) for image in found] == [5 * 30] * 4  # every pair: there is no threshold
    assert len(found[0].labels[:30].unique()) > 1 and float(found[0].scores.max()) < 0.999


def test_the_other_family_is_the_librarys_too(mm_folder, mm_model):
    found = detector(mm_model).detect(pictures(), LABELS)
    assert_same(found, [librarys(mm_folder, image, [LABELS]) for image in pictures()])
    assert_same(found, [detector(mm_model).detect([picture], LABELS)[0] for picture in pictures()])
    assert all(bool((image.boxes >= 0).all() and (image.boxes <= 120).all()) for image in found)
    assert "clip=True" in mm_model.identity.tokenizer


def test_boxes_are_those_of_the_librarys_post_processing(folder, model):
    """The library gives each box once, with the best token of all; its boxes are the same ones."""
    image = pictures()[0]
    network, _, processor = loaded(folder)
    inputs = processor(images=image, text=[["cat"]], return_tensors="pt")
    with torch.inference_mode():
        outputs = network(**inputs)
    (theirs,) = processor.post_process_grounded_object_detection(
        outputs, threshold=-1, target_sizes=[(image.height, image.width)]
    )
    (ours,) = detector(model).detect([image], ["cat"])
    order = ours.boxes[:, 0].sort().indices, theirs["boxes"][:, 0].sort().indices
    torch.testing.assert_close(ours.boxes[order[0]], theirs["boxes"][order[1]], rtol=0, atol=1.2e-3)


@pytest.fixture(scope="module")
def chunked(folder: Path) -> Any:
    return open_folder(folder, labels_at_once=2, top_k=70)


def test_chunks_are_ranked_together(folder, chunked):
    chunks = [LABELS[:2], LABELS[2:4], LABELS[4:]]
    found = detector(chunked).detect(pictures()[:2], LABELS)
    assert_same(found, [librarys(folder, image, chunks, top=70) for image in pictures()[:2]])
    assert len(found[0].scores) == 70 and bool((found[0].scores.diff() <= 0).all())
    assert {int(label) // 2 for label in found[0].labels} == {0, 1, 2}


def test_captions_that_the_network_cannot_hold(tmp_path):
    folder = grounding_dino(tmp_path, max_text_len=9)
    found = detector(open_folder(folder)).detect(pictures()[:1], LABELS)
    expected = librarys(folder, pictures()[0], [["cat"], ["a photo of a dog"], ["Red bus", "teddy bear"], ["tree"]])
    assert_same(found, [expected])


def test_images_alone_and_in_a_batch(model):
    together = detector(model).detect(pictures(), LABELS)
    alone = [detector(model).detect([picture], LABELS)[0] for picture in pictures()]
    assert_same(together, alone)


def test_backbones_run_once(chunked):
    """The image backbone for all captions of a batch of equal sizes, the text backbone for all images."""
    counts = {"image": 0, "text": 0}
    network = detector(chunked)._network.model
    network.backbone.conv_encoder.register_forward_hook(lambda *_: counts.update(image=counts["image"] + 1))
    network.text_backbone.embeddings.register_forward_hook(lambda *_: counts.update(text=counts["text"] + 1))
    for _ in range(2):
        detector(chunked).detect([pictures()[0], pictures()[3]], [*LABELS, "sky"])
    assert counts == {"image": 2, "text": 3}
    assert "forward" not in vars(network.backbone) and "forward" not in vars(network.text_backbone)


def test_a_caption_does_not_change_the_text_features_of_its_labels(model):
    """Labels do not see each other before the image's features are fused, so only the fusion tells chunks apart."""
    found = detector(model)
    found._read(["cat", "teddy bear"])
    (asked,) = found._asked
    together = [asked.features[0, list(span)] for span in asked.caption.spans]
    for features, label in zip(together, ["cat", "teddy bear"], strict=True):
        found._read([label])
        (alone,) = found._asked
        torch.testing.assert_close(alone.features[0, list(alone.caption.spans[0])], features, rtol=0, atol=1e-5)
    assert not torch.allclose(together[0][0], together[1][0])


def test_equal_labels_are_both_scored(model):
    (found,) = detector(model).detect(pictures()[:1], ["cat", "dog", "cat"])
    scores = [found.scores[found.labels == label] for label in range(3)]
    torch.testing.assert_close(scores[0], scores[2], rtol=0, atol=1e-5)
    assert not torch.allclose(scores[0], scores[1])


def test_no_labels_and_no_images(model):
    for image in detector(model).detect(pictures(), []):
        assert image.boxes.shape == (0, 4) and image.scores.shape == (0,) and image.labels.dtype == torch.int64
    assert detector(model).detect([], LABELS) == []


def test_labels_with_full_stops_are_told(model):
    for _ in range(2):  # also when the labels are known already
        with pytest.warns(VlmbenchWarning, match=r"1 label has a full stop or a question mark.*dr\. pepper"):
            detector(model).detect(pictures()[:1], ["cat", "dr. pepper"])


def test_a_template_is_told(model):
    with pytest.warns(VlmbenchWarning, match=r"all labels begin with 'a photo of a'; the model's authors use bare"):
        detector(model).detect(pictures()[:1], ["a photo of a cat", "a photo of a dog"])


def test_autocast_leaves_coordinates_whole(model):
    whole = detector(model).detect(pictures(), LABELS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = detector(model).detect(pictures(), LABELS)
    for ours, theirs in zip(half, whole, strict=True):
        assert ours.boxes.dtype == ours.scores.dtype == torch.float32
        assert len(ours.boxes.unique()) > 30
        assert (ours.scores - theirs.scores).abs().max() < 0.1


def test_what_the_model_is(model, chunked):
    assert "labels as fit in 256 tokens" in model.identity.tokenizer and "top_k=300" in model.identity.tokenizer
    assert "at most 2 labels" in chunked.identity.tokenizer and "top_k=70" in chunked.identity.tokenizer
    reader = capability(model, TokenReader)
    assert reader is not None and reader.context_length == 256
    with pytest.raises(UnsupportedError, match=r"lacks encode_image and encode_text\).*for boxes"):
        dual_encoder(model)


def test_a_narrow_image(model):
    image = PIL.Image.new("RGB", (2000, 20))
    with pytest.raises(ModelError, match=r"2000 x 20 pixels has \d+ places for the model's 30 queries"):
        detector(model).detect([image], LABELS)


def test_threads_wait_for_each_other(model):
    asked = ["cat", "tree"] * 6
    alone = {label: detector(model).detect(pictures()[:1], [label]) for label in ("cat", "tree")}
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda label: detector(model).detect(pictures()[:1], [label]), asked))
    for label, each in zip(asked, found, strict=True):
        assert_same(each, alone[label], atol=0)


@pytest.mark.parametrize("option", ["top_k", "labels_at_once"])
def test_options_must_be_above_0(folder, option):
    with pytest.raises(ModelError, match=f"{option} must be 1 or more, not 0"):
        open_folder(folder, **{option: 0})


def test_an_option_of_dual_encoders(folder):
    with pytest.raises(ModelError, match="lowercase is an option of dual encoders, and this model is not one"):
        open_folder(folder, lowercase=True)
    open_folder(folder, lowercase=False)


def test_a_label_without_tokens_names_an_option_that_exists(model):
    with pytest.raises(ModelError, match=r"the label '\.' has no tokens") as caught:
        detector(model).detect(pictures()[:1], ["cat", "."])
    (option,) = re.findall(r"--(\w[\w-]*)", caught.value.hint or "")
    assert option in inspect.signature(run).parameters


def test_options_of_other_families(tmp_path):
    folder = clip(tmp_path)
    for option in ("top_k", "labels_at_once", "nms_iou"):
        with pytest.raises(ModelError, match=f"{option} is an option of detectors.*this model is not one"):
            open_folder(folder, **{option: 1})


def test_a_missing_or_other_tokenizer(folder, tmp_path):
    for file in folder.iterdir():
        if not file.name.startswith(("tokenizer", "vocab", "special")):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match="tokenizer"):
        open_folder(tmp_path)
    other = transformers.BertTokenizer(vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, ".": 4, "cat": 5})
    other.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="does not fit the network"):
        open_folder(tmp_path)


def test_cards_state_what_the_families_can_do(model, mm_model):
    check_cards_of("grounding-dino", "transformers", model)
    check_cards_of("mm-grounding-dino", "transformers", mm_model)
