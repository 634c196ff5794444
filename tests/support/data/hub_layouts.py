"""What the tests of hub repositories share."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from data.layouts import image_bytes

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.sources.hub import open_source


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def without_manifests() -> None:
    """Make the cache look as if another program had fetched what it has."""
    from huggingface_hub import constants

    for folder in Path(constants.HF_HUB_CACHE).glob("*/vlmbench"):
        rmtree(folder)


def empty_caches(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Give the hub's client and ``datasets`` empty caches in a folder, and none of the user's own settings."""
    import datasets
    from huggingface_hub import constants

    # The libraries read HF_HOME when they are imported: what they made of it is replaced.
    patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(constants, "HF_XET_CACHE", str(folder / "xet"), raising=False)
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "datasets")
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
        patch.delenv(name, raising=False)


def opened(location: str | Path, context: SourceContext | None = None, **fields: object) -> ImageDataset:
    """The hub source's dataset of a repository or folder."""
    spec = SourceSpec.model_validate({"kind": "hub", "location": str(location), **fields})
    return open_source(spec, context or SourceContext())


def table(path: Path, labels: list[object], feature: Any, images: list[object] | None = None) -> Path:
    """Write a Parquet table of images and labels as ``datasets`` does; returns the path."""
    import datasets

    cells = images or [{"bytes": image_bytes(i, "JPEG"), "path": None} for i in range(len(labels))]
    features = datasets.Features({"img": datasets.Image(), "note": datasets.Value("string"), "label": feature})
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"img": cells, "note": ["x"] * len(labels), "label": labels}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(str(path))
    return path


def class_label(*names: str) -> Any:
    """The feature of a column of class indices."""
    import datasets

    return datasets.ClassLabel(names=list(names))
