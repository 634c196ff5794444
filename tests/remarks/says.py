"""A toy model of which something is said while it is loaded: ``says:CODE``; nothing where :data:`QUIET` is set."""

from __future__ import annotations

import toy_adapter

from vlmbench.cards import ModelCard
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import CODES

QUIET: list[bool] = []
SENTENCE = "3 things <b>happened</b>"


def load(card: ModelCard, options: LoadOptions) -> toy_adapter.ToyModel:
    if not QUIET:
        say(CODES[card.spec], SENTENCE, brief=f"3 of {card.spec}", count=3, examples=["b.jpg", "a.jpg"])
    return toy_adapter.load(card, options)


ADAPTERS.register("says", load)
