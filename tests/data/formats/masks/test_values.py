"""What a mask file's values mean, and what no mask may hold."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from data.mask_files import png, saved
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.cards import SourceSpec
from vlmbench.data.formats.masks.options import mask_values
from vlmbench.data.formats.masks.values import IGNORE, MaskValues
from vlmbench.errors import BadSampleError, LabelError, UsageError

NAMES = ("a", "b", "c")


def reading(classes: tuple[str, ...] | None = NAMES, **options: Any) -> MaskValues:
    return mask_values(SourceSpec(kind="masks", location="x", options=options), len(classes) if classes else None)


def labels(values: MaskValues, mask: list[list[int]], mode: str = "L") -> list[list[int]]:
    return values.labels(png(mask, mode), "s").tolist()


@pytest.mark.parametrize("mode", ["L", "P", "I;16"])
def test_values_are_labels_and_255_is_not_scored_unless_something_else_is_said(mode: str) -> None:
    assert labels(reading(), [[0, 1, 2, 255]], mode) == [[0, 1, 2, IGNORE]]
    assert labels(reading(reduce_zero_label=True), [[0, 1, 3, 255]], mode) == [[IGNORE, 0, 2, IGNORE]]
    assert labels(reading(ignore=[0, 9]), [[0, 1, 9]], mode) == [[IGNORE, 1, IGNORE]]
    assert labels(reading(ignore=[]), [[0, 1, 2]], mode) == [[0, 1, 2]]


def test_a_palette_is_read_as_indices() -> None:
    image = PIL.Image.open(io.BytesIO(png([[0, 2]], "P")))
    assert image.mode == "P" and np.asarray(image.convert("RGB"))[0, 1].tolist() != [2, 2, 2]
    assert labels(reading(), [[0, 2]], "P") == [[0, 2]]


def test_one_bit_masks_are_two_classes() -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(np.array([[True, False]])).save(file, "PNG")
    assert PIL.Image.open(io.BytesIO(file.getvalue())).mode == "1"
    assert reading().labels(file.getvalue(), "s").tolist() == [[1, 0]]


def test_values_by_class_and_by_value_are_the_same_reading() -> None:
    by_class, by_value = reading(values=[[7, 8], 300, 9]), reading(values={7: 0, 8: 0, 300: 1, 9: 2})
    assert by_class == by_value and str(by_class) == str(by_value)
    assert labels(by_class, [[9, 300, 8, 7, 255]], "I;16") == [[2, 1, 0, 0, IGNORE]]


def test_a_value_without_a_class_is_named() -> None:
    with pytest.raises(LabelError, match=r"sample 's': its mask has the value 5, which .*`values` do not name"):
        labels(reading(values=[7, 8, 9]), [[7, 5]])
    assert labels(reading(values=[7, 8, 9], ignore=[5, 255]), [[7, 5]]) == [[0, IGNORE]]


def test_a_label_that_is_no_class_is_named() -> None:
    with pytest.raises(LabelError, match="has the value 4, but classes are 0 to 2"):
        labels(reading(), [[0, 4]])
    with pytest.raises(LabelError, match=r"value 3, but classes are 0 to 2[\s\S]*reduce_zero_label"):
        labels(reading(), [[1, 3]])
    with pytest.raises(LabelError, match="value 4, but classes are 1 to 3"):
        labels(reading(reduce_zero_label=True), [[1, 4]])
    assert labels(reading(classes=None), [[0, 200]]) == [[0, 200]]


def test_values_of_32_bits_are_too_large() -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(np.array([[1, 70000]], dtype=np.int32)).save(file, "TIFF")
    with pytest.raises(LabelError, match="value 70000"):
        reading(classes=None).labels(file.getvalue(), "s")


def test_colours_are_refused_with_what_to_use_instead() -> None:
    file = io.BytesIO()
    PIL.Image.new("RGB", (3, 2), (0, 128, 0)).save(file, "PNG")
    with pytest.raises(LabelError, match=r"colours \(mode RGB\), not class indices[\s\S]*masks of class indices"):
        reading().labels(file.getvalue(), "s")
    with pytest.raises(BadSampleError, match="not an image"):
        reading().labels(b"nothing", "s")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ignore": "none"}, "ignore: 'none' is not a value"),
        ({"ignore": [2**32]}, "4294967296 is not a value"),
        ({"reduce_zero_label": 1}, "true or false"),
        ({"values": 3}, "list in label order or a mapping"),
        ({"values": [1, [2, 1]]}, "1 to two classes, 0 and 1"),
        ({"values": [1, True]}, "True is not a value"),
        ({"values": [1, 2], "reduce_zero_label": True}, "cannot be used together"),
        ({"values": [1, 255], "ignore": [255]}, "255 is in both"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        reading(**options)


def test_more_values_than_classes() -> None:
    with pytest.raises(LabelError, match="label 3, but there are 3 classes"):
        reading(values=[1, 2, 3, 4])


def test_readings_that_differ_have_different_words() -> None:
    readings = [
        reading(),
        reading(ignore=0),
        reading(ignore=[]),
        reading(reduce_zero_label=True),
        reading(values=[1, 2]),
        reading(values=[2, 1]),
        reading(values=[1, 2], ignore=0),
    ]
    assert len({str(each) for each in readings}) == len(readings)


@given(st.dictionaries(st.integers(0, 254), st.integers(0, 2), min_size=1), st.data())
def test_any_mapping(mapping: dict[int, int], data: st.DataObject) -> None:
    row = data.draw(st.lists(st.sampled_from([*mapping, 255]), min_size=1, max_size=20))
    found = labels(reading(values=mapping), [row])
    assert found == [[mapping.get(value, IGNORE) for value in row]]


def test_real_masks(real_data: Path) -> None:
    for path in sorted((real_data / "voc2012/SegmentationClass").glob("*.png"))[:10]:
        raw = np.asarray(PIL.Image.open(path)).astype(int)
        voc21 = reading(classes=("background", *"abcdefghijklmnopqrst")).labels(path.read_bytes(), path.name)
        assert np.array_equal(voc21, np.where(raw == 255, IGNORE, raw))
        voc20 = reading(classes=tuple("abcdefghijklmnopqrst"), reduce_zero_label=True).labels(path.read_bytes(), "x")
        assert np.array_equal(voc20, np.where((raw == 255) | (raw == 0), IGNORE, raw - 1))


def test_hints_lead_somewhere() -> None:
    """Each hint names options; with them the same mask is read."""

    def hint(mask: np.ndarray, classes: int, **options: Any) -> str:
        with pytest.raises(LabelError) as refused:
            reading(tuple("abcdefghijkl"[:classes]), **options).labels(saved(mask, "TIFF"), "s")
        return str(refused.value.hint)

    minus = np.array([[-1, 0, 2]], np.int32)
    assert "{ignore: [-1, 255]}" in hint(minus, 3)
    assert reading(ignore=[-1, 255]).labels(saved(minus, "TIFF"), "s").tolist() == [[IGNORE, 0, 2]]
    assert reading(ignore=-1).labels(saved(minus.astype(np.float32), "TIFF"), "s").tolist() == [[IGNORE, 0, 2]]
    spread = np.array([[0, 127, 255]], np.uint8)
    assert "{values: [0, 127, 255]}" in hint(spread, 3)
    assert reading(values=[0, 127, 255]).labels(saved(spread, "TIFF"), "s").tolist() == [[0, 1, 2]]
    assert "reduce_zero_label" in hint(np.array([[1, 2, 3]], np.uint8), 3)
    assert "0 to 3 have 4 classes" in hint(np.array([[0, 3]], np.uint8), 3)
    assert "smoothed" in hint(np.arange(40, dtype=np.uint8)[None], 3)
    assert "list all in order: {values: [0, 90, …]}" in hint(np.array([[0, 90]], np.uint8), 3)
    assert "it holds 7 and 90000" in str(refusal(np.array([[7, 90000]], np.int32)))
    large = reading(values=[-5, 90000, 7]).labels(saved(np.array([[7, 90000, -5]], np.int32), "TIFF"), "s")
    assert large.tolist() == [[2, 1, 0]]


def refusal(mask: np.ndarray) -> LabelError:
    with pytest.raises(LabelError) as refused:
        reading(classes=None).labels(saved(mask, "TIFF"), "s")
    return refused.value


def test_colours_in_label_order() -> None:
    mask = np.array([[[0, 0, 0], [255, 128, 0], [9, 9, 9]]], np.uint8)
    found = reading(("a", "b"), colours=["#000000", [255, 128, 0]], ignore=[[9, 9, 9]])
    assert found.labels(saved(mask, "PNG"), "s").tolist() == [[0, 1, IGNORE]]
    assert "[255, 128, 0]: 1" in str(found) and "[9, 9, 9] ignored" in str(found)
    for options, message in (
        ({"colours": 3}, "a list of colours in label order"),
        ({"colours": ["red"]}, "'red' is not a colour"),
        ({"colours": [[0, 0, 256]]}, "is not a colour"),
        ({"colours": [[0, 0, 0], "#000000"]}, "to two classes, 0 and 1"),
        ({"colours": [[0, 0, 0]], "ignore": 255}, "`ignore` must be a list of colours"),
        ({"colours": [[0, 0, 0]], "ignore": ["#000000"]}, "in both `colours` and `ignore`"),
        ({"colours": [[0, 0, 0]], "values": [1]}, "`values` cannot be used together"),
        ({"colours": [[0, 0, 0]], "reduce_zero_label": True}, "`reduce_zero_label` cannot be used together"),
    ):
        with pytest.raises(UsageError, match=message):
            reading(**options)  # type: ignore[arg-type]
    with pytest.raises(LabelError, match="has 1 colour, but there are 3 classes"):
        reading(colours=[[0, 0, 0]])
