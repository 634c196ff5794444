"""The free options of a model card, checked by the adapter that reads them."""

from __future__ import annotations

from collections.abc import Mapping

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.registry import did_you_mean

Kinds = tuple[type, ...]


def check_options(card: ModelCard, known: Mapping[str, Kinds]) -> None:
    """Refuse options that nobody reads: a typo would silently change nothing.

    Args:
        known: option name to the types that its value may have.

    Raises:
        ModelError: an unknown option, or a value of another type.
    """
    for name, value in card.options.items():
        if name not in known:
            raise ModelError(
                f"model {card.name!r}: the adapter {card.adapter!r} has no option {name!r}",
                hint=did_you_mean(name, known) or f"Known: {', '.join(sorted(known))}.",
            )
        kinds = known[name]
        # bool is an int to Python, and never meant where a number is asked for.
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise ModelError(f"model {card.name!r}: option {name!r} is {value!r}, and should be of type {wanted}")
