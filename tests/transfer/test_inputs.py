"""How images are read for a classifier: as patches and as views, in order, with nothing left behind."""

from __future__ import annotations

import io
from dataclasses import replace

import PIL.Image
import pytest
import torch
from small_pictures import pictures
from torch import Tensor
from toy_adapter import FlawedToy, toy

from vlmbench.data.base import Chosen, ImageDataset
from vlmbench.errors import BadSampleError, TransferError, UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.batch import ImageBatch
from vlmbench.features.settings import EngineSettings
from vlmbench.testing.toy_parts import ToyPatches
from vlmbench.transfer.base import Reads
from vlmbench.transfer.encoded import encoded
from vlmbench.transfer.inputs import PASSES, READERS
from vlmbench.transfer.patch_inputs import _window, patch_batches, patch_views, settled_readout
from vlmbench.transfer.view_inputs import view_batches
from vlmbench.transfer.views import ViewDataset

DATA = pictures({"cat": range(4), "dog": range(4, 8)})


def model_with(patches: ToyPatches) -> FlawedToy:
    model = toy()
    model.capabilities = {"DenseEncoder": patches}
    return model


def engine_of(patches: ToyPatches | None = None, *, skip_bad: bool = False) -> FeatureEngine:
    model = model_with(patches or ToyPatches(patch_size=2))
    return FeatureEngine(model, EngineSettings(batch_size=3, skip_bad=skip_bad))


def literal(model: FlawedToy, dataset: ImageDataset, index: int, readout: str = "plain") -> Tensor:
    """(1 + P, D) of one image, encoded alone."""
    pixels = model.preprocess(PIL.Image.open(io.BytesIO(dataset.read(index))).convert("RGB"))[None]
    dense = model.capabilities["DenseEncoder"]
    assert isinstance(dense, ToyPatches)
    places = dense.encode_patches(pixels, readout)[0]
    rows = [places[:, row, column] for row in range(places.shape[1]) for column in range(places.shape[2])]
    return torch.stack([model.encode_image(pixels)[0], *rows])


def rows_of(batches: list[ImageBatch]) -> dict[int, Tensor]:
    return {index: row for batch in batches for index, row in zip(batch.indices, batch.features, strict=True)}


@pytest.mark.parametrize("readout", ["plain", "other"])
def test_an_image_is_its_feature_and_those_of_its_patches(readout: str) -> None:
    engine, chosen = engine_of(), Chosen(DATA, [5, 0, 3, 7])
    batches = list(patch_batches(engine, chosen, {"readout": readout}))
    assert [batch.indices for batch in batches] == [[5, 0, 3], [7]]
    model, known = model_with(ToyPatches(patch_size=2)), encoded(engine, chosen).contents
    for index, row in rows_of(batches).items():
        torch.testing.assert_close(row, literal(model, DATA, index, readout), rtol=0, atol=1e-6)
    assert row.shape == (5, 16)
    assert [content for batch in batches for content in batch.contents] == [known[index] for index in chosen.indices]


def test_few_patches_are_kept_for_the_next_method_and_many_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    patches = ToyPatches(patch_size=2)
    engine, chosen = engine_of(patches), Chosen(DATA, range(7))
    first = rows_of(list(patch_batches(engine, chosen, {})))
    count = len(patches.calls)
    later = FeatureEngine(engine.model, engine.settings, memory=engine.memory)
    again = rows_of(list(patch_batches(later, chosen, {})))
    assert len(patches.calls) == count and all(torch.equal(first[index], again[index]) for index in first)
    list(patch_batches(later, chosen, {"readout": "other"}))
    assert len(patches.calls) == 2 * count, "another readout is another input"
    monkeypatch.setattr("vlmbench.transfer.patch_inputs.MOST_KEPT", 2 * 3 * 5 * 16 * 4)
    large = engine_of(patches)
    for _ in range(2):
        found = rows_of(list(patch_batches(large, chosen, {})))
        assert all(torch.equal(first[index], found[index]) for index in first)
    assert len(patches.calls) == 4 * count


def test_each_view_of_a_support_image_has_its_own_patches() -> None:
    engine, indices, model = engine_of(), [6, 2], model_with(ToyPatches(patch_size=2))
    found = patch_views(engine, Chosen(DATA, indices), "plain", views=3)
    assert found.shape == (3, 2, 5, 16)
    dataset = ViewDataset(DATA, indices, 3)
    for image in range(2):
        for view in range(3):
            expected = literal(model, dataset, 3 * image + view)
            torch.testing.assert_close(found[view, image], expected, rtol=0, atol=1e-6)
    alone = patch_views(engine_of(), Chosen(DATA, indices), "plain")
    torch.testing.assert_close(alone[0], found[0], rtol=0, atol=1e-6)
    assert not found.is_inference(), "a method that trains keeps them for its backward pass"


def test_bad_images_are_left_out_once_and_told_once() -> None:
    broken = replace(DATA, files=[*DATA.files[:3], b"no image", *DATA.files[4:]])
    engine, chosen = engine_of(skip_bad=True), Chosen(broken, range(5))
    assert sorted(rows_of(list(patch_batches(engine, chosen, {})))) == [0, 1, 2, 4]
    assert sorted(rows_of(list(view_batches(engine, chosen, {"views": 2})))) == [0, 1, 2, 4]
    assert [bad.id for bad in engine.tally.bad] == [broken.samples[3].id]
    with pytest.raises(BadSampleError):
        list(patch_batches(engine_of(), chosen, {}))


def test_pixels_are_cut_around_their_centre_to_whole_patches() -> None:
    engine, pixels = engine_of(), torch.arange(3 * 8 * 11).reshape(3, 8, 11)
    assert torch.equal(_window(engine, pixels, 3), pixels[:, 1:7, 1:10])
    assert torch.equal(_window(engine, pixels, 4), pixels[:, :, 1:9])
    with pytest.raises(TransferError, match="images are smaller than a patch of 9 pixels"):
        _window(engine, pixels, 9)
    with pytest.raises(TransferError, match="its transform gives no plain pixels"):
        _window(engine, {"pixels": pixels}, 3)


def test_a_readout_is_plain_or_the_first_unless_it_is_named() -> None:
    assert settled_readout(engine_of(), "auto") == "plain"
    assert settled_readout(engine_of(ToyPatches(readouts=("other", "more"))), "auto") == "other"
    with pytest.raises(UsageError, match="toy has no readout 'plian'") as told:
        settled_readout(engine_of(), "plian")
    assert told.value.hint is not None and "'plain'" in told.value.hint


@pytest.mark.parametrize("at_once", [1024, 2])
def test_views_are_the_image_and_random_parts_of_it(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmbench.transfer.view_inputs._AT_ONCE", at_once)
    engine, indices = engine_of(), [5, 0, 3, 7, 2]
    batches = list(view_batches(engine, Chosen(DATA, indices), {"views": 4, "smallest_area": 0.1}))
    found, model = rows_of(batches), toy()
    assert sorted(found) == sorted(indices) and all(row.shape == (4, 16) for row in found.values())
    dataset = ViewDataset(DATA, indices, 4, smallest_area=0.1)
    for place, index in enumerate(indices):
        for view in range(4):
            picture = PIL.Image.open(io.BytesIO(dataset.read(4 * place + view))).convert("RGB")
            expected = model.encode_image(model.preprocess(picture)[None])[0]
            torch.testing.assert_close(found[index][view], expected, rtol=0, atol=1e-6)
    known = encoded(engine, Chosen(DATA, indices)).contents
    assert all(batch.contents == [known[index] for index in batch.indices] for batch in batches)
    larger = rows_of(list(view_batches(engine, Chosen(DATA, indices), {"views": 4, "smallest_area": 0.9})))
    assert torch.equal(larger[5][0], found[5][0]) and float((larger[5][1] - found[5][1]).abs().max()) > 1e-4


class Counted:
    """Counts the images that go through a model's towers, and the patches' tower among them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.images = 0
        self.model = model_with(ToyPatches(patch_size=2))
        encode, patches = FlawedToy.encode_image, ToyPatches.encode_patches

        def encode_image(model: FlawedToy, pixels: Tensor) -> Tensor:
            self.images += len(pixels)
            return encode(model, pixels)

        def encode_patches(own: ToyPatches, pixels: Tensor, readout: str) -> Tensor:
            self.images += len(pixels)
            return patches(own, pixels, readout)

        monkeypatch.setattr(FlawedToy, "encode_image", encode_image)
        monkeypatch.setattr(ToyPatches, "encode_patches", encode_patches)


@pytest.mark.parametrize("reads, settings", [
    ("features", {}),
    ("patches", {}),
    ("two-models", {"other": "second"}),
])  # fmt: skip
def test_passes_are_those_of_the_towers(
    reads: Reads, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    others = lambda name: FeatureEngine(toy(), EngineSettings())  # noqa: E731
    engine = FeatureEngine(counted.model, EngineSettings(batch_size=3), others=others)
    list(READERS[reads](engine, Chosen(DATA, range(5)), settings))
    assert counted.images == 5 * PASSES[reads]
    assert PASSES.keys() == READERS.keys()
