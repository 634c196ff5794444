"""Images and masks in two folders: pairs, lists, suffixes, holes, and where the folders are looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data.mask_files import filled, picture, write_pairs

from vlmbench.cards import SourceSpec
from vlmbench.data.base import MaskDataset, SourceContext, content_sha256
from vlmbench.data.open import open_dataset
from vlmbench.errors import BadSampleError, DataError, LabelError, MissingDataError, UsageError
from vlmbench.run.fingerprint_index import FingerprintIndex

NAMES = ("sky", "sea")


def opened(root: Path, *, target: Any = "mask", data_root: Path | None = None, **fields: Any) -> MaskDataset:
    options = fields.pop("options", {})
    spec = SourceSpec.model_validate({"kind": "masks", "location": str(root), "options": options, **fields})
    dataset = open_dataset([spec], SourceContext(data_root=data_root, class_names=NAMES, target=target))
    assert isinstance(dataset, MaskDataset)
    return dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "set", {"b": filled(1), "a": filled(0), "c": filled(255)})


def test_pairs_by_name(folder: Path) -> None:
    dataset = opened(folder)
    assert [(sample.id, sample.target) for sample in dataset.samples] == [
        ("a.jpg", None),
        ("b.jpg", None),
        ("c.jpg", None),
    ]
    assert dataset.read(1) == picture(0) and dataset.read_mask(1) == filled(1)
    assert (dataset.labels(dataset.read_mask(1), "b") == 1).all()
    assert (dataset.labels(dataset.read_mask(2), "c") == dataset.ignore_label).all()
    assert dataset.info.kind == "masks" and dataset.classes is None


def test_a_list_says_which_and_in_what_order(folder: Path) -> None:
    (folder / "val.txt").write_text("c\n\na.jpg\n")
    assert [sample.id for sample in opened(folder, options={"list": "val.txt"}).samples] == ["c.jpg", "a.jpg"]
    (folder / "val.txt").write_text("c\nc\n")
    with pytest.raises(DataError, match="lists 1 image more than once: c"):
        opened(folder, options={"list": "val.txt"})
    (folder / "val.txt").write_text("\n")
    with pytest.raises(DataError, match="lists no images"):
        opened(folder, options={"list": "val.txt"})


def test_nested_folders_and_long_suffixes(tmp_path: Path) -> None:
    for city in ("ulm", "aachen"):
        for path, content in (
            (f"leftImg8bit/val/{city}/{city}_0_leftImg8bit.png", picture(1)),
            (f"gtFine/val/{city}/{city}_0_gtFine_labelTrainIds.png", filled(1)),
            (f"gtFine/val/{city}/{city}_0_gtFine_color.png", filled(7)),
        ):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(content)
    options = {
        "images": "leftImg8bit/val",
        "masks": "gtFine/val",
        "image_suffix": "_leftImg8bit.png",
        "mask_suffix": "_gtFine_labelTrainIds.png",
    }
    dataset = opened(tmp_path, options=options)
    assert [sample.id for sample in dataset.samples] == ["aachen/aachen_0_leftImg8bit.png", "ulm/ulm_0_leftImg8bit.png"]
    assert dataset.read_mask(0) == filled(1)


def test_holes_are_named(folder: Path) -> None:
    (folder / "masks" / "b.png").unlink()
    for options in ({"images": "images"}, {"masks": "masks"}, {"mask_suffix": ".png"}, {"image_suffix": ".jpg"}):
        with pytest.raises(
            DataError, match=r"1 of the 3 images in images has no mask file in .*masks: b.png[\s\S]*list"
        ):
            opened(folder, options=options)
    (folder / "val.txt").write_text("a\nb\n")
    with pytest.raises(DataError, match=r"1 of the 2 images listed in val.txt has no mask file in .*: b.png"):
        opened(folder, options={"list": "val.txt"})
    (folder / "val.txt").write_text("a\nz\n")
    (folder / "masks" / "z.png").write_bytes(filled(0))
    with pytest.raises(DataError, match=r"1 of the 2 images listed in val.txt has no image file in .*: z.jpg"):
        opened(folder, options={"list": "val.txt"})


def test_masks_of_another_conversion_are_another_source(folder: Path) -> None:
    with pytest.raises(
        MissingDataError, match=r"images/\*, masks/\*_ids.png \(it has images/ \(3 .jpg\), masks/ \(3 .png\), but"
    ):
        opened(folder, options={"mask_suffix": "_ids.png"})
    context = SourceContext(class_names=NAMES, target="mask")
    specs = [
        SourceSpec(kind="masks", location=str(folder), options={"mask_suffix": suffix}) for suffix in ("_x.png", ".png")
    ]
    assert len(open_dataset(specs, context).samples) == 3


def test_places_under_the_data_root(folder: Path) -> None:
    root = folder.parent
    assert opened(Path("set"), data_root=root).info.location == "set"
    assert opened(Path("VOC"), other_locations=["nothing", "set"], data_root=root).info.location == "set"
    assert opened(Path("VOC"), other_locations=["."], data_root=folder).info.location == "."
    with pytest.raises(MissingDataError, match=r"nowhere with images/\*, masks/\* and val.txt"):
        opened(Path("nowhere"), options={"list": "val.txt"}, data_root=root)


def test_a_listed_split_that_is_not_there_is_not_this_place(folder: Path) -> None:
    with pytest.raises(MissingDataError, match=r"val.txt"):
        opened(folder, options={"list": "val.txt"})


def test_the_task_has_to_need_masks(folder: Path) -> None:
    with pytest.raises(LabelError, match="it has masks, but the task needs one class per image"):
        opened(folder, target="class")
    with pytest.raises(LabelError, match="one class, but the task needs a class for every pixel"):
        spec = SourceSpec(kind="imagefolder", location=str(folder))
        open_dataset([spec], SourceContext(class_names=("images", "masks"), target="mask"))


def test_options_of_the_wrong_form(folder: Path) -> None:
    with pytest.raises(UsageError, match="unknown option 'mask'"):
        opened(folder, options={"mask": "x"})
    with pytest.raises(UsageError, match="`images` must be a name, not 3"):
        opened(folder, options={"images": 3})
    with pytest.raises(UsageError, match="`split` cannot be used together with `images`, `masks` or `list`"):
        opened(folder, split="val", options={"images": "images"})
    with pytest.raises(MissingDataError, match="no split 'val' in"):
        opened(folder, split="val")


def test_content_covers_the_mask_and_state_how_it_is_read(folder: Path) -> None:
    dataset = opened(folder)
    before, state = content_sha256(dataset, 0), dataset.state()
    assert opened(folder).state() == state
    assert opened(folder, options={"ignore": [0, 255]}).state() != state
    index = FingerprintIndex(None)
    whole = index.get(dataset, range(3), frozenset())
    (folder / "masks" / "a.png").write_bytes(filled(1))
    assert content_sha256(dataset, 0) != before and dataset.state() != state
    assert FingerprintIndex(None).get(opened(folder), range(3), frozenset()) != whole


def test_a_mask_that_goes_away_is_a_bad_sample(folder: Path) -> None:
    dataset = opened(folder)
    (folder / "masks" / "a.png").unlink()
    with pytest.raises(BadSampleError, match=r"sample 'a.jpg'.*No such file"):
        dataset.read_mask(0)
