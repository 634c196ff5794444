"""``vlmbench methods``: lists transfer methods, and shows one with its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmbench.cli.heavy_imports import heavy_imports
from vlmbench.cli.listing import Listing, pattern_or_command, show_fields
from vlmbench.reports.table_data import Column

if TYPE_CHECKING:
    from vlmbench.transfer.base import TransferMethod

COLUMNS = (
    Column("name"),
    Column("learns from"),
    Column("needs", spare=2),
    Column("new classes", spare=1),
    Column("options", spare=3),
)
_LEARNS = {"nothing": "no image", "labels": "images with labels", "images": "images without labels"}
app = typer.Typer(cls=pattern_or_command("list"), help="List transfer methods, or show one with its options.")


@app.command("list", hidden=True)
def list_methods(
    pattern: Annotated[str, typer.Argument(help="A part of the name, or a pattern such as 'tip-*'.")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the transfer methods whose name matches."""
    from fnmatch import fnmatchcase

    with heavy_imports():
        from vlmbench.transfer import METHODS

    every = METHODS.usable()
    found = [method for method in every if pattern in method.name or fnmatchcase(method.name, pattern)]
    found = every if pattern == "*" else found
    data = [_data(method) for method in found]
    Listing(
        columns=COLUMNS,
        rows=[_row(each) for each in data],
        data=data,
        nothing=f"no transfer method matches {pattern!r}",
        hint="Use one: vlmbench run -m MODEL -t TASK --transfer NAME --shots 1,4,16 --seeds 5",
    ).show(as_json=as_json)


@app.command("show")
def show_method(
    name: Annotated[str, typer.Argument(help="A transfer method's name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one transfer method: what it does, its source, and its options with their ranges and defaults."""
    with heavy_imports():
        from vlmbench.transfer import METHODS

    data = _data(METHODS.get(name))
    if as_json:
        import json

        typer.echo(json.dumps(data, indent=1, ensure_ascii=False))
        return
    options = data.pop("options")
    show_fields({**data, "options": [_option(option) for option in options]})


def _row(data: Mapping[str, Any]) -> list[str]:
    """The cells of a method, from its facts."""
    return [
        data["name"],
        data["learns_from"],
        ", ".join(data["needs"]) or "encoders",
        "yes" if data["scores_new_classes"] else "no",
        ", ".join(option["name"] for option in data["options"]),
    ]


def _data(method: TransferMethod) -> dict[str, Any]:
    """The facts about a method as plain values."""
    from vlmbench.transfer.base import StatesOptions, learns_from

    schema = method.options if isinstance(method, StatesOptions) else None
    return {
        "name": method.name,
        "version": method.version,
        "description": _description(method),
        "learns_from": _LEARNS[learns_from(method)],
        "needs": sorted(need.__name__ for need in method.needs),
        "reads": method.reads,
        "scores_new_classes": method.scores_new_classes,
        "options": [] if schema is None else _options(schema.model_json_schema()["properties"]),
    }


def _description(method: TransferMethod) -> str:
    """The text of the module that defines the method; of one that was registered as an object, of its ``METHOD``.

    If no module has it as ``METHOD``, it is the text of its class's module.
    """
    import sys

    from vlmbench.transfer import METHODS

    if own := METHODS.module_of(method.name):
        found = sys.modules[own]
    else:
        modules = list(sys.modules.values())
        holds = (module for module in modules if vars(module).get("METHOD") is method)
        found = next(holds, sys.modules[type(method).__module__])
    return " ".join((found.__doc__ or "").split())


def _options(properties: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Each option with its meaning, default and range."""
    found = []
    for name, said in properties.items():
        bounds = next((part for part in said.get("anyOf", ()) if part.get("type") != "null"), said)
        found.append(
            {
                "name": name,
                "default": said.get("default"),
                "meaning": said.get("description", ""),
                "least": bounds.get("minimum", bounds.get("exclusiveMinimum")),
                "most": bounds.get("maximum"),
                "values": bounds.get("enum"),
            }
        )
    return found


def _option(option: dict[str, Any]) -> str:
    """One option in a line: ``alpha=1.0: weight of the support images (0 to 1000)``."""
    if option["values"]:
        reach = f" ({', '.join(map(str, option['values']))})"
    elif option["least"] is not None and option["most"] is not None:
        reach = f" ({option['least']:g} to {option['most']:g})"
    else:
        reach = ""
    default = "unset" if option["default"] is None else option["default"]
    return f"{option['name']}={default}: {option['meaning']}{reach}"
