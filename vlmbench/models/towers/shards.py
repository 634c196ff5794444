"""Reads checkpoints in several files, ``NAME-00001-of-00002.safetensors``, with or without an index.

The adapters of open_clip and transformers use it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlmbench.errors import ModelError
from vlmbench.files import read_text
from vlmbench.models.towers.checkpoint_file import Checkpoint, read_checkpoint
from vlmbench.wording import counted, either

INDEX_SUFFIX = ".index.json"
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d+)-of-(?P<count>\d+)(?P<suffix>\.(?:safetensors|bin|pth|pt|ckpt))")
_MOST_INDEX_BYTES = 64 << 20
"""The largest index that is read. For 10,000 tensors an index has one million bytes."""


@dataclass(frozen=True)
class WeightFiles:
    """The files of one checkpoint.

    Attributes:
        name: the file's name, for shards the name of the whole, such as ``open_clip_model.safetensors``.
        files: the file, or all shards in order.
        sharded: whether the files are shards. There can be a single shard.
    """

    name: str
    files: tuple[Path, ...]
    sharded: bool = False

    @property
    def shown(self) -> str:
        """The file's name, or the first shard's name and the number of other shards."""
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{self.files[0].name}{more}"

    def read(self) -> Checkpoint:
        """Read the file, or the tensors of all shards together.

        Raises:
            ModelError: a file is missing or broken, or two shards hold different tensors under one name.
        """
        if not self.sharded:
            return read_checkpoint(self.files[0])
        whole: dict[str, Any] = {}
        for file in self.files:
            for name, value in read_checkpoint(file).content.items():
                if isinstance(value, Tensor) and name in whole and not _equal(value, whole[name]):
                    raise ModelError(f"{file}: another shard has a different tensor with the name {name!r}")
                whole[str(name)] = value
        return Checkpoint(f"{self.files[0].parent / self.name} in {len(self.files)} shards", whole)


def weight_files(path: Path) -> WeightFiles:
    """Find the checkpoint to which a file belongs. The file may be the whole, a shard or the index.

    Raises:
        ModelError: a shard is missing, or the index is broken or names a file outside its folder.
    """
    if path.name.endswith(INDEX_SUFFIX):
        return _indexed(path)
    shard = _SHARD.fullmatch(path.name)
    if shard is None or not path.is_file():
        return WeightFiles(path.name, (path,))
    index = path.with_name(f"{shard['stem']}{shard['suffix']}{INDEX_SUFFIX}")
    return _indexed(index) if index.is_file() else _numbered(path)


def grouped(files: Iterable[Path]) -> list[WeightFiles]:
    """Group the files of one folder into checkpoints, in the order of the files' names. The files may include indexes.

    Raises:
        ModelError: as :func:`weight_files`.
    """
    found: dict[tuple[Path, ...], WeightFiles] = {}
    for file in sorted(files):
        one = weight_files(file)
        found.setdefault(one.files, one)
    inside = {file for one in found.values() if one.sharded for file in one.files}
    return [one for one in found.values() if one.sharded or one.files[0] not in inside]


def _numbered(path: Path) -> WeightFiles:
    shard = _SHARD.fullmatch(path.name)
    assert shard is not None
    count, digits = int(shard["count"]), len(shard["number"])
    others = (item for item in path.parent.iterdir() if item.is_file())
    here = {
        int(other["number"]): path.parent / other.string
        for other in map(_SHARD.fullmatch, (item.name for item in others))
        if other
        and (other["stem"], other["count"], other["suffix"]) == (shard["stem"], shard["count"], shard["suffix"])
    }
    first = 0 if 0 in here and count not in here else 1
    wanted = range(first, first + count) if count <= _MOST_SHARDS else range(0)
    missing = [number for number in wanted if number not in here]
    if missing or not wanted:
        names = [f"{shard['stem']}-{number:0{digits}d}-of-{shard['count']}{shard['suffix']}" for number in missing[:3]]
        raise _missing(path.parent, names, len(missing) or count, count)
    return WeightFiles(f"{shard['stem']}{shard['suffix']}", tuple(here[number] for number in wanted), sharded=True)


_MOST_SHARDS = 10_000
"""A file whose name gives more shards is not a shard."""


def shard_names(index: Path) -> list[str]:
    """The names of the files that an index of shards lists.

    Raises:
        ModelError: the file is not an index, or names a file outside its folder.
    """
    try:
        if index.stat().st_size > _MOST_INDEX_BYTES:
            raise ValueError(f"it has {index.stat().st_size:,} bytes, more than {_MOST_INDEX_BYTES:,}")
        content = json.loads(read_text(index))
        names = sorted({str(file) for file in content["weight_map"].values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{index}: not an index of shards ({type(error).__name__}: {error})", hint="It should have a weight_map."
        ) from error
    if not names:
        raise ModelError(f"{index}: its weight_map names no files")
    outside = [name for name in names if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name]
    if outside:
        raise ModelError(
            f"{index}: it names the file {outside[0]!r}, which is not in the index's own folder and is not read",
            hint="Put the shards into the index's folder.",
        )
    return names


def _indexed(index: Path) -> WeightFiles:
    if not index.is_file():
        raise ModelError(f"no index of shards at {index.absolute()}")
    folder, names = index.parent, shard_names(index)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise _missing(folder, missing[:3], len(missing), len(names))
    return WeightFiles(index.name.removesuffix(INDEX_SUFFIX), tuple(folder / name for name in names), sharded=True)


def _missing(folder: Path, names: list[str], missing: int, count: int) -> ModelError:
    more = f" and {missing - len(names)} more" if missing > len(names) else ""
    return ModelError(
        f"{folder.absolute()}: {missing} of {counted(count, 'shard')} {either(missing, 'is', 'are')} missing: "
        f"{', '.join(names)}{more}",
        hint="Fetch them into the same folder.",
    )


def _equal(one: Tensor, other: object) -> bool:
    return (
        isinstance(other, Tensor) and one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other)
    )
