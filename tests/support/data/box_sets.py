"""Datasets of boxes, opened or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from said import sentences

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.errors import VlmbenchError


def opened(
    root: Path, names: tuple[str, ...] | None = None, *, kind: str = "boxes", split: str | None = None, **options: Any
) -> ImageDataset:
    spec = SourceSpec(kind=kind, location=str(root), split=split, options=options)
    return open_dataset([spec], SourceContext(class_names=names, target="boxes"))


def refusal(root: Path, **options: Any) -> str:
    with pytest.raises(VlmbenchError) as caught:
        opened(root, **options)
    return str(caught.value)


def said_of(root: Path) -> list[str]:
    return sentences(lambda: opened(root))
