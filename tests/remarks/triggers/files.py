"""What makes remarks of files, folders and the names of classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from data.layouts import image_bytes, write_folder
from remarks.trigger import TOY, Arguments, Trigger, images, lines


def _folders(*names: str) -> Callable[[Path, pytest.MonkeyPatch], Arguments]:
    """An image in each of these folders."""

    def write(top: Path, _: pytest.MonkeyPatch) -> Arguments:
        write_folder(top / "set", {f"{name}/{i}.png": image_bytes(i) for i, name in enumerate(names)})
        return (*TOY, "-t", f"imagefolder:{top / 'set'}")

    return write


def strangers(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    arguments = images(top)
    others = ("cat/a.heic", "cat/.DS_Store", "readme.md", "b.png", "__MACOSX/cat/._0.png")
    write_folder(top / "images", dict.fromkeys(others, b"x"))
    return (*TOY, *arguments)


def empty_class(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    arguments = images(top)
    (top / "images" / "bird").mkdir()
    return (*TOY, *arguments)


TRIGGERS = {
    "files-passed-over": Trigger(
        strangers,
        "5 files of imagefolder '{top}/images' were passed over (1 beside the class folders; 1 hidden; 1 in HEIC, "
        "which Pillow cannot read: convert them to JPEG, for example with the package pillow-heif; 1 in hidden or "
        "system folders; 1 of other kinds: 1 .md): __MACOSX/cat/._0.png, b.png, cat/.DS_Store, …",
        "5 files passed over",
        5,
    ),
    "empty-classes": Trigger(
        empty_class,
        "1 of the 3 class folders of imagefolder '{top}/images' holds no image: bird",
        "1 class without an image",
    ),
    "class-order": Trigger(
        lambda top, _: (*TOY, *images(top), "--classnames", lines(top / "names.txt", "tabby", "hound")),
        "none of the 2 given class names occurs in imagefolder '{top}/images', so their order could not be checked; "
        "the first name was given to the first class of the data, the second to the second, and so on: 'hound' for "
        "'dog', 'tabby' for 'cat'",
        "order of class names not checked",
        2,
    ),
    "wordnet-names": Trigger(
        _folders("n01440764", "n01443537"),
        "2 class names have a WordNet id, and the prompts use the names of these ids instead: n01440764 = 'tench', "
        "n01443537 = 'goldfish'",
        "2 WordNet ids read as names",
        2,
    ),
    "ids-as-prompts": Trigger(
        _folders("0", "1", "7"),
        "3 class names are bare numbers, and the prompts are made of them; with --classnames you can give words: "
        "'0', '1', '7'",
        "3 class names are bare numbers",
        3,
    ),
}
