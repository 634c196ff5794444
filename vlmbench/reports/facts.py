"""Collects facts about a model besides its numbers, from the paper's own row, its card, or a record.

Tables, the leaderboard and data frames show them as columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vlmbench.cards import ModelCard
from vlmbench.catalogue import model_cards
from vlmbench.markup import one_line
from vlmbench.records import ModelInfo
from vlmbench.reports.cells import DASH
from vlmbench.reports.table_data import Column

_CARD_FIELDS: Mapping[str, tuple[str, ...]] = {
    "image encoder": ("image_encoder",),
    "text encoder": ("text_encoder",),
    "data size": ("data_size",),
    "data": ("training_data",),
    "objective": ("objective",),
    "framework": ("framework",),
    "architecture": ("architecture",),
    "parameters": ("parameters",),
    "GFLOPs": ("gflops",),
    "setup": (),
}
FACTS = tuple(_CARD_FIELDS)
"""The column headings of facts."""
_VARIANT_FIELDS = {
    "image encoder": ("image_encoder", "backbone"),
    "text encoder": ("text_encoder",),
    "data size": ("data_size",),
}
_FROM_RECORD: Mapping[str, Callable[[ModelInfo], str]] = {
    "parameters": lambda info: count(info.parameters) if info.parameters else DASH
}
_LONGEST = 200
"""The most characters of a fact: a record's file may come from anyone."""
_RIGHT = frozenset({"data size", "parameters", "GFLOPs"})
_SPARE = {"text encoder": 5, "image encoder": 4, "data size": 3}


class ModelFacts:
    """Looks up facts by model. It reads all cards once, at the first question."""

    def __init__(self) -> None:
        self._cards: dict[str, ModelCard] | None = None

    def card(self, model: str) -> ModelCard | None:
        """A model's card; None if it has none."""
        if self._cards is None:
            self._cards = {card.name: card for card in model_cards()}
        return self._cards.get(model)

    def title(self, model: str) -> str:
        """The model's name as papers print it."""
        card = self.card(model)
        return card.title if card and card.title else model

    def row(self, model: str, *, variant: Mapping[str, str], info: ModelInfo | None = None) -> list[str]:
        """One text a fact, in the order of :data:`FACTS`; a dash or "" for an unknown fact."""
        card = self.card(model)
        return [_fact(name, card, variant, info) for name in FACTS]


def fact_columns() -> list[Column]:
    """One column a fact. In a narrow window these columns are dropped before numbers."""
    return [Column(name, "right" if name in _RIGHT else "left", spare=_SPARE.get(name, 6)) for name in FACTS]


def count(number: float) -> str:
    """A count in a few characters.

    >>> count(151_277_313), count(1_800_000_000), count(26)
    ('151M', '1.8B', '26')
    """
    for scale, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= scale:
            return f"{number / scale:.3g}{letter}"
    return f"{number:g}"


def _fact(name: str, card: ModelCard | None, variant: Mapping[str, str], info: ModelInfo | None) -> str:
    for key in _VARIANT_FIELDS.get(name, (name,)):
        if variant.get(key):
            return variant[key]
    for key in _CARD_FIELDS[name]:
        value = info.card.get(key) if info is not None else None  # beside answers that were made elsewhere
        if not isinstance(value, str | int | float):
            value = getattr(card, key, None)
        if value is not None:
            return count(value) if isinstance(value, int | float) else one_line(str(value), _LONGEST)
    if info is not None and name in _FROM_RECORD:
        return _FROM_RECORD[name](info)
    return "" if name == "setup" else DASH
