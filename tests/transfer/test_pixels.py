"""Images as pixels: of support sets, view by view, and of test sets, in batches; and what cannot be read."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace

import PIL.Image
import pytest
import torch
from small_pictures import pictures
from toy_adapter import FlawedToy, toy

from vlmbench.data.base import Chosen
from vlmbench.errors import BadSampleError, DataError, TransferError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.testing.toy_data import ToyClips, ToyImages
from vlmbench.transfer.inputs import READERS
from vlmbench.transfer.pixels import ViewPixels, pixel_batches
from vlmbench.transfer.views import ViewDataset

DATA = pictures({"cat": range(4), "dog": range(4, 8)})


def engine_of(model: FlawedToy, *, skip_bad: bool = False) -> FeatureEngine:
    return FeatureEngine(model, EngineSettings(batch_size=3, skip_bad=skip_bad))


def transformed(model: FlawedToy, data: bytes) -> torch.Tensor:
    found = model.preprocess(PIL.Image.open(io.BytesIO(data)).convert("RGB"))
    assert isinstance(found, torch.Tensor)
    return found


def test_views_are_those_of_the_dataset_of_views() -> None:
    model, chosen = toy(), Chosen(DATA, [5, 0, 3])
    pixels, views = ViewPixels(engine_of(model), chosen, 4), ViewDataset(DATA, [5, 0, 3], 4)
    found = pixels(torch.tensor([0, 3, 1, 3]), torch.tensor([2, 0, 1, 0]))
    for row, place in enumerate((8, 3, 5, 3)):
        assert torch.equal(found[row], transformed(model, views.read(place)))
    assert (pixels.views, pixels.images) == (4, 3) and not model.image_calls
    assert torch.equal(found[0], transformed(model, DATA.read(3))), "view 0 is the image itself"


@pytest.mark.parametrize("room, reads", [(10**9, 3), (0, 6)])
def test_pixels_are_made_once_if_there_is_room(room: int, reads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = ViewPixels(engine_of(toy()), Chosen(DATA, range(8)), 1, most_bytes=room)
    asked: list[int] = []
    read = ViewDataset.read
    monkeypatch.setattr(ViewDataset, "read", lambda self, index: (asked.append(index), read(self, index))[1])
    rows = torch.tensor([4, 1, 1, 6])
    first = pixels(torch.zeros_like(rows), rows)
    assert torch.equal(pixels(torch.zeros_like(rows), rows), first) and len(asked) == reads


def test_what_fits_is_kept_and_the_rest_is_made_again() -> None:
    pixels = ViewPixels(engine_of(toy()), Chosen(DATA, range(8)), 1, most_bytes=2**20)
    size = pixels(torch.tensor([0]), torch.tensor([0])).numel() * 4
    few = ViewPixels(engine_of(toy()), Chosen(DATA, range(8)), 1, most_bytes=3 * size)
    rows = torch.arange(8)
    assert torch.equal(few(torch.zeros_like(rows), rows), pixels(torch.zeros_like(rows), rows))
    assert len(few._kept) == 3


def test_test_images_come_in_batches_with_their_contents() -> None:
    model = toy()
    engine = engine_of(model)
    found = list(pixel_batches(engine, Chosen(DATA, [5, 0, 3, 7]), {}))
    assert [batch.indices for batch in found] == [[5, 0, 3], [7]]
    features = {index: content for batch in engine.images(DATA, [5, 0, 3, 7]) for index, content in _pairs(batch)}
    assert {index: content for batch in found for index, content in _pairs(batch)} == features
    for batch in found:
        for index, pixels in zip(batch.indices, batch.features, strict=True):
            assert torch.equal(pixels, transformed(model, DATA.read(index)))
    assert READERS["pixels"] is pixel_batches and engine.tally.pictures == 4


def _pairs(batch):  # type: ignore[no-untyped-def]
    return zip(batch.indices, batch.contents, strict=True)


def test_a_bad_test_image_stops_or_is_left_out_and_counted_once() -> None:
    broken = replace(DATA, files=[b"no image", *DATA.files[1:]])
    with pytest.raises(BadSampleError, match="dog/007"):
        list(pixel_batches(engine_of(toy()), Chosen(broken, [0, 1, 2]), {}))
    engine = engine_of(toy(), skip_bad=True)
    for _ in range(2):
        assert [batch.indices for batch in pixel_batches(engine, Chosen(broken, [0, 1, 2]), {})] == [[1, 2]]
    (bad,) = engine.tally.bad
    assert bad.id == broken.samples[0].id and bad.content is not None


@pytest.mark.parametrize("skip_bad, error", [(False, BadSampleError), (True, DataError)])
def test_a_bad_support_image_stops(skip_bad: bool, error: type[Exception]) -> None:
    broken = replace(DATA, files=[b"no image", *DATA.files[1:]])
    pixels = ViewPixels(engine_of(toy(), skip_bad=skip_bad), Chosen(broken, [0, 1]), 2)
    pixels(torch.tensor([1]), torch.tensor([1]))
    with pytest.raises(error, match=r"dog/007\.png"):
        pixels(torch.tensor([0]), torch.tensor([0]))


def test_an_image_that_the_transform_refuses_is_a_bad_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(image: PIL.Image.Image) -> torch.Tensor:
        raise ValueError("too narrow")

    model = toy()
    monkeypatch.setattr(model, "preprocess", refuse, raising=False)
    with pytest.raises(BadSampleError, match="the model's transform refuses the image: too narrow"):
        list(pixel_batches(engine_of(model), Chosen(DATA, [0]), {}))


def test_a_transform_of_several_tensors_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy()
    monkeypatch.setattr(model, "preprocess", lambda image: {"pixels": torch.zeros(3, 2, 2)}, raising=False)
    with pytest.raises(TransferError, match="gives a dict"):
        list(pixel_batches(engine_of(model), Chosen(DATA, [0]), {}))


def test_clips_are_refused() -> None:
    clips = ToyClips(DATA.samples, DATA.files, DATA.classes, frames=[DATA.files[:2]], frames_per_clip=2)
    with pytest.raises(TransferError, match="these are clips"):
        list(pixel_batches(engine_of(toy()), Chosen(clips, [0]), {}))
    with pytest.raises(TransferError, match="these are clips"):
        ViewPixels(engine_of(toy()), Chosen(clips, [0]), 2)


def test_a_remark_on_a_file_is_made_once() -> None:
    sink = io.BytesIO()
    PIL.Image.new("RGBA", (8, 6), (1, 2, 3, 100)).save(sink, "PNG")
    data: ToyImages = replace(DATA, files=[sink.getvalue(), *DATA.files[1:]])
    pixels = ViewPixels(engine_of(toy()), Chosen(data, [0, 1]), 2, most_bytes=0)
    zero = torch.tensor([0])
    with pytest.warns(match="transparen"):
        pixels(zero, zero)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels(zero, zero)
