"""open_dataset: the first source that is there, or one message with every place."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.layouts import CLASSES, image_bytes, named, write_folder, write_wds

from vlmbench.cards import SourceSpec
from vlmbench.data import SOURCES
from vlmbench.data.base import Sample, SourceContext, SourceInfo
from vlmbench.data.open import open_dataset
from vlmbench.errors import DataError, LabelError, MissingDataError, UnknownNameError


def wds(location: Path | str, **fields: object) -> SourceSpec:
    return SourceSpec.model_validate({"kind": "wds", "location": str(location), **fields})


def folder(location: Path | str) -> SourceSpec:
    return SourceSpec(kind="imagefolder", location=str(location))


def test_the_first_source_that_is_there_is_taken(tmp_path: Path) -> None:
    write_wds(tmp_path / "wds", [0])
    write_folder(tmp_path / "folder", {"cat/1.png": image_bytes(1)})
    context = SourceContext(data_root=tmp_path)
    assert open_dataset([folder("none"), wds("wds"), folder("folder")], context).info.kind == "wds"
    assert open_dataset([folder("folder"), wds("wds")], context).info.kind == "imagefolder"


def test_a_broken_source_is_not_passed_over(tmp_path: Path) -> None:
    write_wds(tmp_path / "wds", [0])
    (tmp_path / "wds" / "test" / "0.tar").write_bytes(b"")
    write_folder(tmp_path / "folder", {"cat/1.png": image_bytes(1)})
    with pytest.raises(DataError, match="damaged"):
        open_dataset([wds("wds"), folder("folder")], SourceContext(data_root=tmp_path))


def test_nowhere_lists_every_layout_and_names_the_folders_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub_caches: None
) -> None:
    monkeypatch.chdir(tmp_path)
    context = SourceContext(data_root=tmp_path / "root", offline=True)
    long = wds("a/rather/long/path/to/a/webdataset, which/no/line/of/a/terminal/can/hold/as/a/whole")
    pets = SourceSpec(kind="imagefolder", location="pets", other_locations=["cats"])
    with pytest.raises(MissingDataError) as raised:
        open_dataset([pets, folder("/no/where"), long, SourceSpec(kind="hub", location="org/pets")], context)
    text = str(raised.value).replace(str(tmp_path), "DIR").splitlines()
    assert text[:6] == [
        "the dataset is in none of its places:",
        "  looked in DIR/root and DIR for",
        "    imagefolder  pets",
        "                 cats",
        "    wds          a/rather/long/path/to/a/webdataset,",
        "                   which/no/line/of/a/terminal/can/hold/as/a/whole",
    ]
    assert text[6] == "  imagefolder '/no/where': not found at /no/where"
    assert text[7].startswith("  hub 'org/pets': not (or not completely) in the cache")
    assert text[-1] == (
        "Name the folder that has one of these layouts with --data-root DIR. Run the command once online, and it is "
        "cached."
    )
    assert all(len(line) <= 80 for line in text[:6])


def test_one_source_that_is_nowhere_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingDataError) as raised:
        open_dataset([folder("pets")], SourceContext())
    assert str(raised.value).splitlines() == [
        f"imagefolder 'pets': not found at {tmp_path}/pets",
        "Check the path, or name the folder that has it with --data-root DIR.",
    ]
    with pytest.raises(MissingDataError) as raised:
        open_dataset([folder(tmp_path / "pets")], SourceContext())
    assert str(raised.value).splitlines() == [
        f"imagefolder '{tmp_path}/pets': not found at {tmp_path}/pets",
        f"Check the path: {tmp_path} exists, and 'pets' is not in it.",
    ]


def test_an_unknown_kind_is_said() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown data source 'imagefoder'[\s\S]*imagefolder"):
        open_dataset([SourceSpec(kind="imagefoder", location="x")], SourceContext())


def test_a_permutation_of_the_cards_classes_is_refused(tmp_path: Path) -> None:
    source = wds(write_wds(tmp_path, [0, 1, 2]), options={"class_names": "card"})
    assert open_dataset([source], named("Sea lion", "border collie", "t-shirt")).classes == CLASSES
    with pytest.raises(LabelError, match="another order"):
        open_dataset([source], named("border collie", "sea lion", "t-shirt"))


def test_the_card_may_rename_classes_if_it_says_so(tmp_path: Path) -> None:
    root = write_wds(tmp_path, [0, 1, 2])
    names = named("sea lion", "sheepdog", "t-shirt")
    with pytest.raises(LabelError, match=r"1: 'Border-Collie' in the data and 'sheepdog' in the card"):
        open_dataset([wds(root)], names)
    assert len(open_dataset([wds(root, options={"class_names": "card"})], names).samples) == 3


def test_labels_are_checked_against_the_cards_classes_or_the_datas(tmp_path: Path) -> None:
    root = write_wds(tmp_path, [0, 3])
    with pytest.raises(LabelError, match=r"sample 's0000001' has label 3, outside the allowed range 0 to 2"):
        open_dataset([wds(root)], SourceContext())
    (root / "classnames.txt").unlink()
    assert len(open_dataset([wds(root)], SourceContext()).samples) == 2
    with pytest.raises(LabelError, match="outside the allowed range 0 to 1"):
        open_dataset([wds(root)], named("a", "b"))


def test_no_samples_is_an_error() -> None:
    class Empty:
        info = SourceInfo("x", "y")
        samples: tuple[Sample, ...] = ()
        classes = templates = None

    SOURCES.register("empty", lambda spec, context: Empty())  # type: ignore[arg-type, return-value]
    with pytest.raises(DataError, match="x 'y': it has no samples"):
        open_dataset([SourceSpec(kind="empty", location="y")], SourceContext())
