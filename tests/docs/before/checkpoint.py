"""What the reader has: a checkpoint, one of a training with two sets of weights, and an exported folder."""

import shutil
from pathlib import Path

from docs.reader import save, weights

import vlmbench.demo


def prepare(folder: Path) -> None:
    trained = weights("ViT-S-32-alt")
    save(folder / "my/checkpoint.pt", trained)
    averaged = {name: value * 0.99 if value.is_floating_point() else value for name, value in trained.items()}
    save(folder / "my/training.pt", {"model": trained, "model_ema": averaged, "epoch": 3})
    shutil.copytree(Path(vlmbench.demo.__file__).parent / "checkpoint", folder / "my/export")
