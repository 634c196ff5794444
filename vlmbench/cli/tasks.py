"""``vlmbench tasks``: lists the task cards and suites, and shows one in full."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from vlmbench.cli.listing import Listing, pattern_or_command
from vlmbench.reports.table_data import Column

if TYPE_CHECKING:  # reading cards is a good third of the start, and the help needs none
    from vlmbench.cards import SourceSpec, Suite, TaskCard

COLUMNS = (
    Column("name"),
    Column("kind", spare=2),
    Column("samples", "right", spare=1),
    Column("metric", spare=3),
    Column("title"),
)
app = typer.Typer(cls=pattern_or_command("list"), help="List task cards and suites, or show one.")


@app.command("list", hidden=True)
def list_tasks(
    pattern: Annotated[str, typer.Argument(help="A part of the name, or a pattern such as 'demo-*'.")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List task cards and suites whose name matches."""
    from vlmbench.catalogue import suites, task_cards

    found = [suite for suite in suites() if pattern == "*" or pattern.casefold() in suite.name]
    _listing(
        task_cards(pattern),
        found,
        nothing=f"no task or suite matches {pattern!r}",
        hint="Your own data runs without a card: vlmbench run -t imagefolder:PATH …",
    ).show(as_json=as_json)


@app.command("show")
def show_task(
    name: Annotated[str, typer.Argument(help="A task's or suite's name, a YAML file, or KIND:PATH.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one task: its data, prompts, metrics and caveats."""
    from vlmbench.card_files import tell_of_broken
    from vlmbench.catalogue import named_tasks
    from vlmbench.cli.listing import show_cards, show_fields

    named = named_tasks(name)
    tell_of_broken(named.broken)
    cards, suite = list(named.cards), named.suite
    if suite is None or as_json:
        show_cards(cards, as_json=as_json, fields=_fields)
        return
    show_fields({"suite": suite.name, "title": suite.title, "description": suite.description, **_sample(suite)})
    _listing(cards, [], nothing="", hint="Each task in full: vlmbench tasks show NAME").show(as_json=False)


def _sample(suite: Suite) -> dict[str, object]:
    """How many samples of each task the suite asks, and how large a difference they can detect."""
    from vlmbench.metrics.resolution import resolution_text

    if suite.sample is None:
        return {}
    size = suite.sample.size
    how = "by class if each sample has one class, otherwise at random" if suite.sample.by else "at random"
    return {
        "sample": f"{size:,} samples of each task, or all samples of a smaller task",
        "drawn": f"{how}; --seed changes the draw",
        "detects": f"with {size:,} samples: {resolution_text(size)}",
    }


def _listing(cards: Sequence[TaskCard], found: Sequence[Suite], *, nothing: str, hint: str) -> Listing:
    """Tasks, then suites."""
    rows = [(c.name, c.plugin, f"{c.samples:,}" if c.samples else "–", c.main_metric, c.title or "") for c in cards]
    rows += [(suite.name, "suite", "–", "–", f"{suite.title or suite.name} ({len(suite.tasks)})") for suite in found]
    return Listing(
        columns=COLUMNS,
        rows=rows,
        data=[{"kind": "task", **c.model_dump(exclude_none=True, exclude={"classes"})} for c in cards]
        + [{"kind": "suite", **suite.model_dump(exclude_none=True)} for suite in found],
        nothing=nothing,
        hint=hint,
    )


def _fields(card: TaskCard) -> dict[str, object]:
    """A card's fields as people read them: the places of the data in the order in which they are tried."""
    left_out = {"sources", "train", "val", *([] if card.multi_label else ["multi_label"])}
    fields = card.model_dump(exclude_none=True, exclude=left_out)
    data = {
        "data" if role == "test" else f"{role} data": "\n".join(_place(*place) for place in enumerate(sources, start=1))
        for role, sources in card.sources_by_role.items()
    }
    return {
        "name": fields.pop("name"),
        "kind": fields.pop("plugin"),
        "version": fields.pop("version"),
        **data,
        **fields,
        "can be set": _settable(card),
    }


def _settable(card: TaskCard) -> str:
    """The fields that ``vlmbench run --set`` can replace, with the values that they have in this task."""
    from pydantic import BaseModel, ValidationError

    from vlmbench.kinds import known_kind

    kind = known_kind(card.plugin)
    protocol = kind.load_protocol() if kind else None
    if not isinstance(protocol, type) or not issubclass(protocol, BaseModel):
        return ""
    try:
        values = protocol.model_validate(card.protocol).model_dump(mode="json")
    except ValidationError:  # the run tells what is wrong with the card
        return ", ".join(protocol.model_fields)
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    return "\n".join(f"--set {name}={text}" for name, text in texts.items())


def _place(number: int, spec: SourceSpec) -> str:
    details = [
        f"split {spec.split}" if spec.split else "",
        f"revision {spec.revision}" if spec.revision else "",
        f"{len(spec.folders):,} class folders" if spec.folders else "",
        *(
            f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
            for name, value in spec.options.items()
        ),
    ]
    said = "; ".join(filter(None, details))
    return f"{number}. {spec.kind} {' or '.join([spec.location, *spec.other_locations])}" + (
        f" ({said})" if said else ""
    )
