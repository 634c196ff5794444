"""Open a task's dataset: the first of its sources that is there, checked."""

from __future__ import annotations

from collections.abc import Sequence

from vlmbench.cards import SourceSpec
from vlmbench.data import SOURCES
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.labels import check_dataset
from vlmbench.errors import MissingDataError

_LOCAL_KINDS = ("imagefolder", "wds")
"""Sources whose relative locations are looked up under the data root."""


def open_dataset(specs: Sequence[SourceSpec], context: SourceContext) -> ImageDataset:
    """The first source that is there, with its labels checked against the card.

    A source that is there but broken is an error, not a reason to try the next one: two sources of one card
    must never give different data without a word.

    Args:
        specs: the card's sources, in the order they are tried.
        context: where to look, and what the labels must fit.

    Raises:
        MissingDataError: none is there; lists every place looked at and how to get the data.
        DataError, LabelError: the one that is there cannot be used as it is.
        UnknownNameError: nobody registered a source's kind.
    """
    absent: list[MissingDataError] = []
    for spec in specs:
        try:
            dataset = SOURCES.get(spec.kind)(spec, context)
        except MissingDataError as error:
            absent.append(error)
            continue
        check_dataset(
            dataset,
            context.class_names,
            target=context.target,
            card_names_win=spec.options.get("class_names") == "card",
        )
        return dataset
    raise MissingDataError(_nowhere(absent), hint=_next_step(specs, absent, context))


def _nowhere(absent: Sequence[MissingDataError]) -> str:
    if len(absent) == 1:
        return absent[0].message
    lines = [f"  {str(error).replace(chr(10), chr(10) + '    ')}" for error in absent]
    return "\n".join(["the dataset is in none of its places:", *lines])


def _next_step(specs: Sequence[SourceSpec], absent: Sequence[MissingDataError], context: SourceContext) -> str | None:
    """What each source says is in the list of places already, unless there is only one."""
    own = absent[0].hint if len(absent) == 1 else None
    local = [spec.location for spec in specs if spec.kind in _LOCAL_KINDS]
    if own is not None or not local:
        return own
    where = f" (now {context.data_root})" if context.data_root is not None else ""
    return f"Put the data in a folder that has {' or '.join(local)}, and name it with --data-root DIR{where}."
