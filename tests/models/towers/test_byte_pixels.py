"""Transforms cut before ToTensor: the same bits as the whole, for every kind of image and open_clip transform."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

from vlmbench.models.base import BytePixels, capability
from vlmbench.models.towers.byte_pixels import compose_bytes, open_clip_bytes
from vlmbench.rgb import as_rgb

RNG = np.random.default_rng(0)


def picture(mode: str, width: int = 61, height: int = 47) -> PIL.Image.Image:
    if mode == "I;16":
        return PIL.Image.fromarray(RNG.integers(0, 2**16, (height, width), dtype=np.uint16))
    if mode in ("I", "F"):
        return PIL.Image.fromarray(
            RNG.integers(0, 300, (height, width)).astype(np.int32 if mode == "I" else np.float32)
        )
    colours = PIL.Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))
    if mode == "P with transparency":
        palette = colours.convert("P")
        palette.info["transparency"] = 3
        return palette
    return colours.convert(mode)


MODES = ("RGB", "L", "LA", "RGBA", "P", "P with transparency", "CMYK", "1", "YCbCr", "HSV", "I;16", "I", "F")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_a_batch_of_bytes_becomes_what_open_clips_transform_gives_each(
    mode: str, resize_mode: str, interpolation: str
) -> None:
    # ViT-B-16-SigLIP's colours, and the oblong ones of CLIP
    for mean, std in [((0.5,) * 3, (0.5,) * 3), (PreprocessCfg().mean, PreprocessCfg().std)]:
        config = PreprocessCfg(size=32, mean=mean, std=std, interpolation=interpolation, resize_mode=resize_mode)
        transform = image_transform_v2(config, is_train=False)
        cut = open_clip_bytes(transform)
        assert cut is not None
        images = [picture(mode), picture(mode, 32, 32), picture(mode, 33, 90)]
        pixels = torch.stack([cut.to_bytes(image) for image in images])
        assert pixels.dtype == torch.uint8
        assert torch.equal(cut.from_bytes(pixels), torch.stack([transform(as_rgb(image)) for image in images]))


def test_every_byte_in_every_channel_is_the_same() -> None:
    cut = open_clip_bytes(image_transform_v2(PreprocessCfg(size=16), is_train=False))
    assert cut is not None
    every = torch.arange(256, dtype=torch.uint8).view(16, 16).repeat(3, 1, 1)
    whole = Compose([ToTensor(), Normalize(PreprocessCfg().mean, PreprocessCfg().std)])
    assert torch.equal(cut.from_bytes(every[None])[0], whole(PIL.Image.fromarray(every.permute(1, 2, 0).numpy())))


def test_a_batch_is_left_as_it_came() -> None:
    cut = open_clip_bytes(image_transform_v2(PreprocessCfg(size=16), is_train=False))
    assert cut is not None
    pixels = cut.to_bytes(picture("RGB"))[None]
    before = pixels.clone()
    cut.from_bytes(pixels)
    assert torch.equal(pixels, before)


class Louder(Normalize):
    """A Normalize that does something else."""

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        return 2 * tensor


def test_other_ends_are_not_cut() -> None:
    steps = image_transform_v2(PreprocessCfg(size=16), is_train=False).transforms
    assert open_clip_bytes(Compose([*steps, torch.nn.Identity()])) is None
    assert open_clip_bytes(Compose([*steps[:-1], Louder((0.5,) * 3, (0.5,) * 3)])) is None
    assert open_clip_bytes(Compose(steps[-2:])) is None  # nobody makes it RGB
    assert open_clip_bytes(Compose([*steps[:-1], Normalize((0.5,), (0.5,))])) is None
    assert open_clip_bytes(lambda image: image) is None
    assert compose_bytes(Compose([Resize(8), ToTensor()])) is None


def test_a_plain_compose_is_cut_too() -> None:
    whole = Compose([Resize(40), CenterCrop(32), ToTensor(), Normalize([0.498] * 3, [0.502] * 3)])
    cut = compose_bytes(whole)
    assert cut is not None
    for mode in MODES:
        image = picture(mode)
        assert torch.equal(cut.from_bytes(cut.to_bytes(image)[None])[0], whole(as_rgb(image)))


def test_the_demo_model_offers_it() -> None:
    from vlmbench import load_model

    model = load_model("demo-clip")
    cut = capability(model, BytePixels)
    assert cut is not None
    image = picture("RGBA", 200, 120)
    assert torch.equal(cut.from_bytes(cut.to_bytes(image)[None])[0], model.preprocess(image))
