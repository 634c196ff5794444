"""Pictures of single samples: of the demo's data, within their size, and only of the record's own files."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO

import numpy as np
import PIL.Image
import pytest

from vlmbench.answers.inspected import SampleBoxes
from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, SourceContext, TargetKind, content_sha256
from vlmbench.data.open import open_dataset
from vlmbench.reports.site.sample_pictures import MOST_PICTURE_BYTES, Embedded, SamplePictures, embedded


def objects(target: TargetKind) -> ImageDataset:
    return open_dataset([SourceSpec(kind="demo", location="objects")], SourceContext(target=target))


def content(picture: Embedded) -> bytes:
    return b64decode(picture.uri.partition(",")[2])


def test_boxes_and_masks_are_drawn_on_the_samples_own_picture() -> None:
    boxes = SampleBoxes(
        np.array([[1.0, 1, 60, 60]]), np.array([12]), np.array([0.5]), np.zeros((0, 4)), np.zeros(0, int)
    )
    for target, drawn in (("boxes", boxes), ("mask", None)):
        dataset = objects(target)
        sample = dataset.samples[0].id
        found = SamplePictures(dataset, [sample], ["a", "b"]).picture(sample, content_sha256(dataset, 0), drawn)
        assert isinstance(found, Embedded) and found.width > 300 and len(content(found)) <= MOST_PICTURE_BYTES


def test_other_content_and_other_ids_give_a_reason() -> None:
    dataset = objects("classes")
    sample = dataset.samples[0].id
    pictures = SamplePictures(dataset, [sample], [])
    assert isinstance(pictures.picture(sample, content_sha256(dataset, 0)), Embedded)
    assert "another file" in str(pictures.picture(sample, content_sha256(dataset, 1)))
    assert "no sample of this id" in str(pictures.picture("objects-9999", "0"))


@pytest.mark.parametrize(("size", "shown"), [((8, 8), (160, 160)), ((32, 20), (160, 100)), ((81, 3), (81, 3))])
def test_a_tiny_picture_is_enlarged_so_that_it_can_be_seen(size: tuple[int, int], shown: tuple[int, int]) -> None:
    found = embedded(PIL.Image.new("L", size, 99), "digit", 480)
    assert (found.width, found.height) == shown == PIL.Image.open(BytesIO(content(found))).size


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "1"])
def test_a_large_picture_is_made_smaller_until_it_fits(mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (600, 800, 3), dtype=np.uint8)
    found = embedded(PIL.Image.fromarray(noise).convert(mode), "noise", 1100)
    assert len(content(found)) <= MOST_PICTURE_BYTES
    assert PIL.Image.open(BytesIO(content(found))).size == (found.width, found.height)
