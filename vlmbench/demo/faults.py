"""Copies of the demo checkpoint, each with one fault that releases have had, to see a gate at work.

    python -m vlmbench.demo.faults DIR

Each is a folder that ``open_clip:local-dir:DIR/NAME`` loads.
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
"""Of each matrix's own standard deviation."""
OPENAI_MEAN = [0.48145466, 0.4578275, 0.40821073]
OPENAI_STD = [0.26862954, 0.26130258, 0.27577711]
"""What most CLIP models normalise with; the demo checkpoint does not."""


def noisy_weights(folder: Path) -> None:
    """Gaussian noise on every matrix, as after training that went on too hot."""
    import torch

    generator = torch.Generator().manual_seed(0)
    _each_matrix(folder, lambda matrix: matrix + NOISE * matrix.std() * torch.randn(matrix.shape, generator=generator))


def wrong_normalisation(folder: Path) -> None:
    """Another model's mean and standard deviation of the pixels."""
    path = folder / _CONFIG
    config = json.loads(path.read_text("utf-8"))
    config["preprocess_cfg"] |= {"mean": OPENAI_MEAN, "std": OPENAI_STD}
    path.write_text(json.dumps(config, indent=2), "utf-8")


def swapped_tokenizer(folder: Path) -> None:
    """The tokenizer of another training: the same words, other numbers."""
    path = folder / _TOKENIZER
    tokenizer = json.loads(path.read_text("utf-8"))
    vocabulary, special = tokenizer["model"]["vocab"], {token["content"] for token in tokenizer["added_tokens"]}
    words = [word for word in vocabulary if word not in special]
    numbers = [vocabulary[word] for word in words]
    random.Random(0).shuffle(numbers)
    vocabulary |= dict(zip(words, numbers, strict=True))
    path.write_text(json.dumps(tokenizer, ensure_ascii=False), "utf-8")


def int8(folder: Path) -> None:
    """Every matrix in 8 bits with a scale of its own, and back. Well done: hardly a fault."""

    def rounded(matrix: Tensor) -> Tensor:
        scale = matrix.abs().max() / 127
        return (matrix / scale).round() * scale

    _each_matrix(folder, rounded)


def int8_overflow(folder: Path) -> None:
    """The same with a scale for unsigned numbers: what is above half of the range comes back with its sign turned."""
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
    """A folder a fault; what a folder of that name holds is replaced file by file.

    Raises:
        StoreError: they cannot be written.
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
    """Change every weight of two or more dimensions; biases and normalisations, which are few, stay."""
    from safetensors.torch import load_file, save_file

    path = folder / _WEIGHTS
    weights = load_file(path)
    changed = {
        name: change(weight.float()).to(weight.dtype) if weight.is_floating_point() and weight.ndim > 1 else weight
        for name, weight in weights.items()
    }
    save_file(changed, path)


def main() -> None:
    """Write them and say how to load them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", metavar="DIR", type=Path, help="where the folders go")
    for folder in write_faulty(parser.parse_args().root):
        print(f"open_clip:local-dir:{folder}")


if __name__ == "__main__":
    main()
