"""One file gives every model the same pixels: a reference conversion's, made with NumPy, within one grey level."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from models.tiny import image_of_mode
from picture_modes import every_mode, saved

from vlmbench import load_model
from vlmbench.data.formats.pixels import decode_rgb
from vlmbench.features.images.to_device import pixel_path
from vlmbench.models.base import DenseEncoder, capability

ONE_LEVEL = 1 / 255 + 1e-5
pytestmark = pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")


@functools.cache
def of_package(name: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        if name == "conse:":  # it encodes a thousand class names, which takes seconds and changes no pixel
            patch.setattr(pytest.importorskip("vlmbench.models.conse.adapter"), "_imagenet_names", lambda: ["cat"])
        return load_model(name)


def of_library(name: str, folder: Path) -> Any:
    """A tiny checkpoint of a family of transformers."""
    transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")
    from models import checkpoints

    if name in ("align", "flava", "clip"):
        return checkpoints.open_folder(getattr(checkpoints, name)(folder))
    text, vision = checkpoints.CLIP_TEXT, checkpoints.VISION
    tokenizer = checkpoints.small_clip_tokenizer()
    if name == "siglip":
        own = {**checkpoints.TEXT, "vocab_size": 10, "max_position_embeddings": 16}
        network = transformers.SiglipModel(transformers.SiglipConfig(text_config=own, vision_config=vision))
        processor = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
        tokenizer = checkpoints.word_tokenizer(lowercase=True)
    else:
        config = transformers.OwlViTConfig(text_config=text, vision_config=vision, projection_dim=32)
        network = transformers.OwlViTForObjectDetection(config)
        processor = transformers.OwlViTImageProcessor(size={"height": 32, "width": 32})
    return checkpoints.open_folder(checkpoints.save(folder, network, tokenizer, processor))


MODELS: dict[str, int] = {
    **{"open_clip": 32, "clip": 32, "siglip": 32, "align": 36, "flava": 32, "owl": 32},
    **{"conse": 288, "demo-clip": 0},
}
"""The side of an image that the model does not resize; 0: as its first pixels are."""


@pytest.mark.parametrize("name", list(MODELS))
def test_every_mode_gives_the_references_pixels(name: str, open_model: Callable[..., Any], tmp_path: Path) -> None:
    if name in ("conse", "demo-clip"):
        model = of_package("conse:" if name == "conse" else name)
    else:
        model = open_model("tiny", random_seed=0) if name == "open_clip" else of_library(name, tmp_path)
    side = MODELS[name] or model.preprocess(PIL.Image.new("RGB", (9, 9))).shape[-1]
    path = pixel_path(model)
    dense = capability(model, DenseEncoder)

    def pixels(image: PIL.Image.Image) -> torch.Tensor:
        """As the engine makes them."""
        return path.finish(path.prepare(image)[None])[0]  # type: ignore[index]

    black, white = (pixels(PIL.Image.new("RGB", (side, side), colour)) for colour in ("black", "white"))
    for mode, file in every_mode(side).items():
        image = decode_rgb(file.data, mode).image
        expected = torch.from_numpy(file.rgb / 255).float().permute(2, 0, 1)
        margin = (side - black.shape[-1]) // 2
        expected = expected[:, margin : margin + black.shape[1], margin : margin + black.shape[2]]
        for made in (pixels(image), model.preprocess(image), model.preprocess(PIL.Image.open(io.BytesIO(file.data)))):
            found = (made - black) / (white - black)
            assert (found - expected).abs().max() <= ONE_LEVEL, mode
        if dense is not None:
            darkest, lightest = (dense.normalise(PIL.Image.new("RGB", image.size, c)) for c in ("black", "white"))
            found = (dense.normalise(image) - darkest) / (lightest - darkest)
            assert (found - torch.from_numpy(file.rgb / 255).float().permute(2, 0, 1)).abs().max() <= ONE_LEVEL, mode


def test_users_may_give_the_public_model_a_picture_of_any_mode() -> None:
    """Before resizing: a palette's numbers are no colours, and 16 bits are not cut at 255."""
    model = of_package("demo-clip")
    for mode in ("P", "1", "I;16", "LA", "RGBA", "CMYK"):
        image = image_of_mode(mode)
        colours = decode_rgb(saved(image, "TIFF" if mode == "CMYK" else "PNG"), mode).image
        assert torch.equal(model.preprocess(image), model.preprocess(colours)), mode
