"""Compares what model cards state of their family with what a loaded model of the family can do."""

from __future__ import annotations

from vlmbench.catalogue import model_cards
from vlmbench.models.base import (
    DenseEncoder,
    Detector,
    InstanceSegmenter,
    Model,
    Segmenter,
    capability,
    lacks_encoders,
)
from vlmbench.models.clip_encoder import ClipEncoder
from vlmbench.models.multi_vector import multi_vector

_CAPABILITIES = {
    "patches": DenseEncoder,
    "boxes": Detector,
    "masks": InstanceSegmenter,
    "pixels": Segmenter,
    "clips": ClipEncoder,
}


def abilities(model: Model) -> list[str]:
    """What a model can do, in the words of a card's ``capabilities``."""
    found = ["features"] if lacks_encoders(model) is None else []
    found += ["vectors"] if multi_vector(model) else []
    return [*found, *(name for name, kind in _CAPABILITIES.items() if capability(model, kind) is not None)]


def check_cards_of(family: str, adapter: str, model: Model) -> None:
    """Every shipped card of the family states what this model of the family can do."""
    cards = [card for card in model_cards("*") if (card.adapter, card.family) == (adapter, family)]
    assert cards, f"no card of {family}"
    for card in cards:
        assert card.capabilities == abilities(model), card.name
