"""The adapter of models that the caller of :func:`vlmbench.evaluate` holds in memory.

It loads nothing: the run's options hold the objects, each under its card's name.
"""

from __future__ import annotations

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models.base import LoadOptions, Model

ADAPTER = "memory"
"""Its name, in the cards of such models."""


def load(card: ModelCard, options: LoadOptions) -> Model:
    """The object of this card.

    Raises:
        ModelError: the run holds none of this name, or the object cannot be used as a model.
    """
    make = options.objects.get(card.name)
    if make is None:
        raise ModelError(
            f"{card.name!r}: this run holds no model object of that name",
            hint="An object is given in Python: vlmbench.evaluate(vlmbench.as_model(module, …), …).",
        )
    return make()
