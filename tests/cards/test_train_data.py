"""The train and val data that cards name: of the same place as the test data, another split, and readable."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cards.protocols import CARDS
from data.layouts import write_folder
from data.torchvision_files import build

from vlmbench.cards import Role, SourceSpec, TaskCard
from vlmbench.class_names import normalise
from vlmbench.data.base import SourceContext
from vlmbench.data.formats.torchvision_layouts import LAYOUTS
from vlmbench.data.open import checked_source, open_dataset

TRAINED = {name: card for name, card in sorted(CARDS.items()) if card.train}
OTHERS: list[tuple[str, Role, SourceSpec]] = [
    (name, role, spec)
    for name, card in TRAINED.items()
    for role, sources in card.sources_by_role.items()
    if role != "test"
    for spec in sources
]
COOP = {"oxford-pets": "images", "stanford-cars": ".", "sun397": "SUN397", "ucf101-frames": "UCF-101-midframes"}
"""Cards whose test images are those of CoOp's split, and the folder of its images (CoOp's DATASETS.md)."""
OWN_SPLITS = ("caltech101", "flowers102", "food101", "dtd", "eurosat", "eurosat-vtab")
"""Cards of datasets that CoOp splits in its own way, with other test images."""


def names_of(card: TaskCard) -> list[str]:
    assert card.classes is not None
    return card.classes


def test_who_has_train_data() -> None:
    assert len(TRAINED) == 32
    assert {name for name, card in TRAINED.items() if card.val} == {
        *("country211", "dtd", "fgvc-aircraft", "flowers102", "rendered-sst2", "voc2007-objects"),
        *COOP,
    }
    assert TRAINED["imagenet1k"].val is None, "its validation images are the test images"
    assert all("Train " in card.notes for card in TRAINED.values())


@pytest.mark.parametrize(("name", "role", "spec"), OTHERS, ids=[f"{n}-{r}-{s.kind}" for n, r, s in OTHERS])
def test_every_source_is_usable_and_is_not_the_test_data(name: str, role: Role, spec: SourceSpec) -> None:
    checked_source(spec)
    tests = CARDS[name].sources
    assert spec not in tests
    alike = [test for test in tests if test.kind == spec.kind]
    if spec.kind in ("hub", "wds", "torchvision"):  # the same data in the same version
        (test,) = [test for test in alike if test.location == spec.location]
        changed = {"split": spec.split, "revision": spec.revision}
        assert test.model_copy(update=changed) == spec and test.split != spec.split
        assert test.revision == spec.revision
    if spec.kind == "torchvision" and LAYOUTS[spec.location].splits:
        assert spec.split in LAYOUTS[spec.location].splits
    if spec.kind == "imagefolder":
        assert spec.location not in {test.location for test in alike}
        assert spec.folders in [test.folders for test in alike]


@pytest.mark.parametrize(
    ("name", "role", "spec"),
    [each for each in OTHERS if each[2].kind == "imagefolder"],
    ids=[f"{n}-{s.location}" for n, _, s in OTHERS if s.kind == "imagefolder"],
)
def test_image_folders(name: str, role: Role, spec: SourceSpec, tmp_path: Path) -> None:
    card = CARDS[name]
    folders = spec.folders or [each.replace(" ", "_") for each in names_of(card)]
    for folder in folders:
        (tmp_path / spec.location / folder).mkdir(parents=True)
        (tmp_path / spec.location / folder / "1.jpg").touch()
    context = SourceContext(data_root=tmp_path, class_names=tuple(names_of(card)), offline=True)
    dataset = open_dataset(card.sources_by_role[role], context)
    assert dataset.info.location == spec.location
    assert [sample.target for sample in dataset.samples] == list(range(len(folders)))


def coop_name(task: str, name: str) -> str:
    """A class name as CoOp writes it (``datasets/oxford_pets.py``, ``stanford_cars.py``, ``sun397.py``, …)."""
    if task == "oxford-pets":
        return name.lower().replace(" ", "_")
    if task == "stanford-cars":
        *words, year = name.split()
        assert re.fullmatch("[0-9]{4}", year)
        return " ".join((year, *words))
    if task == "sun397":
        return " ".join(reversed(name.split()))
    return "_".join(re.findall("[A-Z][^A-Z]*", name.replace(" ", "")))


@pytest.mark.parametrize("task", sorted(COOP))
def test_coop_s_split_file_is_read_first(task: str, tmp_path: Path) -> None:
    card = CARDS[task]
    assert card.train is not None and card.val is not None
    where = Path(card.train[0].location)
    names = list(enumerate(names_of(card)))
    rows = {role: [[f"{role}/{label}.jpg", label, coop_name(task, name)] for label, name in names[::-1]] for role in
            ("train", "val", "test")}  # fmt: skip
    write_folder(tmp_path, {where.as_posix(): json.dumps(rows).encode()})
    write_folder(tmp_path / where.parent / COOP[task], {row[0]: b"" for each in rows.values() for row in each})  # type: ignore[misc]
    context = SourceContext(data_root=tmp_path, class_names=tuple(names_of(card)), offline=True)
    for role in ("train", "val"):
        dataset = open_dataset(card.sources_by_role[role], context)  # type: ignore[index]
        assert (dataset.info.kind, dataset.info.split) == ("split-json", role)
        assert [sample.target for sample in dataset.samples] == [label for label, _ in names[::-1]]


def test_a_split_with_other_test_images_is_not_mixed_with_the_card_s() -> None:
    for name in OWN_SPLITS:
        every = [spec for sources in CARDS[name].sources_by_role.values() for spec in sources]
        assert "split-json" not in {spec.kind for spec in every}, name


def test_dtd_s_lists(tmp_path: Path) -> None:
    card = CARDS["dtd"]
    for role, part in (("train", "train1"), ("val", "val1")):
        paths = [f"{normalise(name).replace(' ', '-')}/{role}.jpg" for name in names_of(card)]
        write_folder(tmp_path / "dtd/images", {path: b"" for path in paths})
        write_folder(tmp_path / "dtd/labels", {f"{part}.txt": "\n".join(paths).encode()})
        context = SourceContext(data_root=tmp_path, class_names=tuple(names_of(card)), offline=True)
        dataset = open_dataset(card.sources_by_role[role], context)  # type: ignore[index]
        assert [sample.id for sample in dataset.samples] == paths


BY_LISTS = {
    "dtd": "test1.txt",
    "fgvc-aircraft": "images_variant_test.txt",
    "food101": "test.json",
    "oxford-pets": "test.txt",
}
"""Cards whose torchvision layout has one list of images for each split, and the list of the test split."""


@pytest.mark.parametrize(
    ("name", "role", "spec"),
    [each for each in OTHERS if each[0] in BY_LISTS and each[2].kind == "torchvision"],
    ids=[f"{n}-{r}" for n, r, s in OTHERS if n in BY_LISTS and s.kind == "torchvision"],
)
def test_torchvision_s_lists(
    name: str, role: Role, spec: SourceSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(spec.location, tmp_path, monkeypatch)
    (test_list,) = tmp_path.rglob(BY_LISTS[name])
    test_list.rename(test_list.with_name(test_list.name.replace("test", str(spec.split))))
    card = CARDS[name]
    context = SourceContext(data_root=tmp_path, class_names=tuple(names_of(card)), offline=True)
    dataset = open_dataset(card.sources_by_role[role], context)
    assert (dataset.info.kind, dataset.info.split) == ("torchvision", spec.split)
    assert {sample.target for sample in dataset.samples} == set(range(len(names_of(card))))
