"""torchvision's layouts: the right images with the right labels through each card, and every way to be broken."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cards.protocols import CARDS
from data.layouts import contents, image_bytes, write_folder
from data.torchvision_files import BUILDERS, CARD_OF, build, labels_of
from data.torchvision_sets import context, opened, spec_of
from PIL import Image
from said import sentences
from torchvision import datasets

from vlmbench.data.base import ImageDataset, fingerprint
from vlmbench.data.formats import netpbm
from vlmbench.data.formats.decode import decode_image
from vlmbench.data.formats.torchvision_layouts import LAYOUTS
from vlmbench.data.labels import check_class_names, normalise
from vlmbench.data.open import open_dataset
from vlmbench.errors import DataError, MissingDataError, MissingDependencyError

IN_ARRAYS = [name for name, layout in LAYOUTS.items() if layout.images is None]
IN_FILES = [name for name, layout in LAYOUTS.items() if layout.images is not None]

FORMATS = {".jpg": "JPEG", ".ppm": "PPM", ".png": "PNG"}


def theirs(name: str, root: Path) -> Any:
    """The dataset as torchvision itself opens it."""
    layout, split = LAYOUTS[name], spec_of(name).split
    arguments: dict[str, Any] = {"train": False} if layout.train_flag else {"split": split} if split else {}
    return getattr(datasets, name)(root=root, **arguments)


def test_the_table_is_tested_whole() -> None:
    assert set(BUILDERS) == set(LAYOUTS) == set(CARD_OF)


@pytest.mark.parametrize("name", IN_FILES)
def test_files_are_handed_on_as_they_are(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = build(name, tmp_path, monkeypatch)
    dataset = opened(name, tmp_path)
    classes = CARDS[CARD_OF[name]].classes or []
    assert [sample.id for sample in dataset.samples] == sorted(sample.id for sample in dataset.samples)
    for path, target, content in contents(dataset):
        label = names.index(classes[target])  # type: ignore[index]
        assert content == image_bytes(label, FORMATS[Path(path).suffix]), "the builders draw an image from its label"


def test_the_same_files_have_the_fingerprint_of_an_image_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build("FGVCAircraft", tmp_path, monkeypatch)
    dataset = opened("FGVCAircraft", tmp_path)
    card = CARDS["fgvc-aircraft"]
    for _, target, content in contents(dataset):
        write_folder(tmp_path / "fgvc-aircraft/test", {f"{(card.sources[0].folders or [])[target]}/x.jpg": content})  # type: ignore[index]
    ours = open_dataset(card.sources, context(card, tmp_path))
    assert ours.info.kind == "imagefolder"
    assert fingerprint_of(ours) == fingerprint_of(dataset)


def fingerprint_of(dataset: ImageDataset) -> str:
    return fingerprint(
        (hashlib.sha256(dataset.read(row)).hexdigest(), s.target) for row, s in enumerate(dataset.samples)
    )


@pytest.mark.parametrize("name", IN_FILES)
def test_no_image_is_read_to_learn_the_labels(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(name, tmp_path, monkeypatch)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an image was opened")

    monkeypatch.setattr(Image, "open", refuse)
    assert opened(name, tmp_path).samples


@pytest.mark.parametrize("name", IN_ARRAYS)
def test_arrays_become_files_of_the_same_pixels(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = build(name, tmp_path, monkeypatch)
    dataset, reference = opened(name, tmp_path), theirs(name, tmp_path)
    classes = CARDS[CARD_OF[name]].classes or []
    assert len(dataset.samples) == len(reference)
    for index, (row, target, content) in enumerate(contents(dataset)):
        image, label = reference[index]
        assert row == str(index) and classes[target] == names[label]  # type: ignore[index]
        ours = decode_image(content, row)
        assert ours.mode == image.mode and np.array_equal(np.asarray(ours), np.asarray(image))
    assert [names[label] for label in labels_of(names)] == [classes[s.target] for s in dataset.samples[: len(names)]]  # type: ignore[index]


def test_the_file_of_an_image_is_fixed_to_the_byte() -> None:
    """A fingerprint hashes these bytes: another header would be another dataset."""
    assert netpbm.encode(Image.new("RGB", (2, 1), (1, 2, 3))) == b"P6\n2 1\n255\n\1\2\3\1\2\3"
    assert netpbm.encode(Image.new("L", (1, 2), 7)) == b"P5\n1 2\n255\n\7\7"
    image = Image.fromarray(np.arange(36, dtype=np.uint8).reshape(3, 4, 3))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(netpbm.encode(image)))), np.asarray(image))


def test_lists_of_classes_that_torchvision_carries_stand_in_the_cards_order() -> None:
    for name in ("MNIST", "Flowers102"):
        check_class_names(
            getattr(datasets, name).classes, CARDS[CARD_OF[name]].classes or (), place=name, card_names_win=True
        )
    digits = [said.split(" - ")[0] for said in datasets.MNIST.classes]
    assert digits == CARDS["mnist"].classes
    ours, flowers = CARDS["flowers102"].classes or [], datasets.Flowers102.classes
    different = [
        label for label, pair in enumerate(zip(ours, flowers, strict=True)) if len({*map(normalise, pair)}) > 1
    ]
    assert different == [59, 92]


@pytest.mark.parametrize("under", ["", "oxfordiiitpet", "OxfordIIITPet", "oxford-pets"])
def test_the_root_may_be_a_folder_of_the_datasets_name(
    under: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build("OxfordIIITPet", tmp_path / under, monkeypatch)
    dataset = opened("OxfordIIITPet", tmp_path)
    assert dataset.samples[0].id.startswith("oxford-iiit-pet/images/Abyssinian")
    assert len(dataset.read(0)) > 100


def test_the_data_root_may_be_the_datasets_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build("Food101", tmp_path, monkeypatch)
    assert len(opened("Food101", tmp_path / "food-101").samples) == 101


def test_the_data_root_comes_before_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build("GTSRB", tmp_path / "here", monkeypatch)
    build("GTSRB", tmp_path / "root" / "GTSRB", monkeypatch)
    (tmp_path / "root/GTSRB/gtsrb/GTSRB/Final_Test/Images/00000.ppm").write_bytes(b"the root's")
    monkeypatch.chdir(tmp_path / "here")
    assert opened("GTSRB", tmp_path / "root").read(0) == b"the root's"
    assert opened("GTSRB", None).read(0) != b"the root's"


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_not_there_is_missing_and_the_layout_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError) as raised:
        opened(name, tmp_path)
    options = {option: allowed[0] for option, allowed in LAYOUTS[name].options.items()}
    layout = LAYOUTS[name].shown.format(split=spec_of(name).split, **options)
    assert layout in str(raised.value) and str(tmp_path) in str(raised.value)


def test_our_own_folder_of_the_same_name_is_not_taken_for_torchvisions(tmp_path: Path) -> None:
    for path in ("fer2013/test/angry", "dtd/test/banded", "gtsrb/test/00000", "gtsrb/GTSRB/Training", "pcam/train"):
        (tmp_path / path).mkdir(parents=True)
    for name in ("FER2013", "DTD", "GTSRB", "PCAM"):
        with pytest.raises(MissingDataError):
            opened(name, tmp_path)


def files_of(name: str, split: str | None) -> list[str]:
    """What a split needs, besides the images."""
    layout = LAYOUTS[name]
    options = {option: allowed[0] for option, allowed in layout.options.items()}
    return [file.format(split=split, **options) for file in (*layout.split_files.get(split or "", ()), *layout.files)]


GAPS = [
    (name, file)
    for name, layout in LAYOUTS.items()
    for file in files_of(name, spec_of(name).split)
    if len(files_of(name, spec_of(name).split)) + len(layout.mark) > 1
]


@pytest.mark.parametrize(("name", "file"), GAPS)
def test_a_file_that_is_missing_in_the_middle_is_named(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(name, tmp_path, monkeypatch)
    (tmp_path / file).rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="incomplete: 1 file is missing") as raised:
        opened(name, tmp_path)
    assert not isinstance(raised.value, MissingDataError) and file in str(raised.value)


@pytest.mark.parametrize("split", ["test", "train"])
@pytest.mark.parametrize("name", [name for name, layout in LAYOUTS.items() if layout.lists])
def test_the_files_of_other_splits_need_not_be_there(
    name: str, split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = build(name, tmp_path, monkeypatch)
    arguments = {"train": split == "train"} if LAYOUTS[name].train_flag else {"split": split}
    expected = [names[label] for _, label in getattr(datasets, name)(tmp_path, **arguments)]
    needed = {tmp_path / file for file in files_of(name, split)}
    damaged, *absent = [path for path in tmp_path.rglob("*") if path.is_file() and path not in needed]
    damaged.write_bytes(b"damaged")
    for path in absent:
        path.unlink()
    classes = CARDS[CARD_OF[name]].classes or []
    dataset = opened(name, tmp_path, split=split)
    assert [classes[sample.target] for sample in dataset.samples] == expected  # type: ignore[index]


def test_files_among_the_images_of_sun397_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build("SUN397", tmp_path, monkeypatch)
    folder = next(path for path in (tmp_path / "SUN397").rglob("sun_*.jpg")).parent
    strangers = ("._sun_1.jpg", "list.txt", "photo.jpg")
    for name in strangers:
        (folder / name).write_bytes(b"x")
    paths = [(folder / name).relative_to(tmp_path / "SUN397").as_posix() for name in strangers]
    assert sentences(lambda: opened("SUN397", tmp_path)) == [
        "files-passed-over: 3 files of torchvision 'SUN397' were passed over (1 hidden; 2 of other kinds: "
        f"1 .jpg, 1 .txt): {', '.join(paths)}"
    ]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("CIFAR10", "cifar-10-batches-py/test_batch"),
        ("CIFAR10", "cifar-10-batches-py/batches.meta"),
        ("CIFAR100", "cifar-100-python/meta"),
        ("STL10", "stl10_binary/test_X.bin"),
        ("SVHN", "test_32x32.mat"),
        ("FER2013", "fer2013/fer2013.csv"),
        ("Flowers102", "flowers-102/imagelabels.mat"),
    ],
)
def test_a_wrong_md5_is_an_error_before_the_file_is_unpickled(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(name, tmp_path, monkeypatch)
    data = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    load = pickle.load

    def only_whole_files(stream: Any, **fields: Any) -> Any:
        assert Path(stream.name) != tmp_path / file, "a file of unknown content was unpickled"
        return load(stream, **fields)

    monkeypatch.setattr(pickle, "load", only_whole_files)
    with pytest.raises(DataError, match=r"is damaged or another version: .* MD5 .*\n.*again") as raised:
        opened(name, tmp_path)
    assert not isinstance(raised.value, MissingDataError)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("MNIST", "MNIST/raw/t10k-images-idx3-ubyte"),
        ("MNIST", "MNIST/raw/t10k-labels-idx1-ubyte"),
        ("PCAM", "pcam/camelyonpatch_level_2_split_test_x.h5"),
        ("PCAM", "pcam/camelyonpatch_level_2_split_test_y.h5"),
        ("Food101", "food-101/meta/test.json"),
        ("OxfordIIITPet", "oxford-iiit-pet/annotations/test.txt"),
        ("FGVCAircraft", "fgvc-aircraft-2013b/data/images_variant_test.txt"),
        ("DTD", "dtd/dtd/labels/test1.txt"),
        ("StanfordCars", "stanford_cars/cars_test_annos_withlabels.mat"),
        ("StanfordCars", "stanford_cars/devkit/cars_meta.mat"),
        ("GTSRB", "gtsrb/GT-final_test.csv"),
        ("CLEVRClassification", "clevr/CLEVR_v1.0/scenes/CLEVR_val_scenes.json"),
        ("SUN397", "SUN397/ClassName.txt"),
    ],
)
@pytest.mark.parametrize("keep", [0, 3])
def test_a_truncated_file_is_an_error_in_words(
    name: str, file: str, keep: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(name, tmp_path, monkeypatch)
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:keep])
    with pytest.raises(DataError) as raised:
        opened(name, tmp_path)
    assert not isinstance(raised.value, MissingDataError)
    assert f"torchvision '{name}'" in str(raised.value)


def test_a_listed_image_that_is_gone_is_a_bad_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build("FGVCAircraft", tmp_path, monkeypatch)
    (tmp_path / "fgvc-aircraft-2013b/data/images/0000000.jpg").unlink()
    dataset = opened("FGVCAircraft", tmp_path)
    with pytest.raises(DataError, match=r"0000000.jpg.*No such file"):
        dataset.read(0)


def test_a_package_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build("PCAM", tmp_path, monkeypatch)
    monkeypatch.setattr("vlmbench.data.sources.torchvision.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"needs h5py to read it[\s\S]*vlmbench\[layouts\]"):
        opened("PCAM", tmp_path)


def test_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    monkeypatch.setattr(datasets.CIFAR10, "download", lambda self: pytest.fail("downloads"))
    with pytest.raises(DataError, match="incomplete"):
        opened("CIFAR10", tmp_path)


@pytest.mark.parametrize("name", ["OxfordIIITPet", "GTSRB"])
def test_a_torchvision_that_keeps_its_list_elsewhere_is_said(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(name, tmp_path, monkeypatch)
    monkeypatch.setattr(f"torchvision.datasets.{name}", lambda **_: object())
    with pytest.raises(MissingDependencyError, match="stores its list of files"):
        opened(name, tmp_path)


@pytest.mark.parametrize("name", ["CIFAR10", "SVHN", "OxfordIIITPet"])
def test_state_follows_the_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(name, tmp_path, monkeypatch)
    first = opened(name, tmp_path).state()
    assert opened(name, tmp_path).state() == first
    every = [path for path in tmp_path.rglob("*") if path.suffix != ".txt" and path.is_file()]
    os.utime(min(every), ns=(1, 1))
    assert opened(name, tmp_path).state() != first
