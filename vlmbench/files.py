"""Reads files that another program or person may have made: only regular files, and only up to a size limit.

A program that opens a pipe, a socket or a device under the name of a file may wait or read for ever. Each problem is an
``OSError`` with its reason in ``strerror``, so callers handle it as they handle a missing file. Every room uses this.
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

MOST_TEXT_BYTES = 64 * 2**20
"""The largest file that people write, such as a card, a list of class names or a gate file."""
MOST_DATA_BYTES = 4 * 2**30
"""The largest file that programs write and that is read as a whole, such as annotations or a table of answers."""
_KINDS = (
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISFIFO, "it is a pipe"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISCHR, "it is a device"),
    (stat.S_ISBLK, "it is a device"),
)
_BLOCK = 2**20


class NotRegularError(OSError):
    """The path leads to something that is not a regular file."""


@contextmanager
def open_regular(path: Path | str, *, most: int | None = None, given_by_user: bool = False) -> Iterator[BinaryIO]:
    """Open a regular file for reading.

    Args:
        most: the largest size in bytes; None: no limit.
        given_by_user: the user named this file on the command line, so a pipe is allowed too (``<(...)``,
            ``/dev/stdin``). A folder, a socket or a block device is never allowed.

    Raises:
        OSError: the file does not exist, is not a regular file, is too large, or cannot be read.
    """
    with os.fdopen(_descriptor(path, most, given_by_user), "rb") as file:
        yield file


def read_bytes(path: Path | str, *, most: int = MOST_DATA_BYTES, given_by_user: bool = False) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: as :func:`open_regular`; also if it grows beyond ``most`` while it is read.
    """
    with open_regular(path, most=most, given_by_user=given_by_user) as file:
        content = file.read(os.fstat(file.fileno()).st_size + 1)  # not `most`: read() reserves the memory
        if len(content) <= most and (more := file.read(1)):  # a pipe, or a file that grows
            content += more + _rest(file, most - len(content))
    if len(content) > most:
        raise _refused(path, f"it has more than {size_text(most)}", errno.EFBIG)
    return content


def _rest(file: BinaryIO, most: int) -> bytes:
    """Read the rest of the file, at most ``most`` bytes."""
    parts = []
    while most > 0 and (part := file.read(min(_BLOCK, most))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def read_text(
    path: Path | str,
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    most: int = MOST_TEXT_BYTES,
    given_by_user: bool = False,
) -> str:
    """The text of a regular file, with ``\\n`` as line ends.

    Raises:
        OSError: as :func:`read_bytes`.
        UnicodeDecodeError: the content is not in this encoding.
    """
    text = read_bytes(path, most=most, given_by_user=given_by_user).decode(encoding, errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before the mark of UTF-16, which is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decoded_text(content: bytes) -> str:
    """Decode a file that a person wrote: UTF-8, or UTF-16 or UTF-32 if its first bytes are their mark.

    Line ends become ``\\n``. Editors of Windows and PowerShell write UTF-16.

    Raises:
        UnicodeDecodeError: it has none of these encodings.
    """
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), "utf-8-sig")
    text = content.decode(encoding)
    if "\0" in text:
        raise UnicodeDecodeError("utf-8", content, place := content.index(0), place + 1, "it has zero bytes")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def regular_sha256(path: Path | str) -> str:
    """The hex SHA-256 of a regular file of any size.

    Raises:
        OSError: as :func:`open_regular`.
    """
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check_regular(path: Path | str, *, most: int | None = None) -> None:
    """Refuse the files that :func:`open_regular` refuses, before a library opens one by its name.

    Raises:
        OSError: the file does not exist, is not a regular file, or is too large.
    """
    os.close(_descriptor(path, most, given_by_user=False))


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds a pipe or a device, which a library may open by a name such as ``config.json``.

    Raises:
        OSError: an entry is neither a regular file nor a folder. For a link, the file that it leads to counts.
    """
    for entry in sorted(folder.iterdir()):
        if entry.exists() and not entry.is_dir():
            found = entry.stat()
            if not stat.S_ISREG(found.st_mode):
                _check(found, entry, None, given_by_user=False)


def is_regular(path: Path | str) -> bool:
    """Whether the path is a regular file. Unlike with ``Path.is_file``, an impossible path (too long) is no error."""
    return _has_kind(path, stat.S_ISREG)


def is_folder(path: Path | str) -> bool:
    """Whether the path is a folder. Unlike with ``Path.is_dir``, an impossible path (too long) is no error."""
    return _has_kind(path, stat.S_ISDIR)


def _has_kind(path: Path | str, kind: object) -> bool:
    try:
        return bool(kind(os.stat(path).st_mode))  # type: ignore[operator]
    except (OSError, ValueError):
        return False


def _descriptor(path: Path | str, most: int | None, given_by_user: bool) -> int:
    try:
        _check(os.stat(path), path, most, given_by_user)  # first: opening a device can already change something
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
        if not given_by_user:
            flags |= getattr(os, "O_NONBLOCK", 0)  # in case a pipe has replaced the file since the check
        descriptor = os.open(path, flags)
    except ValueError as error:  # a zero byte, or characters that no file name can have
        raise _refused(path, "no file can have this name") from error
    try:
        _check(os.fstat(descriptor), path, most, given_by_user)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(found: os.stat_result, path: Path | str, most: int | None, given_by_user: bool) -> None:
    meant = given_by_user and (stat.S_ISFIFO(found.st_mode) or stat.S_ISCHR(found.st_mode))
    if not stat.S_ISREG(found.st_mode) and not meant:
        kind = next((kind for is_kind, kind in _KINDS if is_kind(found.st_mode)), "it is something else")
        raise NotRegularError(errno.EINVAL, f"{kind}, not a regular file", str(path))
    if most is not None and found.st_size > most:
        raise _refused(path, f"it has {size_text(found.st_size)}, and at most {size_text(most)} are read", errno.EFBIG)


def _refused(path: Path | str, reason: str, number: int = errno.EINVAL) -> OSError:
    return OSError(number, reason, str(path))


def size_text(size: int) -> str:
    """Bytes in a readable unit (binary)."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} GiB"
