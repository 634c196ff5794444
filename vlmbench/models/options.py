"""Checks a model card's options. Each adapter calls it with the options that it knows."""

from __future__ import annotations

from collections.abc import Mapping

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.registry import did_you_mean
from vlmbench.wording import listed

Kinds = tuple[type, ...]


def check_options(card: ModelCard, known: Mapping[str, Kinds]) -> None:
    """Refuse options that the adapter does not know, because a misspelt option would have no effect.

    Args:
        known: maps each option to the types that its value may have.

    Raises:
        ModelError: an option is unknown, or its value has a wrong type.
    """
    for name, value in card.options.items():
        if name not in known:
            raise ModelError(
                f"model {card.name!r}: the adapter {card.adapter!r} has no option {name!r}",
                hint=did_you_mean(name, known) or f"Known: {', '.join(sorted(known))}.",
            )
        kinds = known[name]
        # In Python a bool is an int, but it is never a valid number here.
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = listed([kind.__name__ for kind in kinds], "or")
            raise ModelError(f"model {card.name!r}: option {name!r} is {value!r}, but must be of type {wanted}")
