"""Only regular files of bounded size are read, and what else lies there is refused without a wait."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from vlmbench.files import NotRegularError, check_folder, is_folder, is_regular, read_bytes, read_text, regular_sha256

LONG = "x" * 5000


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/null", "/dev/full"])
def test_devices_behind_links_are_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "x").symlink_to(target)
    with pytest.raises(NotRegularError, match="it is a device, not a regular file"):
        read_bytes(tmp_path / "x")


def test_pipes_and_folders_are_refused_without_a_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, said in ((tmp_path / "pipe", "pipe"), (tmp_path, "folder")):
        for read in (read_bytes, read_text, regular_sha256):
            with pytest.raises(NotRegularError, match=f"it is a {said}, not a regular file"):
                read(path)


def test_links_in_a_circle_long_names_and_names_that_are_none_are_errors_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to("x")
    for path, number in (
        (tmp_path / "x", errno.ELOOP),
        (tmp_path / LONG, errno.ENAMETOOLONG),
        (Path("a\0b"), errno.EINVAL),
        (Path("\ud800"), errno.EINVAL),
        (tmp_path / "gone", errno.ENOENT),
    ):
        with pytest.raises(OSError) as caught:
            read_bytes(path)
        assert caught.value.errno == number and caught.value.strerror
        assert not is_regular(path) and not is_folder(path)


def test_what_is_larger_than_asked_for_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert read_bytes(path, most=3) == b"abc"
    os.truncate(path, 2**42)
    with pytest.raises(OSError, match=r"4,096\.0 GiB, and at most"):
        read_bytes(path)


def test_line_ends_and_the_mark_before_text(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes("\ufeffa\r\nb\rc\n".encode())
    assert read_text(tmp_path / "x", encoding="utf-8-sig") == "a\nb\nc\n"


@pytest.mark.parametrize("size", [0, 1, 2, 70_000, 300_000])
def test_a_pipe_that_the_user_names_is_read_to_its_end(size: int) -> None:
    reader, writer = os.pipe()

    def fill() -> None:
        with os.fdopen(writer, "wb") as file:
            file.write(b"x" * size)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        assert read_bytes(f"/dev/fd/{reader}", given_by_user=True) == b"x" * size
    finally:
        thread.join()
        os.close(reader)


def test_a_device_without_end_that_the_user_names_is_bounded() -> None:
    with pytest.raises(OSError, match=r"it has more than 976\.6 KiB"):
        read_bytes("/dev/zero", most=10**6, given_by_user=True)


def test_a_folder_for_a_library_has_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "inside").mkdir()
    (tmp_path / "gone").symlink_to("nowhere")
    check_folder(tmp_path)
    (tmp_path / "tokenizer.json").symlink_to("/dev/zero")
    with pytest.raises(NotRegularError, match="it is a device"):
        check_folder(tmp_path)
