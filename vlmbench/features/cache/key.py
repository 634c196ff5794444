"""Makes the key of a feature space from everything that can change a feature, with the code that makes it.

Runs open their cache with it. The run id takes the hash of foreign code from here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import torch

from vlmbench._version import __version__
from vlmbench.models.base import Model, VisionLanguageModel

PACKAGE = Path(__file__).parents[2]
FEATURE_CODE: tuple[str, ...] = (
    "models",
    "features",
    "data/base.py",
    "data/formats/decode.py",
    "data/formats/pixels.py",
    "data/shown.py",
    "rgb.py",
    "run_lengths",
)
"""The code that makes features from bytes and texts: folders with everything below them, and single files.

A test follows the imports of these files and fails if a file on the way is missing here."""
_ID_LENGTH = 16


def feature_space(model: Model, encoder: str, precision: str, width: int | None = None) -> dict[str, Any]:
    """Collect everything that can change a feature, as the cache's key.

    The code that makes features is part of the key, because a checkout can change without a new version number. For an
    adapter from another package, the code is the adapter's file or the folder of its package.

    Args:
        encoder: its name; those of images begin with "image".
        width: the number of values that it gives an image or a text; None: those of a dual encoder.
    """
    identity, card = model.identity, model.card
    return {
        "encoder": encoder,
        "model": card.name,
        "adapter": [card.adapter, card.spec, card.options, _adapter_code(type(model))],
        "weights": identity.weights_sha256,
        "architecture": identity.architecture,
        "input": identity.preprocess if encoder.startswith("image") else identity.tokenizer,
        "precision": precision,
        "embedding_dim": width or cast(VisionLanguageModel, model).embedding_dim,
        "device": torch.device(model.device).type,
        "libraries": {**dict(identity.libraries), "vlmbench": __version__},
        "code": code_sha256(PACKAGE),
    }


@lru_cache(maxsize=4)
def code_sha256(package: Path) -> str:
    """The hash of the code in :data:`FEATURE_CODE`.

    Raises:
        FileNotFoundError: a listed file or folder is missing, so its changes would not be noticed.
    """
    return _files_sha256(feature_code(package), package)


def feature_code(package: Path) -> list[Path]:
    """The files that :data:`FEATURE_CODE` lists, in order.

    Raises:
        FileNotFoundError: a file is missing, or a folder holds no code.
    """
    found: list[Path] = []
    for name in FEATURE_CODE:
        place = package / name
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        if not files or not all(file.is_file() for file in files):
            raise FileNotFoundError(f"{place}: the feature cache's key needs it, and it does not exist")
        found += files
    return found


def source_sha256(kind: type) -> str:
    """The hash of the file that defines a class; empty if there is no file."""
    file = _file_of(kind)
    return sha256(file.read_bytes()).hexdigest()[:_ID_LENGTH] if file else ""


def _adapter_code(kind: type) -> str:
    """The hash of an adapter's code: its file, or all code in the folder of its package."""
    file = _file_of(kind)
    if file is None or not getattr(sys.modules[kind.__module__], "__package__", None):
        return source_sha256(kind)
    return _files_sha256(sorted(file.parent.rglob("*.py")), file.parent)


def _file_of(kind: type) -> Path | None:
    name = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return Path(name) if name and Path(name).is_file() else None


def _files_sha256(paths: Iterable[Path], root: Path) -> str:
    """Hash the files' contents and their paths below ``root``. Paths count because two folders may share file names."""
    found: Sequence[tuple[str, str]] = [
        (path.relative_to(root).as_posix(), sha256(path.read_bytes()).hexdigest()) for path in paths
    ]
    return sha256(json.dumps(sorted(found)).encode()).hexdigest()[:_ID_LENGTH]
