"""The adapter named by the cards of models in memory. It loads nothing: a run takes such a model as it is given."""

from __future__ import annotations

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models.base import LoadOptions, Model

ADAPTER = "memory"
"""Its name."""


def load(card: ModelCard, options: LoadOptions) -> Model:
    """Refuse a card whose model was in the memory of another process.

    Raises:
        ModelError: always.
    """
    raise ModelError(
        f"{card.name!r} was a model in the memory of a Python process, and this run holds none of that name",
        hint="Give it in Python: vlmbench.evaluate(vlmbench.as_model(module, …), …); or save it, and name its file.",
    )
