"""OmDet-Turbo: the library's own forward and post-processing."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from vlmbench.errors import ModelError, VlmbenchWarning
from vlmbench.models.base import Detections, TokenReader, capability

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models.checkpoints import open_folder  # noqa: E402  (after the skip)
from models.transformers.grounded.detectors import assert_same, detector, omdet, pictures  # noqa: E402
from support.abilities import check_cards_of  # noqa: E402

LABELS = ["cat", "a photo of a dog", "red bus", "tree", "grass"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return omdet(tmp_path_factory.mktemp("omdet"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return open_folder(folder)


@cache
def loaded(folder: Path) -> tuple[Any, Any]:
    network = transformers.OmDetTurboForObjectDetection.from_pretrained(folder).eval()
    images = transformers.AutoImageProcessor.from_pretrained(folder)
    return network, transformers.OmDetTurboProcessor(images, transformers.AutoTokenizer.from_pretrained(folder))


def librarys(folder: Path, labels: list[str], **options: Any) -> list[Detections]:
    """Four images at once, by the library's processor, forward and post-processing without a threshold."""
    network, processor = loaded(folder)
    inputs = processor(pictures(), text=[labels] * 4, return_tensors="pt")
    with torch.inference_mode():
        outputs = network(**inputs)
    sizes = [(image.height, image.width) for image in pictures()]
    found = processor.post_process_grounded_object_detection(outputs, threshold=0.0, target_sizes=sizes, **options)
    return [Detections(image["boxes"], image["scores"], image["labels"]) for image in found]


def test_detections_are_the_librarys(folder, model):
    found = detector(model).detect(pictures(), LABELS)
    assert_same(found, librarys(folder, LABELS))
    assert len(found[0].labels.unique()) > 1 and len(found[0].scores) < 30  # some boxes of a label overlap
    for image, picture in zip(found, pictures(), strict=True):
        assert bool((image.boxes >= 0).all() and (image.boxes[:, 2] <= picture.width).all())


def test_options(folder):
    few = open_folder(folder, top_k=70, nms_iou=1.0)
    assert_same(detector(few).detect(pictures(), LABELS), librarys(folder, LABELS, max_num_det=70, nms_threshold=1.0))
    assert "top_k=70; nms_iou=1.0" in few.identity.tokenizer
    with pytest.raises(ModelError, match="nms_iou must be from 0 to 1, not 2"):
        open_folder(folder, nms_iou=2)


def test_images_alone_and_in_a_batch(model):
    together = detector(model).detect(pictures(), LABELS)
    assert_same(together, [detector(model).detect([picture], LABELS)[0] for picture in pictures()])


def test_long_lists_are_asked_at_once(folder, model):
    """150 labels: more than the library's cache holds, and a task of more than 77 tokens, which the library cuts."""
    labels = [f"{name} {more}" for name in ("cat", "dog", "red") for more in LABELS * 10]
    with pytest.warns(VlmbenchWarning, match="the text of the task names 150 labels and has more than 77 tokens"):
        found = detector(model).detect(pictures(), labels)
    assert_same(found, librarys(folder, labels))
    assert int(found[0].labels.max()) > 20


def test_other_labels_are_other_questions(model):
    first = detector(model).detect(pictures()[:1], LABELS)
    detector(model).detect(pictures()[:1], LABELS[:2])
    assert_same(detector(model).detect(pictures()[:1], LABELS), first)


def test_no_labels_and_no_images(model):
    for image in detector(model).detect(pictures(), []):
        assert image.boxes.shape == (0, 4) and image.scores.shape == (0,) and image.labels.dtype == torch.int64
    assert detector(model).detect([], LABELS) == []


def test_autocast_leaves_coordinates_whole(model):
    whole = detector(model).detect(pictures(), LABELS)
    detector(model).detect(pictures(), ["a label"])  # so that the labels are encoded again
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = detector(model).detect(pictures(), LABELS)
    for ours, theirs in zip(half, whole, strict=True):
        assert ours.boxes.dtype == ours.scores.dtype == torch.float32
        assert (ours.scores[:5] - theirs.scores[:5]).abs().max() < 0.1


def test_too_long_labels_are_counted(model):
    reader = capability(model, TokenReader)
    assert reader is not None and reader.context_length == 77
    long = " ".join(["cat"] * 100)
    assert list(reader.token_counts([long])) == [102] and reader.tokenize([long, "cat"]).shape == (2, 77)


def test_a_processor_of_another_size(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    transformers.DetrImageProcessor(size={"height": 32, "width": 64}).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="but the network takes 64 x 64 pixels"):
        open_folder(tmp_path)


def test_a_missing_timm_is_one_message(folder, tmp_path, monkeypatch):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    transformers.OmDetTurboConfig().save_pretrained(tmp_path)
    import transformers.utils.import_utils as library

    monkeypatch.setitem(library.BACKENDS_MAPPING, "timm", (lambda: False, library.TIMM_IMPORT_ERROR))
    with pytest.raises(ModelError, match="cannot be loaded without the package timm, which is not installed") as caught:
        open_folder(tmp_path)
    assert caught.value.hint == "Install it: pip install timm"


def test_cards_state_what_the_family_can_do(model):
    check_cards_of("omdet-turbo", "transformers", model)
