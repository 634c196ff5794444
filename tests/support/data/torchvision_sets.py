"""torchvision's datasets, opened through their cards."""

from __future__ import annotations

from pathlib import Path

from cards.protocols import CARDS
from data.torchvision_files import CARD_OF

from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.open import open_dataset


def spec_of(name: str, **fields: object) -> SourceSpec:
    (spec,) = [spec for spec in CARDS[CARD_OF[name]].sources if spec.kind == "torchvision"]
    return spec.model_copy(update=fields)


def context(card: TaskCard, root: Path | None) -> SourceContext:
    return SourceContext(data_root=root, class_names=tuple(card.classes or ()), offline=True)


def opened(name: str, root: Path | None, **fields: object) -> ImageDataset:
    return open_dataset([spec_of(name, **fields)], context(CARDS[CARD_OF[name]], root))
