"""Datasets of images and masks, opened and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.mask_files import filled, picture
from said import remarked

from vlmbench.cards import SourceSpec
from vlmbench.data.base import MaskDataset, SourceContext
from vlmbench.data.open import open_dataset

PICTURE = picture(0)


def opened(root: Path, *, classes: int | None = 3, **fields: Any) -> MaskDataset:
    spec = SourceSpec.model_validate({"kind": "masks", "location": str(root), **fields})
    names = tuple(f"class {label}" for label in range(classes)) if classes is not None else None
    dataset = open_dataset([spec], SourceContext(target="mask", own_names=names))
    assert isinstance(dataset, MaskDataset)
    return dataset


def quiet(root: Path, **fields: Any) -> MaskDataset:
    """Opened and read without a word."""
    dataset, said = remarked(lambda: opened(root, **fields))
    labels(dataset)
    assert not said
    return dataset


def labels(dataset: MaskDataset) -> dict[str, list[list[int]]]:
    return {
        sample.id: dataset.labels(dataset.read_mask(index), sample.id).tolist()
        for index, sample in enumerate(dataset.samples)
    }


def ids(dataset: MaskDataset) -> list[str]:
    return [sample.id for sample in dataset.samples]


def firsts(dataset: MaskDataset) -> list[int]:
    """The label of each mask of one value."""
    return [rows[0][0] for rows in labels(dataset).values()]


def pairs(images: str, masks: str, names: str = "ab", *, image: str = ".jpg", mask: str = ".png") -> dict[str, bytes]:
    """Images and masks of these names; each mask is filled with the number of its name."""
    return {
        **{f"{images}/{name}{image}": PICTURE for name in names},
        **{f"{masks}/{name}{mask}": filled(number) for number, name in enumerate(names)},
    }
