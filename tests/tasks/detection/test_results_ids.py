"""Ids of images and classes in results files: the data's own, names, and numbers that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmbench.data.base import SourceInfo
from vlmbench.data.boxes import BoxFacts, facts_of
from vlmbench.data.image_files import ImageFiles
from vlmbench.errors import ModelError
from vlmbench.tasks.detection.results_ids import FROM_0, FROM_1, NOTHING, match_categories, match_images

FILE = Path("answers/t.json")
GAPS = BoxFacts(image_ids=(139, 285, 632), category_ids=(1, 2, 4, 90))
"""Category ids with gaps, as COCO's."""
NAMES = ["person", "traffic light", "train", "toothbrush"]


def dataset(*names: str) -> ImageFiles:
    return ImageFiles(Path(), SourceInfo("coco", "here"), [(name, ()) for name in names], tuple(NAMES))


COCO = dataset("val/000000000139.jpg", "val/000000000285.jpg", "val/000000000632.jpg")


def test_images_by_id_and_by_name() -> None:
    ids = [285, "000000000139", "000000000632.jpg", "val/000000000285.jpg", "139", "C:\\coco\\val\\000000000285.jpg"]
    assert match_images(ids, COCO, GAPS, FILE).places.tolist() == [1, 0, 2, 1, 0, 1]


def test_unknown_images_are_told_and_only_unknown_images_are_refused() -> None:
    found = match_images([139, 140, "x.jpg"], COCO, GAPS, FILE)
    assert found.places.tolist() == [0, NOTHING, NOTHING] and found.unknown == (140, "x.jpg")
    with pytest.raises(ModelError, match="none of the 2 is in it"):
        match_images([140, "x.jpg"], COCO, GAPS, FILE)


def test_a_name_of_two_images_is_refused() -> None:
    twice = dataset("a/1.jpg", "b/1.jpg")
    with pytest.raises(ModelError, match="fits 2 samples"):
        match_images(["1.jpg"], twice, BoxFacts((1, 2), (1,)), FILE)
    assert match_images(["b/1.jpg"], twice, BoxFacts((1, 2), (1,)), FILE).places.tolist() == [1]


def test_numbers_for_data_without_ids_are_the_names_of_files_or_refused() -> None:
    """VOC's first test image is 000001.jpg, but the first of a folder may be 000007.jpg: its place is not its id."""
    voc = dataset("000007.jpg", "000012.jpg")
    facts = facts_of(voc, 4)
    assert not facts.image_ids_stated and facts.image_ids == (1, 2)
    assert match_images([12, "000007"], voc, facts, FILE).places.tolist() == [1, 0]
    with pytest.raises(ModelError, match="the data states no image ids"):
        match_images([1], dataset("a.jpg", "b.jpg"), facts, FILE)
    with pytest.raises(ModelError, match="the only one is not in it"):
        match_images([1], voc, facts, FILE)


def test_categories_by_id_and_by_name() -> None:
    ids = [90, "Traffic_Light", "train", 1, "4"]
    assert match_categories(ids, GAPS, [NAMES], None, FILE).places.tolist() == [3, 1, 2, 0, 2]
    own = match_categories(["human", "person"], GAPS, [["human", "b", "c", "d"], NAMES], None, FILE)
    assert own.places.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([0, 1, 2, 3], r"from 0 to 3 are not the data's, which are 4 numbers from 1 to 90; .*from 0 \(from-0\)"),
        ([1, 2, 3, 4], r"counted from 1 \(from-1\)"),
        ([0, 1, 2, 90], "the data has no id 0"),
        ([7, 8], "none of the 2"),
        (["cat"], "the only one is not in it"),
    ],
)
def test_category_ids_that_are_not_the_datas_are_refused(ids: list[int | str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        match_categories(ids, GAPS, [NAMES], None, FILE)


def test_an_off_by_one_of_consecutive_ids_is_refused() -> None:
    facts = BoxFacts((1,), (1, 2, 3))
    assert match_categories([1, 3], facts, [NAMES], None, FILE).places.tolist() == [0, 2]
    with pytest.raises(ModelError, match="counted from 0"):
        match_categories([0, 2], facts, [NAMES], None, FILE)
    with pytest.raises(ModelError, match="counted from 1"):
        match_categories([3, 1], BoxFacts((1,), (0, 1, 2)), [NAMES], None, FILE)


def test_the_option_says_what_numbers_mean() -> None:
    assert match_categories([0, 3, "train"], GAPS, [NAMES], FROM_0, FILE).places.tolist() == [0, 3, 2]
    assert match_categories([1, 4], GAPS, [NAMES], FROM_1, FILE).places.tolist() == [0, 3]
    assert match_categories([1, 5], GAPS, [NAMES], FROM_1, FILE).unknown == (5,)


def test_other_categories_are_unknown() -> None:
    """A card may use a part of the data's categories, and a detector finds all of them."""
    assert match_categories([1, 90, 88], GAPS, [NAMES], None, FILE).unknown == (88,)


def test_numbers_for_classes_that_the_data_does_not_number_are_refused() -> None:
    facts = facts_of(COCO, 4)
    with pytest.raises(ModelError, match="does not number its 4 classes"):
        match_categories([1, 2], facts, [NAMES], None, FILE)
    assert match_categories([1, 2], facts, [NAMES], FROM_1, FILE).places.tolist() == [0, 1]
    assert match_categories(["train"], facts, [NAMES], None, FILE).places.tolist() == [2]


def test_a_text_that_may_be_an_id_or_a_name_is_refused() -> None:
    swapped = dataset("2.jpg", "1.jpg")
    facts = BoxFacts((1, 2), (1,))
    with pytest.raises(ModelError, match=r"may be the data's id of '2\.jpg' or the name of '1\.jpg'"):
        match_images(["1"], swapped, facts, FILE)
    assert match_images([1, "1.jpg"], swapped, facts, FILE).places.tolist() == [0, 1]
    assert match_images(["1", "2"], dataset("1.jpg", "2.jpg"), facts, FILE).places.tolist() == [0, 1]


def test_a_text_of_many_digits_is_an_unknown_id() -> None:
    long = "9" * 5_000
    assert match_images([139, long], COCO, GAPS, FILE).unknown == (long,)
    assert match_categories([1, long], GAPS, [NAMES], None, FILE).unknown == (long,)
