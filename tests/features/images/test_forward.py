"""Inputs of several tensors, such as pixels and a mask, take every way that plain pixels take."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from toy_adapter import FlawedToy, toy

from vlmbench.data.base import Sample, SourceInfo
from vlmbench.errors import ModelError
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.features.images.to_device import pixel_path
from vlmbench.features.run_cache import RunCache
from vlmbench.models.base import Pixels

SIDE = 8


def encoded(width: int, height: int, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    sink = io.BytesIO()
    PIL.Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


FILES = [encoded(1 + seed % SIDE, 1 + 3 * seed % SIDE, seed) for seed in range(9)]


class Files:
    """Images in memory."""

    info = SourceInfo("none", "nowhere")
    classes = templates = None

    def __init__(self, files: Sequence[bytes]) -> None:
        self._files = files
        self.samples = [Sample(f"s{place}", 0) for place in range(len(files))]

    def read(self, index: int) -> bytes:
        return self._files[index]

    def state(self) -> str:
        return ""


class Padded(FlawedToy):
    """Images keep their size in the corner of a square, and a mask says where they are: their mean colour is encoded.

    With the flaw "uneven" the mask is of the image's own size.
    """

    def _square(self, image: PIL.Image.Image) -> dict[str, Tensor]:
        image = image.crop((0, 0, min(SIDE, image.width), min(SIDE, image.height)))
        rows = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
        square, mask = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8), torch.zeros(SIDE, SIDE, dtype=torch.bool)
        square[:, : image.height, : image.width] = rows
        mask[: image.height, : image.width] = True
        return {"pixel_values": square, "mask": mask[: image.height] if self.flaw == "uneven" else mask}

    def preprocess(self, image: PIL.Image.Image) -> Mapping[str, Tensor]:  # type: ignore[override]
        square = self._square(image)
        return {**square, "pixel_values": square["pixel_values"].float() / 255}

    def encode_image(self, pixels: Mapping[str, Tensor]) -> Tensor:  # type: ignore[override]
        values, mask = pixels["pixel_values"], pixels["mask"]
        self.image_calls += len(values)
        if self.flaw == "memory" and len(values) > 2:
            raise torch.OutOfMemoryError("not enough memory for the toy")
        means = (values * mask[:, None]).sum(dim=(2, 3)) / mask.sum(dim=(1, 2))[:, None]
        return F.normalize(means @ self.image_weight[:3], dim=-1)


class InBytes(Padded):
    """The same, whose pixels may stay in bytes on their way."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.capabilities = {"BytePixels": self}

    def to_bytes(self, image: PIL.Image.Image) -> Mapping[str, Tensor]:
        return self._square(image)

    def from_bytes(self, pixels: Mapping[str, Tensor]) -> Pixels:
        there = 1.0001 if pixels["mask"].is_meta and self.flaw == "other bits" else 1.0
        values = torch.empty(pixels["pixel_values"].shape)  # what is on the meta device cannot come back
        if not pixels["mask"].is_meta:
            values = pixels["pixel_values"].float() / 255
        else:
            values = EVERY.expand(values.shape) / 255 * there
        return {"pixel_values": values, "mask": torch.ones(pixels["mask"].shape, dtype=torch.bool)}


EVERY = torch.arange(256.0).view(4, 1, SIDE, SIDE)


def plain(model: Padded) -> Tensor:
    """Each image by itself, through nothing but the model."""
    inputs = [model.preprocess(PIL.Image.open(io.BytesIO(data))) for data in FILES]
    return torch.cat([model.encode_image({name: each[name][None] for name in each}) for each in inputs])


def streamed(model: Padded, spaces: RunCache | None = None, batch_size: int = 4) -> tuple[Tensor, FeatureEngine]:
    engine = FeatureEngine(model, EngineSettings(batch_size=batch_size, workers=2), spaces)
    features = torch.empty(len(FILES), model.embedding_dim)
    for batch in engine.images(Files(FILES), range(len(FILES))):  # type: ignore[arg-type]
        features[batch.indices] = batch.features
    return features, engine


@pytest.mark.parametrize("kind", [Padded, InBytes])
@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_a_stream_of_mappings_is_the_models_own_forward(kind: type[Padded], batch_size: int) -> None:
    model = kind(toy().card, seed=1)
    features, _ = streamed(model, batch_size=batch_size)
    torch.testing.assert_close(features, plain(model), rtol=0, atol=1e-6)


def test_pictures_at_hand_are_encoded_as_those_of_a_dataset() -> None:
    model = Padded(toy().card, seed=1)
    pictures = [PIL.Image.open(io.BytesIO(data)) for data in FILES]
    found = FeatureEngine(model, EngineSettings(batch_size=2)).pixels(pictures)
    torch.testing.assert_close(found, plain(model), rtol=0, atol=1e-6)


def test_a_batch_of_mappings_is_halved() -> None:
    model = Padded(toy().card, seed=1, flaw="memory")
    with pytest.warns(match="a batch of 4 did not fit into memory, so the run continued with batches of 2"):
        features, _ = streamed(model)
    torch.testing.assert_close(features, plain(Padded(toy().card, seed=1)), rtol=0, atol=1e-6)


def test_features_of_mappings_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path))
    model, spaces = Padded(toy().card, seed=1), RunCache(True, "fp32")
    cold, _ = streamed(model, spaces)
    calls = model.image_calls
    warm, engine = streamed(model, spaces)
    spaces.finish()
    assert model.image_calls == calls == len(FILES) and engine.tally.hits == len(FILES)
    assert torch.equal(cold, warm)


def test_tensors_of_uneven_shapes_are_refused_by_name() -> None:
    with pytest.raises(ModelError, match=r"different shapes: .*'mask', \(\d, 8\).* for 's0', .* for 's\d'"):
        streamed(Padded(toy().card, seed=1, flaw="uneven"))


@pytest.mark.parametrize(("flaw", "dtype"), [("", torch.uint8), ("other bits", torch.float32)])
def test_bytes_of_a_mapping_travel_only_where_the_bits_are_the_same(flaw: str, dtype: torch.dtype) -> None:
    path = pixel_path(InBytes(toy().card, torch.device("meta"), 1, flaw=flaw))
    prepared = path.prepare(PIL.Image.open(io.BytesIO(FILES[3])))
    assert isinstance(prepared, Mapping) and prepared["pixel_values"].dtype == dtype
