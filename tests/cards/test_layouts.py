"""Every layout that a card names can be read, and gives its labels in the card's order."""

from __future__ import annotations

from pathlib import Path

import pytest
from cards.protocols import CARDS, WITHOUT_PROMPTS
from data.layouts import image_bytes, npy_bytes, write_tar

from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.data.base import SourceContext
from vlmbench.data.open import open_dataset

FOLDERS = [(name, spec) for name, card in sorted(CARDS.items()) for spec in card.sources if spec.kind == "imagefolder"]
SHARDS = [(name, spec) for name, card in sorted(CARDS.items()) for spec in card.sources if spec.kind == "wds"]


def context(card: TaskCard, root: Path) -> SourceContext:
    return SourceContext(
        data_root=root,
        class_names=tuple(card.classes) if card.classes else None,
        target="classes" if card.multi_label else "class",
    )


def case(pair: tuple[str, SourceSpec]) -> str:
    return f"{pair[0]}-{pair[1].location}"


@pytest.mark.parametrize("pair", FOLDERS, ids=case)
def test_image_folders(pair: tuple[str, SourceSpec], tmp_path: Path) -> None:
    card, spec = CARDS[pair[0]], pair[1]
    folders = spec.folders or [name.replace(" ", "_") for name in card.classes or ("a", "b")]
    assert not [folder for folder in folders if "/" in folder or folder in ("", ".", "..")], "no name of a folder"
    for label, folder in enumerate(folders):
        (tmp_path / spec.location / folder).mkdir(parents=True)
        (tmp_path / spec.location / folder / f"{label}.jpg").touch()
    (tmp_path / spec.location / "README.txt").touch()  # the authors' archives have one
    dataset = open_dataset([spec], context(card, tmp_path))
    assert [(Path(sample.id).stem, sample.target) for sample in dataset.samples] == [
        (str(label), label) for label in range(len(folders))
    ]


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
    for name, spec in [*FOLDERS, *SHARDS]:
        places.setdefault(spec.location, set()).add(name)
    shared = {place: names for place, names in places.items() if len(names) > 1}
    same_images = {"patch-camelyon", "patch-camelyon-clip-benchmark"}
    assert all(names == same_images for names in shared.values()), shared
