"""The adapter that cards of models in memory name. It loads nothing, because the caller gives the run the model itself.

The registry of adapters calls :func:`load` if a card of such a model is run without its model.
"""

from __future__ import annotations

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models.base import LoadOptions, Model

ADAPTER = "memory"
"""The name of this adapter in cards."""


def load(card: ModelCard, options: LoadOptions) -> Model:
    """Refuse to load a card whose model was in the memory of another process.

    Raises:
        ModelError: always.
    """
    raise ModelError(
        f"{card.name!r} names a model that was in the memory of a Python process, and this run has no such model",
        hint="Give it in Python: vlmbench.evaluate(vlmbench.as_model(module, …), …). Or save it and name its file.",
    )
