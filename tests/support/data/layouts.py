"""Datasets in every layout, made from a few small images."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vlmbench.data.base import ImageDataset, SourceContext

CLASSES = ("sea lion", "Border-Collie", "t_shirt")


def image_bytes(seed: int, file_format: str = "PNG", size: tuple[int, int] = (12, 9)) -> bytes:
    """An image of noise that no other seed gives."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, file_format)
    return stream.getvalue()


def write_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write relative paths to contents."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """An uncompressed tar of these members, in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def npy_bytes(vector: object) -> bytes:
    """A .npy file; object arrays are pickled, as an attacker would."""
    stream = io.BytesIO()
    np.save(stream, np.asarray(vector), allow_pickle=True)
    return stream.getvalue()


def write_wds(
    root: Path,
    labels: Sequence[int],
    *,
    split: str = "test",
    shard_size: int = 2,
    classes: Sequence[str] | None = CLASSES,
) -> Path:
    """The clip-benchmark layout: image ``i`` is ``image_bytes(i)``, labelled ``labels[i]``."""
    members = [
        [(f"s{i:07d}.png", image_bytes(i)), (f"s{i:07d}.cls", str(label).encode())] for i, label in enumerate(labels)
    ]
    shards = [members[start : start + shard_size] for start in range(0, len(members), shard_size)]
    for number, shard in enumerate(shards):
        write_tar(root / split / f"{number}.tar", [member for sample in shard for member in sample])
    (root / split / "nshards.txt").write_text(f"{len(shards)}\n")
    if classes is not None:
        (root / "classnames.txt").write_text("".join(f"{name}\n" for name in classes))
        (root / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\na drawing of a {c}.\n")
    return root


def contents(dataset: ImageDataset) -> list[tuple[str, object, bytes]]:
    """(id, target, bytes) of every sample."""
    return [(sample.id, sample.target, dataset.read(i)) for i, sample in enumerate(dataset.samples)]


def named(*names: str, multi_label: bool = False) -> SourceContext:
    """A context whose card has these class names."""
    return SourceContext(class_names=names, target="classes" if multi_label else "class")
