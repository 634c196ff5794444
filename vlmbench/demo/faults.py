"""Writes copies of the demo checkpoint. Each has one fault that real releases have had, so that you can try a gate.

    python -m vlmbench.demo.faults DIR

Each copy is a folder that ``open_clip:local-dir:DIR/NAME`` loads. The guide ``docs/gate.md`` uses them.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.errors import StoreError

if TYPE_CHECKING:
    from torch import Tensor

CHECKPOINT = Path(__file__).parent / "checkpoint"
_WEIGHTS, _CONFIG, _TOKENIZER = "open_clip_model.safetensors", "open_clip_config.json", "tokenizer.json"

NOISE = 0.2
"""The standard deviation of the noise, as a multiple of the matrix's own standard deviation."""
OPENAI_MEAN = [0.48145466, 0.4578275, 0.40821073]
OPENAI_STD = [0.26862954, 0.26130258, 0.27577711]
"""The mean and standard deviation of most CLIP models. The demo checkpoint has others."""


def noisy_weights(folder: Path) -> None:
    """Add Gaussian noise to every matrix, as after training with too high a learning rate."""
    import torch

    generator = torch.Generator().manual_seed(0)
    _each_matrix(folder, lambda matrix: matrix + NOISE * matrix.std() * torch.randn(matrix.shape, generator=generator))


def wrong_normalisation(folder: Path) -> None:
    """Normalise pixels with the mean and standard deviation of another model."""
    path = folder / _CONFIG
    config = json.loads(path.read_text("utf-8"))
    config["preprocess_cfg"] |= {"mean": OPENAI_MEAN, "std": OPENAI_STD}
    path.write_text(json.dumps(config, indent=2), "utf-8")


def swapped_tokenizer(folder: Path) -> None:
    """Use the tokenizer of another training run: the same words have other ids."""
    path = folder / _TOKENIZER
    tokenizer = json.loads(path.read_text("utf-8"))
    vocabulary, special = tokenizer["model"]["vocab"], {token["content"] for token in tokenizer["added_tokens"]}
    words = [word for word in vocabulary if word not in special]
    numbers = [vocabulary[word] for word in words]
    random.Random(0).shuffle(numbers)
    vocabulary |= dict(zip(words, numbers, strict=True))
    path.write_text(json.dumps(tokenizer, ensure_ascii=False), "utf-8")


def int8(folder: Path) -> None:
    """Round every matrix to 8 bits with its own scale. This is done correctly, so it hardly is a fault."""

    def rounded(matrix: Tensor) -> Tensor:
        scale = matrix.abs().max() / 127
        return (matrix / scale).round() * scale

    _each_matrix(folder, rounded)


def int8_overflow(folder: Path) -> None:
    """Round every matrix to 8 bits with a scale for unsigned numbers. The largest values change their sign."""
    import torch

    def wrapped(matrix: Tensor) -> Tensor:
        scale = matrix.abs().max() / 255
        return (matrix / scale).round().to(torch.int32).to(torch.int8).float() * scale

    _each_matrix(folder, wrapped)


FAULTS: dict[str, Callable[[Path], None]] = {
    "noise": noisy_weights,
    "normalisation": wrong_normalisation,
    "tokenizer": swapped_tokenizer,
    "int8": int8,
    "int8-overflow": int8_overflow,
}


def write_faulty(root: Path) -> list[Path]:
    """Write a folder for each fault. If a folder exists already, its files are replaced one by one.

    Raises:
        StoreError: a folder cannot be written.
    """
    folders = []
    for name, damage in FAULTS.items():
        folder = root / name
        try:
            shutil.copytree(CHECKPOINT, folder, dirs_exist_ok=True)
            damage(folder)
        except OSError as error:
            raise StoreError(f"cannot write to {str(folder)!r}: {error.strerror or error}") from error
        folders.append(folder)
    return folders


def _each_matrix(folder: Path, change: Callable[[Tensor], Tensor]) -> None:
    """Change every weight with two or more dimensions. The few biases and normalisation weights stay unchanged."""
    from safetensors.torch import load_file, save_file

    path = folder / _WEIGHTS
    weights = load_file(path)
    changed = {
        name: change(weight.float()).to(weight.dtype) if weight.is_floating_point() and weight.ndim > 1 else weight
        for name, weight in weights.items()
    }
    save_file(changed, path)


def main() -> None:
    """Write the copies, and print the name with which each is loaded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", metavar="DIR", type=Path, help="the folder in which the copies are written")
    for folder in write_faulty(parser.parse_args().root):
        print(f"open_clip:local-dir:{folder}")


if __name__ == "__main__":
    main()
