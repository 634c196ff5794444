"""One stranger of each kind, in every source that walks folders: counted exactly, and refused by --strict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import command
from data.box_layouts import write_layout
from data.layouts import image_bytes, write_folder, write_wds
from data.mask_files import filled, write_pairs
from data.videos import write_frames
from said import remarked

from vlmbench.catalogue import named_tasks
from vlmbench.data.base import SourceContext
from vlmbench.data.open import open_source
from vlmbench.remarks.base import Remark
from vlmbench.tasks import task_plugin

STRANGERS = {
    ".hidden.png": image_bytes(90),
    "Thumbs.db": b"\0",
    "photo.heic": b"\0",
    "2.png.download": image_bytes(91),
    "without an ending": image_bytes(92),
    "__MACOSX/._0.png": b"\0",
    "@eaDir/0.png/thumb.jpg": image_bytes(93),
    ".ipynb_checkpoints/0-checkpoint.png": image_bytes(94),
}
Build = Callable[[Path], tuple[str, Path]]


def _classes(root: Path) -> tuple[str, Path]:
    write_folder(root, {f"{name}/{i}.PNG": image_bytes(i) for name in ("cat", "dog") for i in range(2)})
    return f"imagefolder:{root}", root / "cat"


def _shards(root: Path) -> tuple[str, Path]:
    write_wds(root, [0, 1, 2])
    return f"wds:{root}", root / "test"


def _masks(root: Path) -> tuple[str, Path]:
    write_pairs(root, {"a": filled(0), "b": filled(1)})
    return f"masks:{root}", root / "images"


def _boxes(root: Path) -> tuple[str, Path]:
    below = write_layout("Roboflow, YOLO", root)
    return f"boxes:{below}", below / "images"


def _clips(root: Path) -> tuple[str, Path]:
    for name in ("cat", "dog"):
        write_frames(root / name / "clip", range(4))
    return f"frames:{root}", root / "cat" / "clip"


SOURCES: dict[str, Build] = {
    "imagefolder": _classes,
    "wds": _shards,
    "masks": _masks,
    "boxes": _boxes,
    "frames": _clips,
}


def _passed_over(argument: str) -> list[Remark]:
    """What is said of files when a dataset is opened as ``-t`` opens it."""
    (card,) = named_tasks(argument).cards
    context = SourceContext(target=task_plugin(card.plugin).target(card), class_names=("sky", "sea", "sand"))
    if card.plugin != "segmentation":
        context = SourceContext(target=context.target)
    _, said = remarked(lambda: open_source(card.sources[0], context))
    return [remark for remark in said if remark.code == "files-passed-over"]


@pytest.mark.parametrize("kind", SOURCES)
def test_a_clean_folder_says_nothing(kind: str, tmp_path: Path) -> None:
    argument, _ = SOURCES[kind](tmp_path / "set")
    assert _passed_over(argument) == []


@pytest.mark.parametrize("kind", SOURCES)
def test_every_stranger_is_counted(kind: str, tmp_path: Path) -> None:
    argument, folder = SOURCES[kind](tmp_path / "set")
    write_folder(folder, STRANGERS)
    (said,) = _passed_over(argument)
    assert said.count == len(STRANGERS), said.sentence


@pytest.mark.parametrize("kind", SOURCES)
def test_one_stranger_fails_under_strict(kind: str, tmp_path: Path) -> None:
    argument, folder = SOURCES[kind](tmp_path / "set")
    write_folder(folder, {"photo.heic": b"\0"})
    names = tmp_path / "names.txt"
    names.write_text("sky\nsea\nsand\n")
    own = ("--classnames", names) if kind == "masks" else ()
    run = (
        "run",
        "-m",
        "demo-clip",
        "-t",
        argument,
        *own,
        "--device",
        "cpu",
        "--results",
        tmp_path / "runs",
        "--strict",
    )
    assert "[files-passed-over]" in command(*run, code=1, width=2000).stderr
