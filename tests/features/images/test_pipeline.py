"""The image stream against the plain path: odd batches and images, batches in flight, streams that are broken off."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor
from toy_adapter import toy

from vlmbench import load_model
from vlmbench.data.base import Sample, SourceInfo
from vlmbench.data.formats.pixels import decode_rgb
from vlmbench.errors import BadSampleError, ModelError
from vlmbench.features.images.batch import ImageTally
from vlmbench.features.images.forward import ImageEncoder, Queued, overlapped
from vlmbench.features.images.stream import encode_images
from vlmbench.features.images.to_device import PixelPath, Staging, pixel_path
from vlmbench.features.progress import Silent
from vlmbench.features.settings import EngineSettings
from vlmbench.features.stopwatch import Stopwatch
from vlmbench.features.workers import THREAD_NAME, in_threads
from vlmbench.models.base import BytePixels, VisionLanguageModel, capability
from vlmbench.testing.toy_models import ToyModel


def encoded(image: PIL.Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def picture(seed: int, mode: str = "RGB", size: tuple[int, int] = (70, 50)) -> PIL.Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = PIL.Image.fromarray(pixels)
    if mode == "I;16":
        return PIL.Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257)
    return image.convert(mode)


FILES = [
    encoded(picture(0)),
    encoded(picture(1, "L")),
    encoded(picture(2, "RGBA", (33, 90))),
    encoded(picture(3, "P")),
    encoded(picture(4, "I;16")),
    encoded(picture(5, size=(224, 224)), "JPEG"),
    encoded(picture(6, "CMYK", (300, 40)), "JPEG"),
    encoded(picture(7, "1")),
    encoded(picture(8, "LA")),
    encoded(picture(9, size=(1, 1))),
    encoded(picture(10), "GIF"),
]


RGB = [decode_rgb(data, "").image for data in FILES]


class Files:
    """A dataset of encoded images."""

    info = SourceInfo("memory", "memory")
    classes = None
    templates = None

    def __init__(self, files: Sequence[bytes]) -> None:
        self.files = files
        self.samples = [Sample(f"s{index}", 0) for index in range(len(files))]

    def read(self, index: int) -> bytes:
        return self.files[index]

    def state(self) -> str:
        return "memory"


def stream(model: VisionLanguageModel, files: Sequence[bytes], tally: ImageTally | None = None, **settings: object):  # type: ignore[no-untyped-def]
    space, progress = settings.pop("space", None), settings.pop("progress", Silent())
    flight = {"in_flight": settings.pop("in_flight")} if "in_flight" in settings else {}
    return encode_images(
        model,
        Files(files),
        range(len(files)),
        EngineSettings(**{"batch_size": 4, **settings}),  # type: ignore[arg-type]
        space=space,  # type: ignore[arg-type]
        progress=progress,  # type: ignore[arg-type]
        tally=ImageTally() if tally is None else tally,
        **flight,  # type: ignore[arg-type]
    )


def features(model: VisionLanguageModel, files: Sequence[bytes], **settings: object) -> dict[int, Tensor]:
    return {
        index: row
        for batch in stream(model, files, **settings)
        for index, row in zip(batch.indices, batch.features, strict=True)
    }


@pytest.fixture(scope="module")
def demo() -> VisionLanguageModel:
    return load_model("demo-clip")


@pytest.mark.parametrize("batch_size", [1, 3, 4, 11, 64])
@pytest.mark.parametrize("in_flight", [0, 1, 3])
def test_the_features_are_those_of_the_plain_path(demo: VisionLanguageModel, batch_size: int, in_flight: int) -> None:
    with torch.inference_mode():
        plain = demo.encode_image(torch.stack([demo.preprocess(image) for image in RGB]))
    rows = features(demo, FILES, batch_size=batch_size, in_flight=in_flight)
    assert sorted(rows) == list(range(len(FILES)))
    torch.testing.assert_close(torch.stack([rows[i] for i in range(len(FILES))]), plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("in_flight", [0, 1])
def test_one_image_alone(demo: VisionLanguageModel, in_flight: int) -> None:
    assert list(features(demo, FILES[:1], in_flight=in_flight)) == [0]


def test_nothing_at_all_is_no_batch(demo: VisionLanguageModel) -> None:
    assert list(stream(demo, [])) == []


class Seeing:
    """A model that keeps what its encoder was shown."""

    def __init__(self, model: VisionLanguageModel) -> None:
        self._model = model
        self.shown: list[Tensor] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def encode_image(self, pixels: Tensor) -> Tensor:
        self.shown.append(pixels.clone())
        return self._model.encode_image(pixels)


def test_the_encoder_sees_the_models_own_pixels_to_the_bit(demo: VisionLanguageModel) -> None:
    seeing = Seeing(demo)
    list(stream(seeing, FILES, batch_size=3))  # type: ignore[arg-type]
    own = torch.stack([demo.preprocess(image) for image in RGB])
    assert [len(batch) for batch in seeing.shown] == [3, 3, 3, 2]
    assert torch.equal(torch.cat(seeing.shown), own)


@pytest.mark.parametrize("in_flight", [0, 2])
def test_bytes_that_travel_become_the_models_own_pixels_to_the_bit(demo: VisionLanguageModel, in_flight: int) -> None:
    cut = capability(demo, BytePixels)
    assert cut is not None
    seeing = Seeing(demo)
    path = PixelPath(cut.to_bytes, cut.from_bytes)
    encoder = ImageEncoder(seeing, "fp32", ImageTally(), in_flight)  # type: ignore[arg-type]
    encoder.path = path
    images = [PIL.Image.open(io.BytesIO(data)) for data in FILES]
    places = [range(0, 4), range(4, 5), range(5, 11)]

    def start(rows: range) -> Queued:
        return encoder.queue([path.prepare(images[row]) for row in rows], [f"s{row}" for row in rows])

    fetched = [rows for _, rows in overlapped(places, start, lambda _, queued: encoder.fetch(queued), in_flight)]
    own = torch.stack([demo.preprocess(image) for image in images])
    assert torch.equal(torch.cat(seeing.shown), own)
    with torch.inference_mode():
        torch.testing.assert_close(torch.cat(fetched), demo.encode_image(own), rtol=0, atol=1e-6)


class Elsewhere:
    """A transform whose second half comes out as it should on the CPU, and as told on another device."""

    def __init__(self, there: float) -> None:
        self._there = there

    def to_bytes(self, image: PIL.Image.Image) -> Tensor:
        return torch.zeros(3, 4, 4, dtype=torch.uint8)

    def from_bytes(self, pixels: Tensor) -> Tensor:
        return torch.full(pixels.shape, self._there if pixels.is_meta else 1.0)


@pytest.mark.parametrize(("there", "dtype"), [(1.0, torch.uint8), (1.0000001, torch.float32)])
def test_bytes_travel_only_to_a_device_that_computes_the_same_bits(there: float, dtype: torch.dtype) -> None:
    model = ToyModel(toy().card, torch.device("meta"), 1, capabilities={"BytePixels": Elsewhere(there)})
    assert pixel_path(model).prepare(picture(0)).dtype == dtype


@pytest.mark.parametrize("in_flight", [0, 1])
def test_bad_samples_in_the_middle_leave_the_others_in_place(demo: VisionLanguageModel, in_flight: int) -> None:
    files = [FILES[0], FILES[1], b"no image", FILES[2], FILES[3][:-40], FILES[5]]
    tally = ImageTally()
    rows = features(demo, files, tally=tally, batch_size=2, skip_bad=True, in_flight=in_flight)
    assert sorted(rows) == [0, 1, 3, 5] and [bad.id for bad in tally.bad] == ["s2", "s4"]
    alone = features(demo, [FILES[5]])[0]
    torch.testing.assert_close(rows[5], alone, rtol=0, atol=1e-6)
    with pytest.raises(BadSampleError, match="'s2'"):
        features(demo, files, in_flight=in_flight)


class Uneven(ToyModel):
    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        return torch.zeros(3, image.height, 4)


def test_images_of_uneven_shapes_are_refused_by_name() -> None:
    model = Uneven(toy().card, seed=1)
    files = [encoded(picture(0, size=(4, 4))), encoded(picture(1, size=(4, 5)))]
    with pytest.raises(ModelError, match=r"\(3, 4, 4\) for 's0', \(3, 5, 4\) for 's1'"):
        features(model, files)


def workers_alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]


class Interrupted(ToyModel):
    def encode_image(self, pixels: Tensor) -> Tensor:
        if self.image_calls:
            raise KeyboardInterrupt
        return super().encode_image(pixels)


def test_ctrl_c_in_the_middle_leaves_no_thread_behind() -> None:
    with pytest.raises(KeyboardInterrupt):
        list(stream(Interrupted(toy().card, seed=1), FILES * 20, workers=3))
    assert workers_alive() == []


def test_a_consumer_that_stops_leaves_no_thread_behind() -> None:
    with closing(stream(toy(), FILES * 20, workers=3)) as batches:
        next(batches)
        assert workers_alive()
    assert workers_alive() == []


@pytest.fixture
def two_threads() -> Iterator[int]:
    """torch computes with two threads; the tests' usual number is one."""
    usual = torch.get_num_threads()
    torch.set_num_threads(2)
    yield 2
    torch.set_num_threads(usual)


def test_torchs_own_threads_are_as_many_afterwards(two_threads: int) -> None:
    seen: list[int] = []

    def threads(index: int) -> int:
        return torch.get_num_threads()

    assert set(in_threads(threads, range(8), 2, 4, Stopwatch())) == {1}
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert torch.get_num_threads() == two_threads and seen == [two_threads]


def test_later_items_are_started_before_an_earlier_one_is_finished() -> None:
    events: list[str] = []

    def start(item: int) -> int:
        events.append(f"start {item}")
        return item

    def finish(item: int, started: int) -> Tensor:
        events.append(f"finish {item}")
        return torch.tensor(started)

    def items() -> Iterator[int]:
        yield from range(3)

    found = [(item, int(value)) for item, value in overlapped(items(), start, finish, 1)]
    assert found == [(0, 0), (1, 1), (2, 2)]
    assert events == ["start 0", "start 1", "finish 0", "start 2", "finish 1", "finish 2"]


def test_a_batch_stays_while_as_many_are_sent_as_there_are_buffers() -> None:
    place = Staging(torch.device("cpu"), 2)
    rows = [torch.full((2, 2), float(value)) for value in range(6)]
    first, second = place.send(rows[:3]), place.send(rows[3:5])
    assert torch.equal(first, torch.stack(rows[:3])) and torch.equal(second, torch.stack(rows[3:5]))
    third = place.send(rows[5:])  # takes the first one's buffer, smaller
    assert torch.equal(third, rows[5][None]) and torch.equal(second, torch.stack(rows[3:5]))
    other = place.send([torch.zeros(3, dtype=torch.uint8)] * 4)  # another shape and type
    assert other.shape == (4, 3) and other.dtype == torch.uint8


def test_a_model_without_the_capability_keeps_its_own_transform() -> None:
    model = toy()
    path = pixel_path(model)
    assert path == PixelPath(model.preprocess, path.finish)
    pixels = model.preprocess(picture(0))
    assert path.finish(pixels) is pixels


def test_every_stage_is_timed(demo: VisionLanguageModel) -> None:
    tally = ImageTally()
    list(stream(demo, FILES, tally=tally))
    seconds = tally.clock.seconds()
    assert set(seconds) == {"read", "hash", "decode", "preprocess", "image_wait"}
    assert all(spent > 0 for spent in seconds.values()) and tally.forward_seconds > 0
