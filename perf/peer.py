"""CLIP_benchmark 1.6.2 beside vlmbench: its environment, its data layout, and a checkpoint that both can load."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from argparse import ArgumentParser
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

PEER = "clip-benchmark==1.6.2"
ARCHITECTURE = "ViT-B-32"
NUMPY = "numpy<2.4"
"""CLIP_benchmark 1.6.2 makes numbers of arrays with one element, which numpy 2.4 refuses."""


def add_peer_arguments(parser: ArgumentParser) -> None:
    """``--work`` and ``--peer-python``."""
    parser.add_argument("--work", type=Path, help="where to put checkpoint, data and environment; kept afterwards")
    parser.add_argument("--peer-python", type=Path, help=f"the interpreter of an environment that has {PEER} already")


def make_peer(folder: Path) -> Path:
    """An environment with CLIP_benchmark beside the same torch and open_clip as ours; its interpreter."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pinned = [f"{name}=={version(name)}" for name in ("torch", "torchvision", "open_clip_torch", "pillow")]
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", PEER, "requests", NUMPY, *pinned],
            check=True,
        )
    return python


def make_checkpoint(path: Path) -> None:
    """A seeded random ViT-B/32: no pretrained weights are needed to compare arithmetic."""
    import open_clip
    import torch

    torch.manual_seed(0)
    torch.save(open_clip.create_model(ARCHITECTURE).state_dict(), path)


def write_shards(
    root: Path, images: Sequence[tuple[Path, int]], names: Sequence[str], templates: Sequence[str], *, shards: int = 1
) -> None:
    """Labelled images in clip-benchmark's webdataset layout, distributed over ``shards`` shards."""
    (root / "test").mkdir(parents=True, exist_ok=True)
    (root / "classnames.txt").write_text("\n".join(names) + "\n")
    written = "\n".join(template.replace("{}", "{c}") for template in templates)
    (root / "zeroshot_classification_templates.txt").write_text(written + "\n")
    (root / "test" / "nshards.txt").write_text(f"{shards}\n")
    for shard in range(shards):
        with tarfile.open(root / "test" / f"{shard}.tar", "w") as tar:
            for index in range(shard, len(images), shards):
                path, label = images[index]
                suffix = path.suffix.lower().replace("jpeg", "jpg").removeprefix(".")
                for extension, data in ((suffix, path.read_bytes()), ("cls", str(label).encode())):
                    entry = tarfile.TarInfo(f"s{index:07d}.{extension}")
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))
