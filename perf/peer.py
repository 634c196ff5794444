"""Prepares CLIP_benchmark 1.6.2 as a peer: its environment, its data layout, and a checkpoint that both programs load.

``text_head.py`` and ``whole_run.py`` use it.
"""

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
"""CLIP_benchmark 1.6.2 converts arrays with one element into numbers, which numpy 2.4 refuses."""


def add_peer_arguments(parser: ArgumentParser) -> None:
    """Add the options ``--work`` and ``--peer-python``."""
    parser.add_argument(
        "--work", type=Path, help="the folder for checkpoint, data and environment; it is kept afterwards"
    )
    parser.add_argument("--peer-python", type=Path, help=f"the Python of an environment that has {PEER} already")


def make_peer(folder: Path) -> Path:
    """Make an environment with CLIP_benchmark and this environment's torch and open_clip. Returns its Python."""
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
    """Write a random ViT-B/32 from a seed. To compare arithmetic, no pretrained weights are needed."""
    import open_clip
    import torch

    torch.manual_seed(0)
    torch.save(open_clip.create_model(ARCHITECTURE).state_dict(), path)


def write_shards(
    root: Path, images: Sequence[tuple[Path, int]], names: Sequence[str], templates: Sequence[str], *, shards: int = 1
) -> None:
    """Write labelled images in clip-benchmark's webdataset layout, distributed over ``shards`` shards."""
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
