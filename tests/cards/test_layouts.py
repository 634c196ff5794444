"""Every layout that a card names can be read, and gives its labels in the card's order."""

from __future__ import annotations

from pathlib import Path

import pytest
from cards.protocols import CARDS, WITHOUT_PROMPTS
from data.layouts import contents, image_bytes, npy_bytes, write_folder, write_tar
from data.torchvision_files import build, sun_folder
from data.voc_files import devkit

from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.data.base import ClipDataset, SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.errors import LabelError, MissingDataError

SOURCES = [(name, spec) for name, card in sorted(CARDS.items()) for spec in card.sources]
FOLDERS = [
    (name, spec, location)
    for name, spec in SOURCES
    if spec.kind == "imagefolder"
    for location in (spec.location, *spec.other_locations)
]
TORCHVISION = [(name, spec) for name, spec in SOURCES if spec.kind == "torchvision"]
CLIPS = [(name, spec) for name, spec in SOURCES if spec.kind == "frames"]
SHARDS = [(name, spec) for name, spec in SOURCES if spec.kind == "wds"]


def context(card: TaskCard, root: Path) -> SourceContext:
    return SourceContext(
        data_root=root,
        class_names=tuple(card.classes) if card.classes else None,
        target="classes" if card.multi_label else "class",
        offline=True,
    )


def case(pair: tuple[str, SourceSpec]) -> str:
    return f"{pair[0]}-{pair[1].location}"


def test_every_source_of_every_card_is_tested() -> None:
    """Those on the hub in tests/data/test_hub.py and, for their class names, in test_protocols.py."""
    kinds = {"imagefolder", "torchvision", "frames", "filelist", "voc", "wds", "hub"}
    assert {spec.kind for _, spec in SOURCES} == kinds
    assert {name for name, spec in SOURCES if spec.kind == "filelist"} == {"sun397", "dtd"}
    assert {name for name, spec in SOURCES if spec.kind == "voc"} == {"voc2007-multilabel", "voc2007-objects"}


@pytest.mark.parametrize(("name", "spec", "location"), FOLDERS, ids=[f"{name}-{place}" for name, _, place in FOLDERS])
def test_image_folders(name: str, spec: SourceSpec, location: str, tmp_path: Path) -> None:
    card = CARDS[name]
    folders = spec.folders or [name.replace(" ", "_") for name in card.classes or ("a", "b")]
    assert not [folder for folder in folders if "/" in folder or folder in ("", ".", "..")], "no name of a folder"
    for label, folder in enumerate(folders):
        (tmp_path / location / folder).mkdir(parents=True)
        (tmp_path / location / folder / f"{label}.jpg").touch()
    (tmp_path / location / "README.txt").touch()  # the authors' archives have one
    dataset = open_dataset(card.sources, context(card, tmp_path))
    assert (dataset.info.kind, dataset.info.location) == ("imagefolder", location)
    assert [(Path(sample.id).stem, sample.target) for sample in dataset.samples] == [
        (str(label), label) for label in range(len(folders))
    ]


def test_objectnets_archive_has_200_folders_more(tmp_path: Path) -> None:
    card = CARDS["objectnet"]
    folders = card.sources[0].folders or []
    write_folder(tmp_path / "objectnet-1.0/images", {f"{name}/1.png": b"" for name in [*folders, "air_freshener"]})
    assert len(open_dataset(card.sources, context(card, tmp_path)).samples) == 113
    write_folder(tmp_path / "objectnet/test", {f"{name}/1.png": b"" for name in [*folders, "air_freshener"]})
    with pytest.raises(LabelError, match="1 unexpected: air_freshener"):
        open_dataset(card.sources, context(card, tmp_path))


def test_imagenet_where_the_data_root_is_its_folder(tmp_path: Path) -> None:
    card = CARDS["imagenet1k"]
    write_folder(tmp_path, {"val/cat/1.jpg": b""})
    with pytest.raises(MissingDataError, match=r"val \(it exists, but has none of the 1,000 class folders\)"):
        open_dataset(card.sources, context(card, tmp_path))
    write_folder(tmp_path, {f"val/{wnid}/1.jpg": b"" for wnid in (card.sources[0].folders or [])[:-1]})
    with pytest.raises(LabelError, match=r"1 missing: n15075141; 1 unexpected: cat"):
        open_dataset(card.sources, context(card, tmp_path))


def test_real_imagenet_sample(real_data: Path) -> None:
    card = CARDS["imagenet1k"]
    dataset = open_dataset(card.sources, context(card, real_data / "imagenet-sample"))
    assert [sample.target for sample in dataset.samples] == list(range(1000))


@pytest.mark.parametrize(("name", "spec"), TORCHVISION, ids=[name for name, _ in TORCHVISION])
def test_torchvision(name: str, spec: SourceSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(spec.location, tmp_path, monkeypatch)
    dataset = open_dataset(CARDS[name].sources, context(CARDS[name], tmp_path))
    assert (dataset.info.kind, dataset.info.location, dataset.info.split) == ("torchvision", spec.location, spec.split)
    assert {sample.target for sample in dataset.samples} == set(range(len(CARDS[name].classes or ())))


@pytest.mark.parametrize(
    ("images", "file", "root"),
    [
        ("SUN397", "SUN397/Testing_01.txt", ""),
        ("SUN397", "SUN397/Partitions/Testing_01.txt", ""),
        ("sun397/SUN397", "sun397/Testing_01.txt", ""),
        ("SUN397", "Partitions/Testing_01.txt", ""),
        ("SUN397", "Testing_01.txt", ""),
        ("SUN397", "SUN397/Testing_01.txt", "SUN397"),
        ("SUN397", "SUN397/Partitions/Testing_01.txt", "SUN397"),
    ],
)
def test_sun397_wherever_its_lists_were_unpacked(images: str, file: str, root: str, tmp_path: Path) -> None:
    card = CARDS["sun397"]
    classes = card.classes or []
    paths = [f"{sun_folder(name)}/sun_{label}.jpg" for label, name in enumerate(classes)]
    write_folder(tmp_path / images, {path: b"" for path in [*paths, "a/abbey/sun_of_training.jpg"]})
    write_folder(tmp_path, {file: "".join(f"/{path}\n" for path in reversed(paths)).encode()})
    dataset = open_dataset(card.sources, context(card, tmp_path / root))
    assert [(sample.id, sample.target) for sample in dataset.samples] == enumerated(paths)[::-1]
    assert dataset.read(0) == b""


def enumerated(paths: list[str]) -> list[tuple[str, int]]:
    return [(path, label) for label, path in enumerate(paths)]


@pytest.mark.parametrize("root", ["", "dtd"])
def test_dtd_as_its_archive_unpacks(root: str, tmp_path: Path) -> None:
    card = CARDS["dtd"]
    paths = [f"{name}/{name}_0001.jpg" for name in card.classes or ()]
    write_folder(tmp_path / "dtd/images", {path: image_bytes(label) for label, path in enumerate(paths)})
    write_folder(tmp_path, {"dtd/labels/test1.txt": "\n".join(paths).encode()})
    dataset = open_dataset(card.sources, context(card, tmp_path / root))
    assert contents(dataset) == [(path, label, image_bytes(label)) for path, label in enumerated(paths)]


@pytest.mark.parametrize(
    ("below", "root"), [("VOCdevkit/VOC2007", ""), ("VOC2007", ""), ("VOC2007", "VOC2007"), ("", "")]
)
def test_voc_wherever_the_devkit_was_unpacked(below: str, root: str, tmp_path: Path) -> None:
    devkit(tmp_path / below)
    for name, first in (("voc2007-multilabel", (11, 14)), ("voc2007-objects", 11)):
        dataset = open_dataset(CARDS[name].sources, context(CARDS[name], tmp_path / root))
        assert dataset.info.kind == "voc"
        assert dataset.samples[0].target == first, "a dog and a person"


@pytest.mark.parametrize("pair", CLIPS, ids=case)
def test_folders_of_clips(pair: tuple[str, SourceSpec], tmp_path: Path) -> None:
    card, spec = CARDS[pair[0]], pair[1]
    root = tmp_path / spec.location / (spec.split or "")
    folders = spec.folders or [name.replace(" ", "_") for name in card.classes or ()]
    for label, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for clip in ("listed", "unlisted"):
            (root / folder / f"v_{clip}_{label}.avi").touch()
    chosen = ["listed", "unlisted"]
    if "list" in spec.options:
        chosen = ["listed"]
        listed = root.parent / spec.options["list"]
        listed.parent.mkdir()
        listed.write_text("".join(f"{folder}/v_listed_{label}.avi\n" for label, folder in enumerate(folders)))
    dataset = open_dataset([spec], context(card, tmp_path))
    assert [(Path(sample.id).stem, sample.target) for sample in dataset.samples] == [
        (f"v_{clip}_{label}", label) for label in range(len(folders)) for clip in chosen
    ]
    assert isinstance(dataset, ClipDataset) and dataset.frames_per_clip == 1


@pytest.mark.parametrize("pair", [pair for pair in SHARDS if pair[0] not in WITHOUT_PROMPTS], ids=case)
def test_webdatasets(pair: tuple[str, SourceSpec], tmp_path: Path) -> None:
    card, spec = CARDS[pair[0]], pair[1]
    classes, root = card.classes or [], tmp_path / spec.location
    last = len(classes) - 1
    label = ("s0.npy", npy_bytes([0.0] * last + [1.0])) if card.multi_label else ("s0.cls", str(last).encode())
    write_tar(root / "test" / "0.tar", [("s0.webp", image_bytes(0)), label])
    (root / "test" / "nshards.txt").write_text("1\n")
    (root / "classnames.txt").write_text("".join(f"{name}\n" for name in classes))
    if card.multi_label:
        (root / "dataset_type.txt").write_text("multilabel\n")
    dataset = open_dataset([spec], context(card, tmp_path))
    assert [sample.target for sample in dataset.samples] == [(last,) if card.multi_label else last]


def test_one_local_folder_belongs_to_one_protocol() -> None:
    """Another card's data under the same name would be evaluated without a word."""
    places: dict[str, set[str]] = {}
    for name, spec in SOURCES:
        for location in (spec.location, *spec.other_locations):
            places.setdefault(location, set()).add(name)
    shared = {place: names for place, names in places.items() if len(names) > 1}
    same_images = ({"patch-camelyon", "patch-camelyon-clip-benchmark"}, {"voc2007-multilabel", "voc2007-objects"})
    assert all(names in same_images for names in shared.values()), shared
