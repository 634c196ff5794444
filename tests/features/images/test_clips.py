"""Clips of several frames: the mean of their unit features, and never of fewer than all."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from data.layouts import image_bytes
from support.clips import Clips
from toy_adapter import toy

from vlmbench.data.base import content_sha256
from vlmbench.data.formats.decode import decode_image
from vlmbench.errors import BadSampleError, NonFiniteFeaturesError
from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.features.images.batch import ImageBatch, ImageTally
from vlmbench.features.images.stream import AHEAD, encode_images
from vlmbench.features.progress import Silent
from vlmbench.testing.toy_models import DIM, ToyModel


class Counting(Silent):
    """Adds up what is announced and what is done."""

    def __init__(self) -> None:
        self.total = self.done = 0

    def start(self, stage: str, total: int) -> None:
        self.total = total

    def advance(self, items: int) -> None:
        self.done += items


def clips(count: int, frames: int) -> Clips:
    return Clips([[image_bytes(frames * clip + place) for place in range(frames)] for clip in range(count)], frames)


def encode(model: ToyModel, dataset: Clips, **settings: object) -> tuple[dict[int, torch.Tensor], list[ImageBatch]]:
    own = {name: settings.pop(name) for name in ("batch_size", "precision", "skip_bad", "workers") if name in settings}
    chosen = EngineSettings(**{"batch_size": 4, **own})  # type: ignore[arg-type]
    options = {"space": None, "progress": Silent(), "tally": ImageTally()}
    indices = settings.pop("indices", range(len(dataset.samples)))
    batches = list(encode_images(model, dataset, indices, chosen, **{**options, **settings}))  # type: ignore[arg-type]
    return {i: row for batch in batches for i, row in zip(batch.indices, batch.features, strict=True)}, batches


def by_hand(files: Sequence[bytes]) -> torch.Tensor:
    model = toy()
    rows = [model.encode_image(model.preprocess(decode_image(data, ""))[None])[0] for data in files]
    return F.normalize(torch.stack(rows).mean(dim=0), dim=0)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 100])
def test_a_clip_is_the_normalised_mean_of_its_unit_features(batch_size: int) -> None:
    dataset, tally = clips(5, 3), ImageTally()
    rows, batches = encode(toy(), dataset, batch_size=batch_size, tally=tally)
    assert sorted(rows) == list(range(5)) and sum(len(batch.indices) for batch in batches) == 5
    for index, files in enumerate(dataset.clips):
        torch.testing.assert_close(rows[index], by_hand(files), rtol=0, atol=1e-6)  # type: ignore[arg-type]
        assert float(rows[index].norm()) == pytest.approx(1, abs=1e-6)
    assert (tally.encoded, tally.hits, tally.bad) == (15, 0, [])


def test_the_content_is_what_content_sha256_says() -> None:
    dataset = clips(4, 3)
    _, batches = encode(toy(), dataset)
    contents = {i: c for batch in batches for i, c in zip(batch.indices, batch.contents, strict=True)}
    assert contents == {index: content_sha256(dataset, index) for index in range(4)}
    frames = b"".join(sha256(image_bytes(place)).digest() for place in range(3))
    assert contents[0] == sha256(frames).hexdigest()


def test_one_frame_a_clip_is_an_image() -> None:
    rows, batches = encode(toy(), clips(3, 1))
    torch.testing.assert_close(rows[1], by_hand([image_bytes(1)]), rtol=0, atol=1e-6)
    assert batches[0].contents[0] == sha256(image_bytes(0)).hexdigest()


def test_frames_are_cached_as_images_are(tmp_path: Path) -> None:
    space, dataset = FeatureSpace(tmp_path, {}, DIM), clips(4, 3)
    first, _ = encode(toy(), dataset, space=space)
    dataset.clips[2][1] = image_bytes(99)  # type: ignore[index]
    model, tally = toy(), ImageTally()
    again, _ = encode(model, dataset, space=space, tally=tally)
    assert (tally.hits, tally.encoded, model.image_calls) == (11, 1, 1)
    assert torch.equal(first[1], again[1]) and not torch.equal(first[2], again[2])
    tally = ImageTally()
    encode(toy(), clips(12, 1), space=space, tally=tally)  # the same frames, one a clip
    assert (tally.hits, tally.encoded) == (12, 0)


@pytest.mark.parametrize("bad", [None, b"", b"hello, I am text", image_bytes(5)[:-30]])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_frame_makes_its_clip_bad(bad: bytes | None, place: int) -> None:
    dataset = clips(4, 3)
    dataset.clips[1][place] = bad  # type: ignore[index]
    with pytest.raises(BadSampleError, match="'c1'"):
        encode(toy(), dataset)
    tally, progress = ImageTally(), Counting()
    rows, _ = encode(toy(), dataset, skip_bad=True, tally=tally, progress=progress)
    assert sorted(rows) == [0, 2, 3] and tally.encoded == 9
    torch.testing.assert_close(rows[2], by_hand(dataset.clips[2]), rtol=0, atol=1e-6)  # type: ignore[arg-type]
    assert [sample.id for sample in tally.bad] == ["c1"] and tally.bad[0].reason
    assert tally.bad[0].content == (None if bad is None else content_sha256(dataset, 1))
    assert progress.done == progress.total == 12


def test_two_bad_frames_are_one_bad_clip_with_the_first_reason() -> None:
    dataset, tally = clips(2, 3), ImageTally()
    dataset.clips[0][0], dataset.clips[0][2] = b"", None  # type: ignore[index]
    encode(toy(), dataset, skip_bad=True, tally=tally)
    ((bad),) = tally.bad
    assert "empty" in bad.reason and bad.content is None


@pytest.mark.parametrize("count", [2, 4])
def test_another_number_of_frames_than_said_is_bad(count: int) -> None:
    dataset = clips(2, count)
    dataset.frames_per_clip = 3
    with pytest.raises(BadSampleError, match=f"'c0': {count} frames were read, not 3"):
        encode(toy(), dataset)
    with pytest.raises(BadSampleError):
        content_sha256(dataset, 0)


def test_frames_that_cancel_each_other_out_are_no_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy()

    def opposite(pixels: torch.Tensor) -> torch.Tensor:
        rows = torch.zeros(len(pixels), DIM)
        rows[0::2, 0], rows[1::2, 0] = 1.0, -1.0
        return rows

    monkeypatch.setattr(model, "encode_image", opposite)
    with pytest.raises(NonFiniteFeaturesError, match="'c0'"):
        encode(model, clips(1, 2))


def test_reading_ahead_is_bounded() -> None:
    image = image_bytes(0)
    dataset = Clips([[image] * 5] * 100, 5)
    stream = encode_images(
        toy(),
        dataset,
        range(100),
        EngineSettings(batch_size=8, workers=2),
        space=None,
        progress=Silent(),
        tally=ImageTally(),
    )
    next(stream)
    assert dataset.reads <= 8 + AHEAD * 8 + 3 * 5
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vlmbench-decode")]


def test_the_engine_gives_clips_and_counts_frames() -> None:
    engine = FeatureEngine(toy(), EngineSettings(batch_size=4))
    batches = list(engine.images(clips(5, 3), [0, 3]))
    assert sorted(index for batch in batches for index in batch.indices) == [0, 3]
    assert engine.cache_use().image_misses == 6


def test_pillow_reads_what_a_video_frame_becomes() -> None:
    pixels = bytes(range(18))
    image = decode_image(b"P6\n3 2\n255\n" + pixels, "x")
    assert image.size == (3, 2) and image.mode == "RGB" and image.tobytes() == pixels
    assert isinstance(image, PIL.Image.Image)
