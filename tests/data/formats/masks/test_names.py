"""Which mask is of which image: exact names first, then unambiguous relatives, else what to do."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.data.formats.masks.names import Pairing, endings, masks_among, pair_by_name
from vlmbench.errors import DataError


def paired(images: list[str], masks: list[str], *, thorough: bool = True) -> dict[str, str]:
    found = pair_by_name(images, masks, "masks 'x'", thorough=thorough)
    taken = [image for image, _ in found.pairs], [mask for _, mask in found.pairs]
    assert sorted([*taken[0], *found.images]) == sorted(images), "every image is paired or alone"
    assert sorted([*taken[1], *found.masks]) == sorted(masks)
    return dict(found.pairs)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("a.jpg", "a.png"),
        ("a.JPG", "a.tif"),
        ("2007.0001.jpg", "2007.0001.png"),
        ("ulm/a.jpg", "ulm/a.png"),
        ("A.jpg", "a.png"),
        ("a.jpg", "a_mask.png"),
        ("a.jpg", "a-mask.png"),
        ("a.jpg", "a.mask.png"),
        ("a.jpg", "a_Mask.png"),
        ("a.jpg", "a.jpg.png"),
        ("a.png", "a.png.png"),
        ("a.jpg", "a_gt.png"),
        ("a.jpg", "a_L.png"),
        ("a.jpg", "a_segmentation.png"),
        ("a_leftImg8bit.png", "a_gtFine_labelIds.png"),
        ("ulm/a_leftImg8bit.png", "ulm/a_gtFine_labelTrainIds.png"),
        ("image_001.jpg", "mask_001.png"),
        ("img1_001.jpg", "img1_001_mask.png"),
        ("image_001.jpg", "image_001_mask.png"),
        ("a_sat.jpg", "a_mask.png"),
        ("img_jpg.rf.0f3.jpg", "img_jpg.rf.0f3_mask.png"),
        (unicodedata.normalize("NFC", "Köln.jpg"), unicodedata.normalize("NFD", "Köln.png")),
    ],
)
def test_names_that_mean_one_sample(image: str, mask: str) -> None:
    assert paired([image, "other.jpg"], [mask, "other.png"]) == {image: mask, "other.jpg": "other.png"}


def test_without_thoroughness_names_are_exact() -> None:
    assert paired(["a.jpg", "B.jpg", "c.jpg"], ["a.png", "b.png", "c_mask.png"], thorough=False) == {"a.jpg": "a.png"}


def test_exact_names_come_first() -> None:
    assert paired(["a.jpg", "A.jpg"], ["A.png", "a.png"]) == {"a.jpg": "a.png", "A.jpg": "A.png"}
    assert paired(["hand.jpg", "hand_L.jpg"], ["hand.png", "hand_L.png"]) == {
        "hand.jpg": "hand.png",
        "hand_L.jpg": "hand_L.png",
    }
    assert paired(["a.jpg"], ["a.png", "a_mask.png", "b.png"]) == {"a.jpg": "a.png"}
    assert paired(["x_1_l.jpg", "x_1.jpg"], ["x_1_l_mask.png", "x_1_mask.png"]) == {
        "x_1_l.jpg": "x_1_l_mask.png",
        "x_1.jpg": "x_1_mask.png",
    }


def test_numbers_and_unknown_words_are_never_left_out() -> None:
    assert paired(["1.jpg", "11.jpg"], ["1_2.png", "111.png", "1_depth.png"]) == {}


def test_two_images_of_one_name_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"2 images have the same names, except the endings.*: a\.jpg and a\.png\nKeep one"
    ):
        paired(["a.jpg", "a.png", "b.jpg"], ["a.png", "b.png"])
    nfc, nfd = (unicodedata.normalize(form, "ö.jpg") for form in ("NFC", "NFD"))
    with pytest.raises(DataError, match="2 images have the same names"):
        paired([nfc, nfd], ["ö.png"])
    assert paired(["a.jpg", "a.png"], ["b.png"]) == {}, "both are alone: neither has a mask"


def test_two_masks_of_one_image_are_refused_with_their_endings() -> None:
    with pytest.raises(
        DataError, match=r"1 image has several masks with matching names, such as a\.png and a\.tif\n.*\.png \(1 mask"
    ):
        paired(["a.jpg"], ["a.png", "a.tif"])
    masks = [f"{name}_gtFine_{kind}.png" for name in "ab" for kind in ("labelIds", "labelTrainIds", "color")]
    message = (
        r"2 images have several masks[\s\S]*mask_suffix[\s\S]*_gtFine_labelIds.png \(2 masks\) and _gtFine_labelTrain"
    )
    with pytest.raises(DataError, match=message):
        paired(["a_leftImg8bit.png", "b_leftImg8bit.png"], masks)


def test_endings_that_an_option_could_name() -> None:
    images = [f"{i}.jpg" for i in range(3)]
    assert endings(images, [f"{i}_depth2.png" for i in range(3)]) == {"_depth2.png": 3}
    assert endings(["a.jpg", "a_b.jpg"], ["a_b_c.png"]) == {"_c.png": 1}
    assert endings(images, ["10.png"]) == {}


def test_masks_beside_images() -> None:
    assert masks_among(["a.jpg", "a_mask.png", "b.jpg", "mask_b.png", "c_mask.png"]) == ["a_mask.png", "mask_b.png"]
    assert masks_among(["img_1.jpg", "1.jpg", "a.jpg", "a.png"]) == []


NAMES = st.lists(
    st.builds(
        lambda stem, ending: stem + ending,
        st.text("aAbö1_-", min_size=1, max_size=4).filter(lambda text: any(c.isalnum() for c in text)),
        st.sampled_from([".jpg", ".png", ".tif", "_mask.png", "_gt.png"]),
    ),
    max_size=6,
    unique=True,
)


@given(NAMES, NAMES)
def test_whatever_the_names_all_are_accounted_for_or_refused(images: list[str], masks: list[str]) -> None:
    try:
        found = paired(images, masks)
    except DataError:
        return
    assert len(set(found.values())) == len(found), "no mask is of two images"
    of_masks: dict[str, list[str]] = {}
    for mask in masks:
        of_masks.setdefault(PurePosixPath(mask).stem, []).append(mask)
    for image in images:
        stem = PurePosixPath(image).stem
        if len(of_masks.get(stem, [])) == 1 and sum(PurePosixPath(other).stem == stem for other in images) == 1:
            assert found[image] == of_masks[stem][0], "an exact name wins"


def test_order_is_that_of_images() -> None:
    found = pair_by_name(["b.jpg", "a.jpg"], ["a.png", "b.png"], "x", thorough=True)
    assert found == Pairing((("a.jpg", "a.png"), ("b.jpg", "b.png")), (), ())
