"""Lists of images: what a line means, where its image lies, and lists that fit neither card nor folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.layouts import contents, image_bytes, named, write_folder

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.open import open_dataset, open_source
from vlmbench.errors import BadSampleError, DataError, LabelError, MissingDataError, UsageError

LIST = "/c/church/outdoor/1.jpg\r\n\n/j/jail_cell/2.jpg\n/c/church/outdoor/3.jpg\n"
NAMES = ("jail cell", "church outdoor")


def opened(root: Path, context: SourceContext, **options: object) -> ImageDataset:
    spec = SourceSpec(kind="filelist", location=str(root / "lists/test.txt"), options={"skip_folders": 1, **options})
    return open_source(spec, context)


def made(root: Path, text: str = LIST, images: str = "lists") -> Path:
    paths = [line.strip("/ ") for line in text.splitlines() if line.strip()]
    write_folder(root / images, {path: image_bytes(number) for number, path in enumerate(paths)})
    return write_folder(root, {"lists/test.txt": text.encode()})


def test_what_is_not_below_the_lists_folder_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cat/1.jpg": b"", "list.txt": b"cat/1.jpg\n../../etc/hostname\n"})
    with pytest.raises(DataError, match="not below the folder of images: \\.\\./\\.\\./etc/hostname"):
        open_dataset([SourceSpec(kind="filelist", location=str(tmp_path / "list.txt"))], SourceContext())


def test_the_folder_in_the_list_is_the_class(tmp_path: Path) -> None:
    dataset = opened(made(tmp_path), named(*NAMES))
    assert dataset.classes == NAMES
    assert contents(dataset) == [
        ("c/church/outdoor/1.jpg", 1, image_bytes(0)),
        ("j/jail_cell/2.jpg", 0, image_bytes(1)),
        ("c/church/outdoor/3.jpg", 1, image_bytes(2)),
    ]
    assert opened(tmp_path, SourceContext()).classes == ("church outdoor", "jail cell")


@pytest.mark.parametrize("images", ["images", "lists/images", "."])
def test_the_images_may_lie_in_one_of_several_folders(images: str, tmp_path: Path) -> None:
    made(tmp_path, images=images)
    dataset = opened(tmp_path, named(*NAMES), images=["images", "../images", ".."])
    assert dataset.read(0) == image_bytes(0)
    with pytest.raises(
        DataError, match=r"none of the 3 images[\s\S]*c/church/outdoor/1.jpg below .*elsewhere"
    ) as raised:
        opened(tmp_path, named(*NAMES), images="elsewhere")
    assert not isinstance(raised.value, MissingDataError)


def test_an_image_that_is_gone_is_a_bad_sample(tmp_path: Path) -> None:
    (made(tmp_path) / "lists/c/church/outdoor/1.jpg").unlink()
    with pytest.raises(BadSampleError, match=r"c/church/outdoor/1\.jpg.*No such file"):
        opened(tmp_path, named(*NAMES)).read(0)


@pytest.mark.parametrize(
    ("text", "names", "error", "message"),
    [
        (" \n", NAMES, DataError, "lists no images"),
        ("\xff", NAMES, DataError, "cannot be read"),
        (LIST + "j/jail_cell/2.jpg", NAMES, DataError, "1 file more than once: j/jail_cell/2.jpg"),
        (LIST, ("jail cell", "abbey"), LabelError, "1 folder is not among the card's classes: church outdoor"),
        (LIST, (*NAMES, "abbey"), LabelError, "no images of 1 class: abbey"),
        (LIST, (*NAMES, "Jail-Cell"), LabelError, "two classes have the same name"),
        ("a/1.jpg", NAMES, LabelError, "'a/1.jpg' has no folder"),
    ],
)
def test_a_list_that_does_not_fit_is_said(
    text: str, names: tuple[str, ...], error: type[Exception], message: str, tmp_path: Path
) -> None:
    made(tmp_path, LIST)
    made(tmp_path, "a/1.jpg")
    (tmp_path / "lists/test.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(error, match=message):
        opened(tmp_path, named(*names))


def test_what_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    made(tmp_path)
    for options, message in (
        ({"images": 1}, "`images` must be a folder"),
        ({"images": [1]}, "`images` must be a folder"),
        ({"skip_folders": -1}, "`skip_folders` must be a whole number"),
        ({"list": "x"}, "unknown option 'list'"),
    ):
        with pytest.raises(UsageError, match=message):
            opened(tmp_path, named(*NAMES), **options)
    with pytest.raises(UsageError, match="the source filelist does not use `split`"):
        open_source(SourceSpec(kind="filelist", location=str(tmp_path), split="test"), SourceContext())
    with pytest.raises(LabelError, match="multi-label"):
        opened(tmp_path, named(*NAMES, multi_label=True))
    with pytest.raises(MissingDataError):
        opened(tmp_path / "nowhere", named(*NAMES))
