"""Reading files that somebody else may have put there: only regular ones are opened, and none without end is read.

A pipe, a socket or a device under the name of a file would be waited for, or read, for ever. What is wrong is always an
``OSError`` with its reason in ``strerror``, so that callers need not tell it from a file that is missing.
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
"""Of a file that people write, such as a card, a list of class names or a gate file."""
MOST_DATA_BYTES = 4 * 2**30
"""Of a file that programs write and that is read as a whole, such as annotations or a table of answers."""
_KINDS = (
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISFIFO, "it is a pipe"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISCHR, "it is a device"),
    (stat.S_ISBLK, "it is a device"),
)
_BLOCK = 2**20


class NotRegularError(OSError):
    """What lies there is no regular file."""


@contextmanager
def open_regular(path: Path | str, *, most: int | None = None, given_by_user: bool = False) -> Iterator[BinaryIO]:
    """A regular file, open for reading.

    Args:
        most: the bytes that it may have; None: any number.
        given_by_user: the user named this very file on the command line, so that a pipe (``<(...)``, ``/dev/stdin``)
            is meant. A folder, a socket or a block device never is.

    Raises:
        OSError: it is not there, is no regular file, is too large, or cannot be read.
    """
    with os.fdopen(_descriptor(path, most, given_by_user), "rb") as file:
        yield file


def read_bytes(path: Path | str, *, most: int = MOST_DATA_BYTES, given_by_user: bool = False) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: as :func:`open_regular`; also if it grows beyond ``most`` while it is read.
    """
    with open_regular(path, most=most, given_by_user=given_by_user) as file:
        content = file.read(os.fstat(file.fileno()).st_size + 1)  # not most: memory is taken for what is asked
        if len(content) <= most and (more := file.read(1)):  # a pipe, or a file that grows
            content += more + _rest(file, most - len(content))
    if len(content) > most:
        raise _refused(path, f"it has more than {size_text(most)}", errno.EFBIG)
    return content


def _rest(file: BinaryIO, most: int) -> bytes:
    """What follows, at most so many bytes."""
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
    """The text of a regular file, its line ends as ``\\n``.

    Raises:
        OSError: as :func:`read_bytes`.
        UnicodeDecodeError: it is not in this encoding.
    """
    text = read_bytes(path, most=most, given_by_user=given_by_user).decode(encoding, errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, with which it begins
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decoded_text(content: bytes) -> str:
    """The text of a file that a person wrote: UTF-8, or the UTF-16 or UTF-32 that its first bytes tell.

    Line ends are ``\\n``. Windows' editors and PowerShell write UTF-16.

    Raises:
        UnicodeDecodeError: it is in none of these.
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
    """Refuse what :func:`open_regular` would refuse, for a file that a library opens by its name.

    Raises:
        OSError: it is not there, is no regular file, or is too large.
    """
    os.close(_descriptor(path, most, given_by_user=False))


def check_folder(folder: Path) -> None:
    """Refuse a folder in which a library may open a pipe or a device by its name, such as ``config.json``.

    Raises:
        OSError: something in it is neither a regular file nor a folder; of links, where they lead counts.
    """
    for entry in sorted(folder.iterdir()):
        if entry.exists() and not entry.is_dir():
            found = entry.stat()
            if not stat.S_ISREG(found.st_mode):
                _check(found, entry, None, given_by_user=False)


def is_regular(path: Path | str) -> bool:
    """Whether a regular file is there. Other than ``Path.is_file``, a path that can be none (too long) is no error."""
    return _has_kind(path, stat.S_ISREG)


def is_folder(path: Path | str) -> bool:
    """Whether a folder is there. Other than ``Path.is_dir``, a path that can be none (too long) is no error."""
    return _has_kind(path, stat.S_ISDIR)


def _has_kind(path: Path | str, kind: object) -> bool:
    try:
        return bool(kind(os.stat(path).st_mode))  # type: ignore[operator]
    except (OSError, ValueError):
        return False


def _descriptor(path: Path | str, most: int | None, given_by_user: bool) -> int:
    try:
        _check(os.stat(path), path, most, given_by_user)  # first: opening a device can already do something
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
        if not given_by_user:
            flags |= getattr(os, "O_NONBLOCK", 0)  # a pipe that has taken the file's place since
        descriptor = os.open(path, flags)
    except ValueError as error:  # a zero byte, or characters that no name has
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
