"""Lists the files of a tar shard with their positions, grouped into samples as the ``webdataset`` library does.

The source :mod:`vlmbench.data.sources.wds` uses it to read single images without unpacking a shard.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from vlmbench.data.formats.folder_walk import JUNK_FOLDERS, PassedOver, is_junk_file
from vlmbench.errors import BadSampleError, DataError
from vlmbench.files import open_regular

_KEY_AND_SUFFIX = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")
"""Splits a path at the first dot of its file name, as ``base_plus_ext`` in webdataset/tariterators.py does."""
_META = re.compile(r"__[^/]*__($|/)")
"""Files that do not belong to a sample, as in ``tar_file_iterator`` of webdataset/tariterators.py."""
_GZIP = b"\x1f\x8b"
_BLOCK = 512
_LARGEST_LABEL = 64 * 2**20
"""The largest file, in bytes, that is loaded while shards are listed. A label has a few bytes."""
_LONGEST_PADDING = 2**20
"""The most padding after the end of a tar file, in bytes. Usually it is padded to 20 blocks (10 KiB)."""


@dataclass(frozen=True, slots=True)
class Member:
    """The position of one file in a shard, in bytes.

    Attributes:
        shard: the shard's path; for a shard in object storage, the path that stands for it while the dataset is opened.
    """

    shard: Path
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class TarSample:
    """Consecutive files of one shard with the same key.

    Attributes:
        key: the path that the files share, up to the first dot of the file name.
        members: the position of each file, by its suffix in lower case (``jpg``, ``cls``, ``seg.png``).
        small: the content of the files whose suffix is in ``load`` of :func:`scan`.
    """

    key: str
    members: dict[str, Member] = field(default_factory=dict)
    small: dict[str, bytes] = field(default_factory=dict)


def scan(shard: Path, *, load: frozenset[str], passed: PassedOver) -> Iterator[TarSample]:
    """The samples of one uncompressed tar file, in its order. Only headers and the files to load are read.

    Args:
        load: the suffixes of files whose content is needed at once, such as labels.
        passed: counts the files that do not belong to a sample: hidden files, system files, and files without a suffix.

    Raises:
        DataError: the shard cannot be read, is compressed, not a tar file, damaged or cut short, or a sample has two
            files with the same suffix.
    """
    try:
        with open_regular(shard) as file:
            yield from scan_file(file, os.fstat(file.fileno()).st_size, shard, load=load, passed=passed)
    except OSError as error:
        raise DataError(f"shard {shard} cannot be read: {error.strerror or error}") from error


def scan_file(
    file: BinaryIO, length: int, shard: Path, *, load: frozenset[str], passed: PassedOver
) -> Iterator[TarSample]:
    """As :func:`scan`, of a tar file that is open, wherever it is.

    Args:
        length: the file's size in bytes.
        shard: names the shard in messages and in the members.

    Raises:
        DataError: as :func:`scan`.
        OSError: the file cannot be read.
    """
    current: TarSample | None = None
    for name, member, content in _files(file, length, shard, load, passed):
        if _META.match(name) or _is_junk(name, shard, passed):
            continue
        match = _KEY_AND_SUFFIX.match(name)
        if match is None:
            passed.add_suffix(f"{shard.name}/{name}")
            continue
        key, suffix = match[1], match[2].lower()
        if current is None or current.key != key:
            if current is not None:
                yield current
            current = TarSample(key)
        if suffix in current.members:
            raise DataError(f"shard {shard}: sample {key!r} has two files that end in .{suffix}")
        current.members[suffix] = member
        if content is not None:
            current.small[suffix] = content
    if current is None:
        raise DataError(_damaged(shard, "it has no samples"))
    yield current


def read_member(member: Member, sample_id: str) -> bytes:
    """The content of one file in a shard. Each call opens and closes the shard, so that many threads may call it.

    Raises:
        BadSampleError: the shard does not exist any more, or is shorter than when it was scanned.
    """
    try:
        with open_regular(member.shard) as file:
            file.seek(member.offset)
            data = bytearray()
            while len(data) < member.size and (part := file.read(member.size - len(data))):
                data += part
    except OSError as error:
        raise BadSampleError(sample_id, f"{member.shard}: {error.strerror or error}") from error
    if len(data) != member.size:
        raise BadSampleError(sample_id, f"{member.shard} has become shorter since it was opened")
    return bytes(data)


def _is_junk(name: str, shard: Path, passed: PassedOver) -> bool:
    """Whether a file is hidden or a system file. If it is, it is counted as passed over."""
    *folders, own = name.split("/")
    if any(folder.lower() in JUNK_FOLDERS for folder in folders):
        passed.add("in hidden or system folders", f"{shard.name}/{name}")
    elif is_junk_file(own):
        passed.add("hidden" if own.startswith(".") else "of the system's", f"{shard.name}/{name}")
    else:
        return False
    return True


def _files(
    file: BinaryIO, length: int, shard: Path, load: frozenset[str], passed: PassedOver
) -> Iterator[tuple[str, Member, bytes | None]]:
    if file.read(2) == _GZIP:
        raise DataError(
            f"shard {shard} is compressed, and single images cannot be read from a compressed shard",
            hint="Unpack it with gunzip and name it .tar. Compressed images would hardly become smaller.",
        )
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            while (info := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # otherwise it keeps every header in memory
                if not info.isreg():
                    if not info.isdir():
                        passed.add("of links or devices", f"{shard.name}/{info.name}")
                    continue
                if info.issparse():
                    raise DataError(f"shard {shard}: {info.name!r} is a sparse file, which is not supported")
                if info.size < 0 or info.offset_data + info.size > length:
                    raise DataError(
                        _damaged(shard, f"{info.name!r} should have {info.size:,} bytes, but the file ends before")
                    )
                wanted = info.name.rpartition("/")[2].partition(".")[2].lower() in load
                if wanted and info.size > _LARGEST_LABEL:
                    raise DataError(f"shard {shard}: {info.name!r} has {info.size:,} bytes, too many for a label")
                stream = tar.extractfile(info) if wanted else None
                content = stream.read() if stream is not None else None
                yield info.name, Member(shard, info.offset_data, info.size), content
            _check_end(file, tar.offset, shard)
    except tarfile.TarError as error:
        raise DataError(_damaged(shard, str(error))) from error


def _check_end(file: BinaryIO, offset: int, shard: Path) -> None:
    # tarfile takes a damaged header after the first one for the end of the archive. The real end is zeros, and only
    # as many as the padding. More zeros come from downloads that reserved their space and then stopped, and other bytes
    # from tar files that were joined.
    file.seek(offset)
    tail = file.read(_LONGEST_PADDING + 1)
    if tail[:_BLOCK] != bytes(_BLOCK):
        raise DataError(_damaged(shard, "it has no end-of-archive mark"))
    if len(tail) > _LONGEST_PADDING or any(tail):
        raise DataError(_damaged(shard, "it goes on after its end-of-archive mark"))


def _damaged(shard: Path, why: str) -> str:
    return f"shard {shard} is not a tar file, or is damaged or cut short ({why}): fetch it again"
