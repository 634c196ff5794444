"""Folders of images, opened."""

from __future__ import annotations

from pathlib import Path

from data.layouts import image_bytes, write_folder

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.open import open_source


def opened(root: Path, context: SourceContext | None = None, **fields: object) -> ImageDataset:
    spec = SourceSpec.model_validate({"kind": "imagefolder", "location": str(root), **fields})
    return open_source(spec, context or SourceContext())


def two_classes(root: Path) -> Path:
    return write_folder(root, {"sea_lion/1.png": image_bytes(1), "cat/2.png": image_bytes(2)})
