"""Views of support images: the same whenever they are made, parts of the picture, and the picture itself first."""

from __future__ import annotations

import io
import random

import numpy as np
import PIL.Image
import pytest
import torch
from small_pictures import picture, pictures
from toy_adapter import toy

from vlmbench.data.base import Chosen
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.transfer.encoded import encoded
from vlmbench.transfer.views import ViewDataset, _box, random_part

DATA = pictures({"cat": range(4), "dog": range(4, 8)})


def test_a_view_depends_on_content_and_number_alone() -> None:
    first = ViewDataset(DATA, [0, 3, 5], 4)
    again = ViewDataset(pictures({"cat": range(4), "dog": range(4, 8)}), [5, 0], 3)
    assert [first.read(index) for index in (8, 9, 10)] == [again.read(index) for index in range(3)]
    assert [first.read(index) for index in range(3)] == [again.read(index) for index in range(3, 6)]
    assert len({first.read(index) for index in range(12)}) == 12


def test_view_0_is_the_file_itself() -> None:
    views = ViewDataset(DATA, [0, 3], 3)
    assert [views.read(0), views.read(3)] == [DATA.read(0), DATA.read(3)]
    assert [sample.id for sample in views.samples[:3]] == [
        DATA.samples[0].id, f"{DATA.samples[0].id}, view 1", f"{DATA.samples[0].id}, view 2"
    ]  # fmt: skip
    assert [sample.target for sample in views.samples] == [DATA.samples[i].target for i in (0, 0, 0, 3, 3, 3)]


@pytest.mark.parametrize("size", [(64, 48), (48, 64), (200, 10), (10, 200), (1, 1), (2, 1)])
def test_a_part_lies_in_the_picture_with_a_fitting_area_and_ratio(size: tuple[int, int]) -> None:
    width, height = size
    for seed in range(200):
        left, top, wide, high = _box(width, height, random.Random(seed))
        assert left >= 0 and top >= 0 and wide > 0 and high > 0
        assert left + wide <= width and top + high <= height
        if width == 64 or height == 64:
            rounding = (wide + high + 1) / 2
            assert 0.5 * width * height - rounding <= wide * high <= width * height
            assert 3 / 4 - 0.05 <= wide / high <= 4 / 3 + 0.05


def test_half_of_the_parts_are_mirrored() -> None:
    picture_ = PIL.Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))).convert("RGB")
    mirrored = 0
    for seed in range(400):
        row = np.asarray(random_part(picture_, random.Random(seed)))[0, :, 0].astype(int)
        mirrored += row[0] > row[-1]
    assert 160 < mirrored < 240


def test_a_part_is_a_square_of_the_same_area() -> None:
    found = random_part(PIL.Image.open(io.BytesIO(picture(1, size=(40, 30)))), random.Random(0))
    assert found.width == found.height and 24 <= found.width <= 35


def test_draws_that_share_an_image_share_its_views() -> None:
    engine = FeatureEngine(toy(), EngineSettings(batch_size=3))
    one, other = (encoded(engine, Chosen(DATA, indices), views=3).views for indices in ([1, 4, 6], [6, 2]))
    assert one.shape == (3, 3, 16) and torch.equal(one[:, 2], other[:, 0])
    plain = encoded(engine, Chosen(DATA, [1, 4, 6])).features
    assert (one[0] - plain).abs().max() < 1e-6, "view 0 is the image"
    assert (one[1] - plain).abs().max() > 1e-3
