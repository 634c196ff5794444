"""The image transform without the transformers library gives the pixels that the library gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
import transformers
from missing_packages import without_packages
from models.onnx.exported import copied, open_onnx
from models.tiny import image_of_mode

from vlmbench.errors import ModelError
from vlmbench.models.onnx.plain_transform import plain_transform
from vlmbench.models.onnx.probes import pictures
from vlmbench.rgb import as_rgb

SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "clip": ("CLIPImageProcessor", {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}),
    "old-clip": ("CLIPImageProcessor", {"size": 32, "crop_size": 32}),
    "large-crop": ("CLIPImageProcessor", {"size": {"shortest_edge": 20}, "crop_size": {"height": 33, "width": 30}}),
    "siglip": ("SiglipImageProcessor", {"size": {"height": 24, "width": 36}, "resample": 2}),
    "no-normalise": ("SiglipImageProcessor", {"size": {"height": 24, "width": 24}, "do_normalize": False}),
    "no-rescale": ("SiglipImageProcessor", {"size": {"height": 24, "width": 24}, "do_rescale": False}),
    "no-resize": ("CLIPImageProcessor", {"do_resize": False, "crop_size": {"height": 32, "width": 32}}),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_plain_transforms_are_the_librarys(name: str, tmp_path: Path) -> None:
    kind, settings = SETTINGS[name]
    processor = getattr(transformers, kind)(**settings)
    processor.save_pretrained(tmp_path)
    file = tmp_path / "preprocessor_config.json"
    plain = plain_transform(
        file, json.loads(file.read_text()) | ({"size": 32, "crop_size": 32} if "old" in name else {})
    )
    odd = [PIL.Image.new("RGB", (3, 90), "red"), PIL.Image.new("RGB", (47, 31), "blue")]
    for image in (*pictures(), *odd, as_rgb(image_of_mode("RGBA")), image_of_mode("L").convert("RGB")):
        theirs = processor(images=image, return_tensors="pt")["pixel_values"][0]
        assert torch.equal(plain(image), theirs)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_processor_type": "FlavaImageProcessor"}, "is of a FlavaImageProcessor"),
        ({}, "is of a processor without a name"),
        ({"image_processor_type": "SiglipImageProcessor", "do_pad": True}, "sets do_pad"),
        ({"image_processor_type": "SiglipImageProcessor"}, "does not state a plain image transform"),
        ({"image_processor_type": "SiglipImageProcessor", "size": {"longest_edge": 9}}, "does not state"),
    ],
)
def test_other_transforms_need_the_library(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        plain_transform(Path("preprocessor_config.json"), settings)
    assert caught.value.hint == "pip install 'vlmbench[transformers]'"


def test_a_model_without_the_library(clip_pair: Path, tmp_path: Path) -> None:
    folder = copied(clip_pair, tmp_path / "plain")
    with_library = open_onnx(folder)
    with without_packages("transformers"):
        plain = open_onnx(folder)
    assert plain.identity.preprocess.startswith("plain resize")
    for image in pictures():
        assert torch.equal(plain.preprocess(image), with_library.preprocess(image))
