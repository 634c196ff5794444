"""The image stream: every sample once, in bounded memory, with its content hash."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from toy_adapter import toy

from vlmbench.data.base import Sample, SourceInfo
from vlmbench.errors import BadSampleError, ModelError, NonFiniteFeaturesError, VlmbenchWarning
from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.images.batch import ImageBatch, ImageTally
from vlmbench.features.images.stream import AHEAD, encode_images
from vlmbench.features.progress import Silent
from vlmbench.features.settings import EngineSettings
from vlmbench.testing.toy_models import DIM, ToyModel


def png(seed: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


class InMemory:
    """A dataset of encoded images that counts how many are read."""

    info = SourceInfo("memory", "memory")
    classes = None
    templates = None

    def __init__(self, files: Sequence[bytes]) -> None:
        self.files = files
        self.samples = [Sample(f"s{i}", 0) for i in range(len(files))]
        self.reads = 0
        self._lock = threading.Lock()

    def read(self, index: int) -> bytes:
        with self._lock:
            self.reads += 1
        return self.files[index]

    def state(self) -> str:
        return "memory"


def encode(model: ToyModel, dataset: InMemory, **settings: object) -> tuple[list[ImageBatch], ImageTally]:
    tally = ImageTally()
    own = {name: settings.pop(name) for name in ("batch_size", "precision", "skip_bad", "workers") if name in settings}
    chosen = EngineSettings(**{"batch_size": 4, **own})  # type: ignore[arg-type]
    options = {"space": None, "progress": Silent(), "tally": tally}
    indices = settings.pop("indices", range(len(dataset.samples)))
    return list(encode_images(model, dataset, indices, chosen, **{**options, **settings})), tally  # type: ignore[arg-type]


def gathered(batches: list[ImageBatch]) -> dict[int, torch.Tensor]:
    return {index: row for batch in batches for index, row in zip(batch.indices, batch.features, strict=True)}


def test_every_sample_comes_once_as_the_models_own_forward_gives_it() -> None:
    files = [png(i) for i in range(11)]
    batches, tally = encode(toy(), InMemory(files))
    rows = gathered(batches)
    assert sorted(rows) == list(range(11)) and tally.encoded == 11
    model = toy()
    for index, data in enumerate(files):
        pixels = model.preprocess(PIL.Image.open(io.BytesIO(data)))[None]
        torch.testing.assert_close(rows[index], model.encode_image(pixels)[0], rtol=0, atol=1e-6)
    contents = {i: c for batch in batches for i, c in zip(batch.indices, batch.contents, strict=True)}
    assert contents == {i: sha256(data).hexdigest() for i, data in enumerate(files)}


def test_only_the_chosen_samples_are_read() -> None:
    dataset = InMemory([png(i) for i in range(9)])
    batches, _ = encode(toy(), dataset, indices=[1, 5])
    assert sorted(gathered(batches)) == [1, 5] and dataset.reads == 2


def test_cached_images_are_not_encoded_and_one_changed_byte_is(tmp_path: Path) -> None:
    space = FeatureSpace(tmp_path, {}, DIM)
    files = [png(i) for i in range(5)]
    first, _ = encode(toy(), InMemory(files), space=space)
    model = toy()
    files[3] = png(99)
    again, tally = encode(model, InMemory(files), space=space)
    assert (tally.hits, tally.encoded, model.image_calls) == (4, 1, 1)
    for index in (0, 1, 2, 4):
        assert torch.equal(gathered(first)[index], gathered(again)[index])
    assert not torch.equal(gathered(first)[3], gathered(again)[3])


def test_a_content_that_comes_twice_is_a_repeat_and_not_an_earlier_runs(tmp_path: Path) -> None:
    """Three batches lie between the two, so that the first is in the cache when the second is looked up."""
    space = FeatureSpace(tmp_path, {}, DIM)
    files = [png(0), *(png(i) for i in range(1, 40)), png(0)]
    _, tally = encode(toy(), InMemory(files), space=space, batch_size=1, workers=1)
    assert (tally.hits, tally.repeats, tally.from_earlier) == (1, 1, 0) and tally.encoded == 40
    _, again = encode(toy(), InMemory([*files, png(99)]), space=space, batch_size=1, workers=1)
    assert (again.hits, again.repeats, again.from_earlier, again.encoded) == (41, 0, 41, 1)


def test_a_bad_sample_fails_by_default_and_is_counted_on_request() -> None:
    files = [png(0), b"", b"hello, I am text", png(1)[:-30], png(2)]
    with pytest.raises(BadSampleError, match="'s1'"):
        encode(toy(), InMemory(files))
    batches, tally = encode(toy(), InMemory(files), skip_bad=True)
    assert sorted(gathered(batches)) == [0, 4]
    assert [bad.id for bad in tally.bad] == ["s1", "s2", "s3"]
    assert all(bad.reason for bad in tally.bad)


def test_reading_ahead_is_bounded() -> None:
    dataset = InMemory([png(i % 7) for i in range(200)])
    stream = encode_images(
        toy(),
        dataset,
        range(200),
        EngineSettings(batch_size=4, workers=2),
        space=None,
        progress=Silent(),
        tally=ImageTally(),
    )
    next(stream)
    assert dataset.reads <= 4 + AHEAD * 4 + 2
    stream.close()


def test_out_of_memory_halves_and_goes_on() -> None:
    with pytest.warns(VlmbenchWarning, match="continued with batches of 2"):
        batches, _ = encode(toy("memory"), InMemory([png(i) for i in range(4)]))
    assert sorted(gathered(batches)) == [0, 1, 2, 3]


@pytest.mark.parametrize(("flaw", "error"), [("nan", NonFiniteFeaturesError), ("length", ModelError)])
def test_flawed_features_are_refused(flaw: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        encode(toy(flaw), InMemory([png(0)]))
