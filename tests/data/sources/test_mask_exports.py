"""Exports of annotation tools and the masks of competitions, rebuilt from their documented layouts."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from data.layouts import write_folder
from data.mask_files import SIZE, coloured_palette, filled, png, saved
from data.mask_sets import PICTURE, firsts, ids, labels, opened, quiet
from said import remarked

from vlmbench.errors import DataError, LabelError, MissingDataError

COLOURS = {"background": (0, 0, 0), "cat": (250, 50, 83), "dog": (51, 221, 255)}


def coloured(label: str) -> bytes:
    return saved(np.full((*SIZE[::-1], 3), COLOURS[label], np.uint8), "PNG")


def cvat(root: Path) -> Path:
    """CVAT, "Segmentation mask 1.1" with images."""
    labelmap = "# label:color_rgb:parts:actions\n" + "".join(
        f"{name}:{','.join(map(str, colour))}::\n" for name, colour in COLOURS.items()
    )
    return write_folder(
        root,
        {
            "labelmap.txt": labelmap.encode(),
            "ImageSets/Segmentation/default.txt": b"frame_2\nframe_1\n",
            **{f"JPEGImages/frame_{i}.jpg": PICTURE for i in (1, 2)},
            **{f"SegmentationClass/frame_{i}.png": coloured(name) for i, name in ((1, "dog"), (2, "cat"))},
            **{f"SegmentationObject/frame_{i}.png": coloured("cat") for i in (1, 2)},
        },
    )


def test_an_export_of_cvat(tmp_path: Path) -> None:
    dataset = quiet(cvat(tmp_path), classes=None)
    assert dataset.classes == ("background", "cat", "dog")
    assert ids(dataset) == ["frame_2.jpg", "frame_1.jpg"] and firsts(dataset) == [1, 2]
    assert "[250, 50, 83]: 1" in dataset.mask_values


def test_an_export_of_cvat_without_images_or_without_its_labelmap(tmp_path: Path) -> None:
    root = cvat(tmp_path)
    (root / "labelmap.txt").unlink()
    with pytest.raises(LabelError, match=r"holds colours[\s\S]*\[250, 50, 83\][\s\S]*labelmap.txt"):
        labels(opened(root))
    listed = [list(colour) for colour in COLOURS.values()]
    assert firsts(quiet(root, options={"colours": listed})) == [1, 2]
    for path in (root / "JPEGImages").iterdir():
        path.unlink()
    with pytest.raises(
        MissingDataError, match=r"it holds ImageSets/ \(1 .txt\), JPEGImages/ \(empty\), SegmentationClass/"
    ):
        opened(root)


@pytest.mark.parametrize("newer", [False, True])
def test_an_export_of_labelme(tmp_path: Path, newer: bool) -> None:
    """labelme2voc.py: older versions keep arrays in SegmentationClass and PNGs beside it, newer ones the other way."""
    arrays, masks = (
        ("SegmentationClassNpy", "SegmentationClass") if newer else ("SegmentationClass", "SegmentationClassPNG")
    )
    void = np.full(SIZE[::-1], 1)
    void[0] = 255
    root = write_folder(
        tmp_path,
        {
            "class_names.txt": b"_background_\naeroplane\nbicycle",
            **{f"JPEGImages/{i}.jpg": PICTURE for i in (1, 2)},
            **{f"{arrays}/{i}.npy": b"\x93NUMPY" for i in (1, 2)},
            f"{masks}/1.png": png(void, "P"),
            f"{masks}/2.png": filled(2, "P"),
            **{f"SegmentationClassVisualization/{i}.jpg": PICTURE for i in (1, 2)},
        },
    )
    dataset = quiet(root, classes=None)
    assert dataset.classes == ("background", "aeroplane", "bicycle") and ids(dataset) == ["1.jpg", "2.jpg"]
    found = labels(dataset)
    assert found["1.jpg"][0][0] == dataset.ignore_label and found["1.jpg"][1][0] == 1 and found["2.jpg"][0][0] == 2


def test_an_export_of_roboflow(tmp_path: Path) -> None:
    """Semantic segmentation masks: images and masks side by side, one folder a split."""
    for split, count in (("train", 3), ("valid", 2)):
        files = {f"{split}/img{i}_jpg.rf.{i:032x}.jpg": PICTURE for i in range(count)}
        files |= {f"{split}/img{i}_jpg.rf.{i:032x}_mask.png": filled(i) for i in range(count)}
        write_folder(
            tmp_path, {**files, f"{split}/_classes.csv": b"Pixel Value, Class\n0, background\n1, cat\n2, dog\n"}
        )
    write_folder(tmp_path, {"README.dataset.txt": b"", "README.roboflow.txt": b""})
    with pytest.raises(
        DataError, match=rf"2 splits \(train and valid\)[\s\S]*-t masks:{re.escape(str(tmp_path))}/valid"
    ):
        opened(tmp_path)
    dataset, said = remarked(lambda: opened(tmp_path / "valid", classes=None))
    assert dataset.classes == ("background", "cat", "dog") and len(dataset.samples) == 2
    assert firsts(dataset) == [0, 1] and not said


def test_masks_of_black_and_white(tmp_path: Path) -> None:
    """Kaggle: 0 and 255, grey or saved as RGB, in PNG or GIF."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[1] = 255
    makes = {
        "grey.png": saved(mask, "PNG"),
        "rgb.png": saved(np.repeat(mask[..., None], 3, 2), "PNG"),
        "gif.gif": saved(mask, "GIF"),
        "bmp.bmp": saved(mask, "BMP"),
    }
    files = {f"images/{name.partition('.')[0]}.jpg": PICTURE for name in makes}
    root = write_folder(tmp_path, {**files, **{f"masks/{name}": data for name, data in makes.items()}})
    dataset, said = remarked(lambda: opened(root, classes=2))
    assert all(rows == (mask // 255).astype(int).tolist() for rows in labels(dataset).values())
    assert [remark.code for remark in said] == ["mask-values-assumed"] and "only the values 0 and 255 (4 of 4" in said[
        0
    ].sentence
    assert dataset.mask_values == "value to label {0: 0, 255: 1}, no value ignored"
    jpeg = write_folder(tmp_path / "jpeg", {"images/a.png": PICTURE, "masks/a.jpg": saved(mask, "JPEG")})
    with pytest.raises(LabelError, match="is a JPEG, and lossy compression changes values"):
        labels(opened(jpeg, classes=2))


def test_of_two_classes_1_decides_what_255_is(tmp_path: Path) -> None:
    files = {f"images/{name}.jpg": PICTURE for name in "abc"}
    masks = {"a": png([[0, 255]]), "b": png([[0, 1]]), "c": png([[0, 255]])}
    root = write_folder(tmp_path, {**files, **{f"masks/{name}.png": mask for name, mask in masks.items()}})
    dataset, said = remarked(lambda: opened(root, classes=2))
    assert not said
    found, said = remarked(lambda: [*labels(dataset).values()])
    assert found == [[[0, -1]], [[0, 1]], [[0, -1]]]
    assert remarked(lambda: labels(dataset))[1] == said  # the next model's answer has the same remark
    assert [(remark.code, remark.count, remark.examples) for remark in said] == [
        ("mask-values-assumed", 2, ("a.jpg", "c.jpg"))
    ]
    assert (
        said[0].text
        == "2 masks of two classes hold 255, which was not scored; to state it, write `ignore: 255` in a card"
    )
    quiet(root, classes=2, options={"ignore": 255})
    quiet(root, classes=3)
    assert firsts(quiet(root, classes=2, options={"values": [0, [1, 255]], "ignore": []})) == [0, 0, 0]


def test_a_later_value_that_contradicts_black_and_white_is_an_error(tmp_path: Path) -> None:
    names = [f"{i:04}" for i in range(450)]
    files = {f"images/{name}.jpg": b"" for name in names}
    files |= {f"masks/{name}.png": png([[0, 255]]) for name in names}
    root = write_folder(tmp_path, {**files, "masks/0001.png": png([[0, 1]])})
    dataset, said = remarked(lambda: opened(root, classes=2))
    assert "200 of 450 were looked at" in said[0].sentence
    with pytest.raises(LabelError, match="has the value 1, which the source's `values` do not name"):
        labels(dataset)


def test_palettes_of_their_own_are_told(tmp_path: Path) -> None:
    def mask(palette: list[int]) -> bytes:
        return coloured_palette(np.array([[0, 1]]), palette)

    red, blue = [0, 0, 0, 255, 0, 0], [0, 0, 0, 0, 0, 255]
    files = {f"images/{name}.jpg": PICTURE for name in "abcd"}
    masks = {"a": mask(red), "b": mask(blue), "c": mask([*red, 9, 9, 9]), "d": png([[0, 1]])}
    root = write_folder(tmp_path, {**files, **{f"masks/{name}.png": data for name, data in masks.items()}})
    dataset, said = remarked(lambda: opened(root))
    assert not said
    _, said = remarked(lambda: labels(dataset))
    assert [(remark.code, remark.count, remark.examples) for remark in said] == [
        ("mask-palettes-differ", 1, ("b.jpg",))
    ]
    coloured = {"colours": [[0, 0, 0], "#ff0000", [0, 0, 255]]}
    (root / "masks/d.png").write_bytes(mask(red))
    assert [rows[0][1] for rows in labels(quiet(root, options=coloured)).values()] == [1, 2, 1, 1]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("classes.txt", "background\nroad\n"),
        ("images/classes.txt", "background\nroad\n"),
        ("config.yaml", "names: [background, road]"),
    ],
)
def test_class_names_beside_the_folders(tmp_path: Path, file: str, content: str) -> None:
    masks = {f"masks/{i}.png": filled(i) for i in (0, 1)}
    root = write_folder(tmp_path, {**{f"images/{i}.jpg": PICTURE for i in (0, 1)}, **masks, file: content.encode()})
    dataset = quiet(root, classes=None)
    assert dataset.classes == ("background", "road") and firsts(dataset) == [0, 1]
    assert opened(root, classes=2).classes is None, "names that the user gives come first"


def test_names_alone_leave_255_to_be_decided(tmp_path: Path) -> None:
    masks = {f"masks/{i}.png": filled(255 * i) for i in (0, 1)}
    files = {**{f"images/{i}.jpg": PICTURE for i in (0, 1)}, **masks, "classes.txt": b"background\nroad\n"}
    dataset, said = remarked(lambda: opened(write_folder(tmp_path, files), classes=None))
    assert firsts(dataset) == [0, 1] and [remark.code for remark in said] == ["mask-values-assumed"]
