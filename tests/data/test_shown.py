"""Pictures as their annotations see them: turned, unless sizes say that annotations are of what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
from picture_modes import gradient, orientation, saved

from vlmbench.data.base import Box, Sample, SourceInfo
from vlmbench.data.boxes import AnnotatedSizes, BoxFacts
from vlmbench.data.formats.pixels import Size
from vlmbench.data.shown import ShownPictures

WIDE, SQUARE = gradient(16)[:10], gradient(16)
Picture = tuple[int, Size]


class Files:
    """A dataset of pictures with an orientation: each a tag and the size as stored."""

    info = SourceInfo("toy", "here")
    classes: tuple[str, ...] | None = None
    templates = None

    def __init__(self, pictures: Sequence[Picture], boxes: Sequence[Sequence[Box]] = ()) -> None:
        self.samples = [Sample(str(i), tuple(boxes[i]) if boxes else 0) for i in range(len(pictures))]
        self.files = [
            saved(PIL.Image.fromarray(gradient(max(size))[: size[1], : size[0]]), "PNG", exif=orientation(tag))
            for tag, size in pictures
        ]
        self.reads = 0

    def read(self, index: int) -> bytes:
        self.reads += 1
        return self.files[index]

    def state(self) -> str:
        return ""


def kinds(pictures: Sequence[Picture], sizes: Sequence[Size | None] | None) -> list[str]:
    """What is done with each picture: turned, kept, or nothing."""
    files = Files(pictures)
    shown = ShownPictures(files, sizes.__getitem__ if sizes is not None else None)
    decoded = [shown.decode(index, files.files[index]) for index in range(len(pictures))]
    return ["".join(fact.kind for fact in each.facts) for each in decoded]


def test_without_a_size_every_tag_is_applied() -> None:
    assert kinds([(tag, (16, 10)) for tag in range(1, 9)], None) == ["", *["turned"] * 7]


def test_the_size_decides_for_quarter_turns() -> None:
    pictures = [(tag, (16, 10)) for tag in (5, 6, 7, 8)]
    assert kinds(pictures, [(10, 16)] * 4) == ["turned"] * 4
    assert kinds(pictures, [(16, 10)] * 4) == ["kept"] * 4


def test_others_decide_for_half_turns_and_squares() -> None:
    silent: list[Picture] = [(3, (16, 10)), (6, (16, 16)), (2, (16, 10))]
    sizes: list[Size | None] = [(16, 10), (16, 16), (16, 10)]
    assert kinds(silent, sizes) == ["turned"] * 3
    assert kinds([*silent, (6, (16, 10))], [*sizes, (16, 10)]) == ["kept"] * 4
    assert kinds([*silent, (6, (16, 10))], [*sizes, (10, 16)]) == ["turned"] * 4
    # An untagged picture and one without a size tell nothing; of those that tell, the majority decides.
    told: list[Picture] = [(1, (16, 10)), (6, (16, 10)), (8, (16, 10)), (8, (16, 10)), (6, (16, 10))]
    sizes_told: list[Size | None] = [(16, 10), None, (16, 10), (16, 10), (10, 16)]
    assert kinds([*silent, *told], [*sizes, *sizes_told])[:3] == ["kept"] * 3


def test_others_are_looked_at_once_and_only_where_needed() -> None:
    pictures: list[Picture] = [(3, (16, 10))] * 20 + [(6, (16, 10))] * 20
    files = Files(pictures)
    shown = ShownPictures(files, lambda index: (10, 16) if index >= 20 else (16, 10))
    assert not any(shown.decode(index, files.files[index]).facts[0].kind != "turned" for index in range(20, 40))
    assert files.reads == 0  # their own sizes told
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda index: shown.decode(index, files.files[index]), range(20)))
    assert files.reads == 25  # the twenty that tell nothing, and five witnesses


def box(*xywh: float) -> Box:
    return Box(0, (xywh[0], xywh[1], xywh[2], xywh[3]), xywh[2] * xywh[3], False)


def test_boxes_give_away_sizes_of_stored_files() -> None:
    """As Label Studio exports COCO: the stored file's size, and boxes of the picture as it is shown."""
    stated = ((16, 10), (16, 10))
    inside, below = [box(1, 1, 5, 5)], [box(2, 9, 5, 6)]
    files = Files([(6, (16, 10)), (6, (16, 10))], [inside, below])
    facts = BoxFacts((1, 2), (1,), sizes=stated)
    sizes = AnnotatedSizes(files, facts)
    assert sizes.of_stored_files and not sizes.told
    assert sizes.fits(0, (10, 16)) and sizes.fits(0, (16, 10)) and not sizes.fits(0, (20, 32))
    careless = AnnotatedSizes(Files([(6, (16, 10))] * 2, [inside, [box(1, 1, 5, 9.2)]]), facts)
    assert not careless.of_stored_files and careless.told and not careless.fits(0, (10, 16))
    beyond_both = AnnotatedSizes(Files([(6, (16, 10))] * 2, [inside, [box(1, 1, 30, 30)]]), facts)
    assert not beyond_both.of_stored_files


def test_a_size_that_may_be_wrong_refuses_nothing() -> None:
    files = Files([(6, (16, 10))])
    sizes = AnnotatedSizes(files, BoxFacts((1,), (1,), size_of=lambda index: (16, 10)))
    assert sizes.told and sizes(0) == (16, 10) and sizes.fits(0, (99, 99))


def test_the_pixels_are_those_of_the_turned_picture() -> None:
    files = Files([(6, (16, 10))])
    found = np.asarray(ShownPictures(files, None).decode(0, files.files[0]).image)
    np.testing.assert_array_equal(found, np.rot90(WIDE, -1))
