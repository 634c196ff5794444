"""The same pictures in other files give the same number, with a remark; annotations fit the pictures they are of."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
import tasks.detection.models
import toy_adapter
import toy_dense
from data.layouts import image_bytes, write_folder
from data.mask_files import png as mask_png
from data.voc_files import CLASSES, devkit
from picture_modes import gradient, orientation, png, saved, tiff

from vlmbench.api import evaluate
from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.records import Record

assert toy_adapter and toy_dense and tasks.detection.models  # their models are registered
pytestmark = pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
GREYS = [gradient(16)[..., 2], gradient(16)[..., 0], 255 - gradient(16)[..., 1], gradient(16)[..., 2] // 9]
Grey = np.ndarray[Any, Any]
WAYS: Mapping[str, tuple[str, Callable[[Grey], bytes], str]] = {
    "16-bit png": ("png", lambda grey: png(grey.astype(np.uint16) * 257), "from 0 to 65,535"),
    "12 bits in 16": ("png", lambda grey: png(grey.astype(np.uint16) * 16), "from 0 to 4,080"),
    "16-bit tiff": ("tif", lambda grey: tiff(grey.astype("<u2") * 257), "from 0 to 65,535"),
    "32-bit tiff": ("tiff", lambda grey: tiff(grey.astype("<i4") * 257), "from 0 to 65,535"),
    "real numbers": ("tif", lambda grey: tiff(grey.astype("<f4") / 255), "from 0 to 1"),
    "16-bit pgm": (
        "pgm",
        lambda grey: b"P5\n16 16\n65535\n" + (grey.astype(">u2") * 257).tobytes(),
        "from 0 to 65,535",
    ),
    "palette": ("png", lambda grey: saved(PIL.Image.fromarray(grey).convert("P"), "PNG"), ""),
    "opaque": ("png", lambda grey: saved(PIL.Image.fromarray(grey).convert("RGBA"), "PNG"), ""),
}


def answers(record: Record, results: Path) -> dict[str, list[Any]]:
    (table,) = results.rglob("*.parquet")
    columns = pq.read_table(table).to_pydict()
    return {name: values for name, values in columns.items() if name not in ("sample_id", "id", "content", "sha256")}


def remarks(record: Record) -> list[tuple[str, str, int]]:
    return [(remark.code, remark.brief, remark.count) for remark in record.remarks]


def classified(folder: Path, files: Sequence[bytes], suffix: str, results: Path) -> Record:
    write_folder(folder, {f"{'ab'[i % 2]}/{i}.{suffix}": file for i, file in enumerate(files)})
    (record,) = evaluate("toy:a", f"imagefolder:{folder}", results=results, device="cpu")
    return record


@pytest.mark.parametrize("way", list(WAYS))
def test_the_same_pictures_in_other_samples(way: str, tmp_path: Path) -> None:
    suffix, written, shown = WAYS[way]
    eight = classified(tmp_path / "eight", [png(grey) for grey in GREYS], "png", tmp_path / "r1")
    other = classified(tmp_path / "other", [written(grey) for grey in GREYS], suffix, tmp_path / "r2")
    assert eight.metrics == other.metrics
    scores, found = (answers(record, tmp_path / name) for record, name in ((eight, "r1"), (other, "r2")))
    for name in scores.keys() & {"score", "scores", "prediction", "predicted", "confidence", "true_class_rank"}:
        assert found[name] == pytest.approx(scores[name], abs=1e-5)
    of_pixels = [each for each in remarks(other) if each[0] == "scaled-values"]
    assert of_pixels == ([("scaled-values", f"4 images scaled {shown}", 4)] if shown else [])
    assert [each for each in remarks(eight) if each[0] == "scaled-values"] == []


def test_a_warm_cache_repeats_the_remarks_and_counts_an_image_as_often_as_it_occurs(tmp_path: Path) -> None:
    twice = [png(GREYS[0].astype(np.uint16) * 257)] * 5 + [png(GREYS[1].astype(np.uint16))]
    cold = classified(tmp_path / "set", twice, "png", tmp_path / "cold")
    warm = classified(tmp_path / "set", twice, "png", tmp_path / "warm")
    of_cold, of_warm = (
        sorted(each for each in remarks(record) if each[0] == "scaled-values") for record in (cold, warm)
    )
    assert (
        of_cold
        == of_warm
        == [
            ("scaled-values", "1 image scaled from 0 to 255", 1),
            ("scaled-values", "5 images scaled from 0 to 65,535", 5),
        ]
    )
    assert warm.run.cache.image_misses == 0


def coco(folder: Path, pictures: Sequence[bytes], sizes: Sequence[tuple[int, int]], boxes: Sequence[Any]) -> str:
    """Pictures with one box each, of two classes by turns."""
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": width, "height": height}
            for i, (width, height) in enumerate(sizes)
        ],
        "annotations": [
            {"id": i + 1, "image_id": i, "category_id": 1 + i % 2, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for i, box in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    files = {f"images/{i}.png": picture for i, picture in enumerate(pictures)}
    write_folder(folder, {"instances.json": json.dumps(content).encode(), **files})
    return f"coco:{folder}"


SHOWN = [np.asarray(PIL.Image.open(io.BytesIO(image_bytes(i, size=(40, 24))))) for i in range(4)]
BOXES = [[2, 3, 12, 9], [20, 5, 15, 17], [1, 1, 30, 8], [9, 11, 10, 10]]
BACK: Mapping[int, Callable[[Any], Any]] = {
    2: lambda shown: shown[:, ::-1],
    3: lambda shown: shown[::-1, ::-1],
    4: lambda shown: shown[::-1],
    5: lambda shown: shown.swapaxes(0, 1),
    6: lambda shown: np.rot90(shown),
    7: lambda shown: np.rot90(shown.swapaxes(0, 1), 2),
    8: lambda shown: np.rot90(shown, -1),
}
"""A shown picture as a camera stores it under a tag."""


def as_stored(tag: int) -> list[bytes]:
    return [png(np.ascontiguousarray(BACK[tag](shown)), exif=orientation(tag)) for shown in SHOWN]


def detected(location: str, results: Path, **settings: Any) -> Record:
    (record,) = evaluate("toy:a", location, results=results, device="cpu", **settings)
    return record


@pytest.mark.parametrize("tag", list(BACK))
def test_boxes_of_turned_pictures(tag: int, tmp_path: Path) -> None:
    upright = detected(coco(tmp_path / "up", [png(shown) for shown in SHOWN], [(40, 24)] * 4, BOXES), tmp_path / "r1")
    turned = detected(coco(tmp_path / "turned", as_stored(tag), [(40, 24)] * 4, BOXES), tmp_path / "r2")
    assert turned.metrics == upright.metrics
    assert ("orientation-applied", "4 images turned", 4) in remarks(turned)
    assert not [each for each in remarks(upright) if each[0].startswith("orientation")]
    assert not [bad for bad in turned.bad_samples]


def test_boxes_of_stored_pictures_are_left_on_them(tmp_path: Path) -> None:
    """Where the sizes are those of the stored pictures; the half turn goes with the others."""
    stored = [png(shown, exif=orientation(tag)) for shown, tag in zip(SHOWN, (6, 8, 3, 5), strict=True)]
    upright = detected(coco(tmp_path / "up", [png(shown) for shown in SHOWN], [(40, 24)] * 4, BOXES), tmp_path / "r1")
    kept = detected(coco(tmp_path / "kept", stored, [(40, 24)] * 4, BOXES), tmp_path / "r2")
    assert kept.metrics == upright.metrics
    assert ("orientation-kept", "4 images not turned", 4) in remarks(kept)


def test_sizes_of_stored_files_beside_boxes_of_what_is_shown(tmp_path: Path) -> None:
    upright = detected(coco(tmp_path / "up", [png(shown) for shown in SHOWN], [(40, 24)] * 4, BOXES), tmp_path / "r1")
    odd = detected(coco(tmp_path / "odd", as_stored(6), [(24, 40)] * 4, BOXES), tmp_path / "r2")
    assert odd.metrics == upright.metrics and ("orientation-applied", "4 images turned", 4) in remarks(odd)


def test_drawn_pictures_are_turned_too(tmp_path: Path) -> None:
    for name, files in (("up", [png(shown) for shown in SHOWN]), ("turned", as_stored(6))):
        detected(coco(tmp_path / name, files, [(40, 24)] * 4, BOXES), tmp_path / f"r-{name}", visuals=2)
    up, turned = (sorted((tmp_path / f"r-{name}").rglob("*.png")) for name in ("up", "turned"))
    assert len(up) == len(turned) == 2
    for one, other in zip(up, turned, strict=True):
        np.testing.assert_array_equal(np.asarray(PIL.Image.open(one)), np.asarray(PIL.Image.open(other)))


LABELS = [np.indices((24, 40)).sum(axis=0) // (9 + i) % 3 for i in range(4)]


def segmented(folder: Path, pictures: Sequence[bytes], masks: Sequence[bytes], results: Path) -> Record:
    files = {f"images/{i}.jpg": picture for i, picture in enumerate(pictures)}
    write_folder(folder, {**files, **{f"masks/{i}.png": mask for i, mask in enumerate(masks)}})
    card = {
        "name": "t",
        "sources": [{"kind": "masks", "location": str(folder)}],
        "plugin": "segmentation",
        "classes": ["sky", "sea", "sand"],
    }
    (folder / "t.yaml").write_text(json.dumps(card))
    (record,) = evaluate("toy-dense:patches", str(folder / "t.yaml"), results=results, device="cpu")
    return record


def test_masks_of_shown_and_of_stored_pictures(tmp_path: Path) -> None:
    masks = [mask_png(labels) for labels in LABELS]
    upright = segmented(tmp_path / "up", [png(shown) for shown in SHOWN], masks, tmp_path / "r1")
    for tag in (3, 6, 7):
        turned = segmented(tmp_path / f"turned{tag}", as_stored(tag), masks, tmp_path / f"r2{tag}")
        assert turned.metrics == upright.metrics and ("orientation-applied", "4 images turned", 4) in remarks(turned)
    both = [
        png(np.ascontiguousarray(BACK[6](labels)).astype(np.uint8), exif=orientation(6)) for labels in LABELS
    ]  # masks with a tag of their own
    tagged = segmented(tmp_path / "both", as_stored(6), both, tmp_path / "r3")
    assert tagged.metrics == upright.metrics
    assert {("orientation-applied", "4 images turned", 4), ("orientation-applied", "4 masks turned", 4)} <= set(
        remarks(tagged)
    )
    stored = [png(shown, exif=orientation(tag)) for shown, tag in zip(SHOWN, (6, 8, 3, 5), strict=True)]
    kept = segmented(tmp_path / "kept", stored, masks, tmp_path / "r4")
    assert kept.metrics == upright.metrics and ("orientation-kept", "4 images not turned", 4) in remarks(kept)


@pytest.mark.parametrize(("stated", "turned"), [("", True), ((40, 24), True), ((24, 40), False)])
def test_crops_of_a_voc_photograph(stated: tuple[int, int] | str, turned: bool, tmp_path: Path) -> None:
    """The size in the annotation tells of which picture its boxes are."""
    root = devkit(tmp_path / "VOC")
    shown = np.asarray(PIL.Image.open(io.BytesIO(image_bytes(5, size=(40, 24)))))
    lossless = saved(PIL.Image.fromarray(np.ascontiguousarray(BACK[6](shown))), "PNG", exif=orientation(6))
    (root / "JPEGImages" / "000001.jpg").write_bytes(lossless)
    annotation = root / "Annotations" / "000001.xml"
    if stated:
        size = f"<size><width>{stated[0]}</width><height>{stated[1]}</height></size>"
        annotation.write_text(annotation.read_text().replace("<annotation>", f"<annotation>{size}"))
    context = SourceContext(target="class", class_names=CLASSES, data_root=tmp_path)
    dataset = open_dataset([SourceSpec(kind="voc", location="VOC", split="test")], context)
    crop = np.asarray(PIL.Image.open(io.BytesIO(dataset.read(0))))
    expected = shown if turned else BACK[6](shown)
    np.testing.assert_array_equal(crop, expected[1:6, 2:8])
