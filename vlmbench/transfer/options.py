"""Settles the options of a transfer method. Plans call it before any work starts, and methods before they learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from vlmbench.errors import UsageError
from vlmbench.registry import did_you_mean
from vlmbench.transfer.base import MethodOptions

OptionsT = TypeVar("OptionsT", bound=MethodOptions)


def settle_options(name: str, schema: type[OptionsT], given: Mapping[str, Any]) -> OptionsT:
    """A method's settings with the user's in place of defaults.

    Raises:
        UsageError: an unknown option, or a value out of its range.
    """
    for option in given:
        if option not in schema.model_fields:
            known = sorted(schema.model_fields)
            hint = did_you_mean(option, known)
            every = f"Its options are {', '.join(known)}." if known else "It has no options."
            raise UsageError(
                f"the transfer method {name!r} has no option {option!r}",
                hint=f"{hint} {every}" if hint.startswith("Did") else every,
            )
    try:
        return schema.model_validate(dict(given))
    except ValidationError as error:
        found = error.errors()[0]
        place = ".".join(map(str, found["loc"]))
        raise UsageError(
            f"the transfer method {name!r}: option {place}: {found['msg'].removeprefix('Value error, ')}, "
            f"not {found['input']!r}"
        ) from error
