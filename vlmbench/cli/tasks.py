"""``vlmbench tasks``: the task cards and suites."""

from __future__ import annotations

from typing import Annotated

import typer

from vlmbench.cli.listing import Listing, pattern_or_command

app = typer.Typer(cls=pattern_or_command("list"), help="List task cards and suites, or show one.")


@app.command("list", hidden=True)
def list_tasks(
    pattern: Annotated[str, typer.Argument(help="A part of the name, or a pattern such as 'demo-*'.")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List task cards and suites whose name matches."""
    from vlmbench.catalogue import suites, task_cards

    cards = task_cards(pattern)
    found = [suite for suite in suites() if pattern == "*" or pattern.casefold() in suite.name]
    rows = [(c.name, c.plugin, f"{c.samples:,}" if c.samples else "–", c.main_metric, c.title or "") for c in cards]
    rows += [
        (suite.name, "suite", "–", "–", f"{suite.title or suite.name}: {', '.join(suite.tasks)}") for suite in found
    ]
    Listing(
        columns=("name", "kind", "samples", "metric", "title"),
        rows=rows,
        data=[{"kind": "task", **c.model_dump(exclude_none=True, exclude={"classes"})} for c in cards]
        + [{"kind": "suite", **suite.model_dump(exclude_none=True)} for suite in found],
        nothing=f"no task or suite matches {pattern!r}",
        hint="Your own data runs without a card: vlmbench run -t imagefolder:PATH …",
    ).show(as_json=as_json)


@app.command("show")
def show_task(
    name: Annotated[str, typer.Argument(help="A task's or suite's name, a YAML file, or KIND:PATH.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one task: its data, prompts, metrics and caveats."""
    from vlmbench.catalogue import find_tasks
    from vlmbench.cli.listing import show_cards

    show_cards(find_tasks(name), as_json=as_json)
