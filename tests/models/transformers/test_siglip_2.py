"""SigLIP 2 NaFlex through the whole image stream: each image is several tensors, with its own number of patches."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from data.layouts import image_bytes
from models.tiny import assert_same_features

from vlmbench.data.base import Sample, SourceInfo
from vlmbench.errors import TransferError
from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.features.images.batch import ImageTally
from vlmbench.features.images.stream import encode_images
from vlmbench.features.progress import Silent
from vlmbench.models.base import dual_encoder
from vlmbench.testing import check_model
from vlmbench.transfer.pixels import read_pixels

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models import dual_checkpoints as saved  # noqa: E402  (after the skip)
from models.checkpoints import open_folder  # noqa: E402

SIZES = [(70, 50), (120, 30), (64, 64), (25, 100), (8, 8), (33, 200)]


class Pictures:
    """Images of several shapes in memory."""

    info = SourceInfo("memory", "memory")
    classes = None
    templates = None

    def __init__(self) -> None:
        self.files = [image_bytes(number, size=size) for number, size in enumerate(SIZES)]
        self.samples = [Sample(f"p{number}", 0) for number in range(len(SIZES))]

    def read(self, index: int) -> bytes:
        return self.files[index]

    def state(self) -> str:
        return "memory"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved.siglip2(tmp_path_factory.mktemp("siglip2"))


@pytest.fixture(scope="module")
def expected(folder: Path) -> torch.Tensor:
    """The library's features of each image alone, without any padding."""
    library = transformers.Siglip2Model.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    rows, counts = [], set()
    with torch.inference_mode():
        for file in Pictures().files:
            inputs = processor(images=PIL.Image.open(io.BytesIO(file)), return_tensors="pt")
            used = int(inputs["pixel_attention_mask"].sum())
            counts.add(used)
            whole = {name: inputs[name][:, :used] for name in ("pixel_values", "pixel_attention_mask")}
            rows.append(library.get_image_features(**whole, spatial_shapes=inputs["spatial_shapes"]).pooler_output)
    assert len(counts) > 1  # so that padding is tested
    return F.normalize(torch.cat(rows), dim=-1)


def streamed(
    model: Any, batch_size: int, tally: ImageTally, space: FeatureSpace | None, in_flight: int
) -> torch.Tensor:
    dataset: Any = Pictures()
    batches = encode_images(
        dual_encoder(model),
        dataset,
        range(len(SIZES)),
        EngineSettings(batch_size=batch_size),
        space=space,
        progress=Silent(),
        tally=tally,
        in_flight=in_flight,
    )
    return torch.cat([batch.features for batch in batches])


def test_the_stream_gives_the_librarys_features(folder, expected, tmp_path):
    """In every batch size, with batches in flight, and from the cache."""
    model = open_folder(folder)
    for batch_size, in_flight in ((1, 0), (4, 0), (4, 1), (64, 1)):
        assert_same_features(streamed(model, batch_size, ImageTally(), None, in_flight), expected)
    space = FeatureSpace(tmp_path, {"model": "m"}, model.embedding_dim)
    first, second = ImageTally(), ImageTally()
    computed, cached = (streamed(model, 4, tally, space, 0) for tally in (first, second))
    assert torch.equal(computed, cached)
    assert (first.encoded, first.hits, second.encoded, second.hits) == (len(SIZES), 0, 0, len(SIZES))


def test_images_in_memory_are_encoded_alike(folder, expected):
    """As crops of detection are."""
    engine = FeatureEngine(open_folder(folder), EngineSettings(batch_size=4))
    crops = [PIL.Image.open(io.BytesIO(file)) for file in Pictures().files]
    assert_same_features(engine.pixels(crops), expected)


def test_it_keeps_every_promise(folder):
    check_model(open_folder(folder), texts=["a cat"], any_mode=True)


def test_methods_that_train_through_the_tower_say_what_they_need(folder):
    engine = FeatureEngine(open_folder(folder), EngineSettings(batch_size=4))
    dataset: Any = Pictures()
    with pytest.raises(TransferError, match=r"need one tensor \(3, H, W\)"):
        list(read_pixels(engine, dataset, [0]))
