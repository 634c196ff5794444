"""``vlmbench models``: the model cards."""

from __future__ import annotations

from typing import Annotated

import typer

from vlmbench.cli.listing import Listing, pattern_or_command
from vlmbench.reports.table import Column

app = typer.Typer(cls=pattern_or_command("list"), help="List model cards, or show one.")


@app.command("list", hidden=True)
def list_models(
    pattern: Annotated[str, typer.Argument(help="A part of the name, or a pattern such as 'clip-*'.")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List model cards whose name matches."""
    from vlmbench.catalogue import model_cards

    cards = model_cards(pattern)
    Listing(
        columns=(Column("name"), Column("adapter", spare=1), Column("title")),
        rows=[(card.name, card.adapter, card.title or card.spec) for card in cards],
        data=[card.model_dump(exclude_none=True) for card in cards],
        nothing=f"no model card matches {pattern!r}",
        hint="Any open_clip or transformers model runs without a card: vlmbench run -m open_clip:ViT-B-32/openai …",
    ).show(as_json=as_json)


@app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(help="A model card's name, a YAML file, or ADAPTER:SPEC.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what is known of one model."""
    from vlmbench.catalogue import find_models
    from vlmbench.cli.listing import show_cards

    show_cards(find_models(name), as_json=as_json)
