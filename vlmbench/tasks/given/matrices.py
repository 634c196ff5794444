"""Opens large matrices of scores in files of NumPy without reading them into memory. Retrieval uses it."""

from __future__ import annotations

import json
import lzma
import struct
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from vlmbench.errors import ModelError
from vlmbench.files import MOST_DATA_BYTES, check_regular

_LOCAL_HEADER = 30
"""The size of the fixed part of the header before each member of a zip file."""
_BROKEN = (
    *(BadZipFile, OSError, ValueError, EOFError, KeyError, NotImplementedError, RecursionError, RuntimeError),
    *(struct.error, zlib.error, lzma.LZMAError),
)


def open_matrices(path: Path) -> Mapping[str, Any]:
    """The arrays of a .npy or .npz file by name, mapped into memory; and what its JSON members hold.

    The only array of a .npy file has the name "scores".

    Raises:
        ModelError: the file cannot be read, or holds Python objects.
    """
    try:
        check_regular(path)
        if path.suffix == ".npy":
            return {"scores": _mapped(path, 0)}
        with ZipFile(path) as archive:
            return {_name(member): _member(path, archive, member) for member in archive.infolist()}
    except _BROKEN as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ModelError(
            f"{path}: cannot be read as a file of NumPy: {reason}",
            hint="Save arrays of numbers and of texts, not of Python objects.",
        ) from error


def _name(member: ZipInfo) -> str:
    return member.filename.removesuffix(".npy").removesuffix(".json")


def _member(path: Path, archive: ZipFile, member: ZipInfo) -> Any:
    if member.filename.endswith(".json"):
        if member.file_size > MOST_DATA_BYTES:
            raise ValueError(f"{member.filename} is too large")
        return json.loads(archive.read(member))
    if member.compress_type != ZIP_STORED:
        with tempfile.TemporaryFile() as unpacked, archive.open(member) as packed:
            while block := packed.read(2**20):
                unpacked.write(block)
            unpacked.flush()
            return _mapped(unpacked, 0)
    with path.open("rb") as file:
        file.seek(member.header_offset)
        name, extra = struct.unpack("<HH", file.read(_LOCAL_HEADER)[26:])
    return _mapped(path, member.header_offset + _LOCAL_HEADER + name + extra)


def _mapped(source: Any, offset: int) -> NDArray[Any]:
    """An array in a file, mapped into memory from where its header begins."""
    file = source.open("rb") if isinstance(source, Path) else source
    try:
        file.seek(offset)
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"its format is version {version[0]}.{version[1]}")
        shape, fortran, dtype = read(file)
        if dtype.hasobject:
            raise ValueError("it holds Python objects")
        if 0 in shape:
            return np.empty(shape, dtype)
        order: Any = "F" if fortran else "C"
        return np.memmap(file, dtype, "r", offset=file.tell(), shape=shape, order=order)
    finally:
        if isinstance(source, Path):
            file.close()
