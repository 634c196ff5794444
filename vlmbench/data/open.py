"""Opens a task's dataset: the first of the card's sources that is there. Runs, ``fetch`` and ``show`` use it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from textwrap import wrap

from vlmbench.cards import SourceSpec
from vlmbench.data import SOURCES
from vlmbench.data.base import ImageDataset, Source, SourceContext, as_source
from vlmbench.data.labels import check_dataset
from vlmbench.data.location import is_at_url, nearest_hint, shown_roots
from vlmbench.errors import MissingDataError, UsageError, VlmbenchError
from vlmbench.paths import user_path
from vlmbench.registry import did_you_mean
from vlmbench.storage.base import is_url

_COLUMNS = 80
_FIELDS = ("folders", "other_locations", "split", "revision")
"""Fields of a card's entry. :class:`~vlmbench.data.base.Source` has an attribute of the same name for each, which says
whether the source uses it."""


def open_dataset(specs: Sequence[SourceSpec], context: SourceContext) -> ImageDataset:
    """The first source that is there, with its labels checked against the card.

    If a source is there but broken, it is an error, and the next one is not tried: otherwise the user would get data
    from another source than expected, without notice.

    Args:
        specs: the card's sources, in the order in which they are tried.

    Raises:
        MissingDataError: none of them is there; the message lists every place and how to get the data.
        DataError, LabelError: the one that is there cannot be used as it is.
        UsageError: an entry has a field or option that its source does not use.
        UnknownNameError: a kind of source is not registered.
    """
    absent: list[tuple[SourceSpec, MissingDataError]] = []
    for spec in specs:
        try:
            return open_source(spec, context)
        except MissingDataError as error:
            absent.append((spec, error))
    raise nowhere(absent, context)


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """One source, with its labels checked against the card.

    Raises:
        MissingDataError: it is not there.
        DataError, LabelError: it cannot be used as it is.
        UsageError: it has a field or option that its source does not use.
        UnknownNameError: its kind of source is not registered.
    """
    source = checked_source(spec)
    if is_at_url(source, spec, context):
        from vlmbench.data.urls.opened import open_at_url

        dataset = open_at_url(source, spec, context)
    else:
        dataset = source.open(spec, context)
    check_dataset(
        dataset,
        context.class_names,
        target=context.target,
        card_names_win=spec.options.get("class_names") == "card",
    )
    return dataset


def checked_source(spec: SourceSpec) -> Source:
    """The source of a card's entry, after a check that it uses every field and option of the entry.

    Without the check, a misspelt option would be ignored silently.

    Raises:
        UsageError: the source does not use a field or option.
        UnknownNameError: this kind of source is not registered.
    """
    source = as_source(SOURCES.get(spec.kind))
    place = f"{spec.kind} {spec.location!r}"
    known = source.options_of(spec)
    for field in _FIELDS:
        if getattr(spec, field) != SourceSpec.model_fields[field].default and not getattr(source, field):
            raise UsageError(
                f"{place}: the source {spec.kind} does not use `{field}`",
                hint=f"These sources use it: {_users(field)}.",
            )
    for option in spec.options:
        if known is not None and option not in known:
            hint = did_you_mean(option, known) or "It takes no options."
            raise UsageError(f"{place}: unknown option {option!r}", hint=hint)
    return source


def _users(field: str) -> str:
    """The names of the sources that use a field. A plugin that cannot be loaded is left out; `doctor` reports it."""
    found = []
    for name in SOURCES:
        with suppress(VlmbenchError):
            if getattr(SOURCES.get(name), field, False):  # a plain function does not say what it uses
                found.append(name)
    return ", ".join(found)


def nowhere(absent: Sequence[tuple[SourceSpec, MissingDataError]], context: SourceContext) -> MissingDataError:
    """The error if none of the sources is there: it lists every place, and how to get the data."""
    if len(absent) == 1 and absent[0][1].hint is not None:
        return absent[0][1]
    return MissingDataError(_places(absent, context), hint=_next_step(absent))


def _places(absent: Sequence[tuple[SourceSpec, MissingDataError]], context: SourceContext) -> str:
    """One line per layout, after one line with the folders that were searched."""
    if len(absent) == 1:
        return absent[0][1].message
    lines = ["the dataset is in none of its places:"]
    layouts = [(spec.kind, layout) for spec, error in absent for layout in error.looked_for or ()]
    if layouts:
        lines.append(f"  looked in {shown_roots(context)} for")
        width = max(len(kind) for kind, _ in layouts)
        kinds = [kind for kind, _ in layouts]
        for (kind, layout), before in zip(layouts, ["", *kinds], strict=False):
            first = f"    {'' if kind == before else kind:{width}}  "
            lines += _wrapped(layout, first, " " * (len(first) + 2))
    for _, error in absent:
        if error.looked_for is None:
            lines += _wrapped(error.message, "  ", "    ")
    return "\n".join(lines)


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return wrap(
        text,
        _COLUMNS,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _next_step(absent: Sequence[tuple[SourceSpec, MissingDataError]]) -> str | None:
    if not any(error.looked_for for _, error in absent):
        if is_url(absent[0][0].location):
            return "Check the URL."
        path = user_path(absent[0][0].location)
        return nearest_hint(path) if len(absent) == 1 and path.is_absolute() else None
    if len(absent) == 1:
        return "Check the path, or name the folder that has it with --data-root DIR."
    others = dict.fromkeys(error.hint for _, error in absent if error.looked_for is None and error.hint)
    return " ".join(["Name the folder that has one of these layouts with --data-root DIR.", *others])
