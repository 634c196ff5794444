"""``vlmbench models``: lists the model cards, and shows one in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from vlmbench.cli.listing import Listing, pattern_or_command
from vlmbench.reports.table_data import Column

if TYPE_CHECKING:
    from vlmbench.cards import ModelCard

COLUMNS = (
    Column("name"),
    Column("adapter", spare=7),
    Column("family"),
    Column("can do"),
    Column("verified", spare=3),
    Column("survey's method", spare=2),
    Column("image encoder", spare=4),
    Column("parameters", "right", spare=5),
    Column("trained on", spare=6),
    Column("weights", spare=1),
)

LEGENDS = (
    "verified: tests hold the family to the library's own forward pass.",
    "weights: loadable if vlmbench can run the model. For other models: public, not public or unknown, or there is a "
    "public reproduction.",
)

app = typer.Typer(cls=pattern_or_command("list"), help="List model cards, or show one.")


@app.command("list", hidden=True)
def list_models(
    pattern: Annotated[str, typer.Argument(help="A part of the name, or a pattern such as 'clip-*'.")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the model cards whose name matches. Models that can be run come first."""
    from vlmbench.catalogue import model_cards

    cards = sorted(model_cards(pattern), key=lambda card: not card.runnable)
    Listing(
        columns=COLUMNS,
        rows=[_row(card) for card in cards],
        data=[card.model_dump(exclude_none=True) for card in cards],
        nothing=f"no model card matches {pattern!r}",
        legends=(*_meanings(cards), *LEGENDS),
        hint="Any open_clip or transformers model runs without a card: vlmbench run -m open_clip:ViT-B-32/openai …",
    ).show(as_json=as_json)


def _row(card: ModelCard) -> tuple[str, ...]:
    return (
        card.name,
        card.adapter,
        card.family or "",
        ", ".join(card.capabilities),
        {True: "yes", False: "no", None: ""}[card.verified],
        card.method or "",
        card.image_encoder or "",
        f"{card.parameters / 1e6:,.0f}M" if card.parameters else "",
        card.training_data or "",
        _weights(card),
    )


def _meanings(cards: Sequence[ModelCard]) -> list[str]:
    """What the capabilities in the list mean, one line each."""
    from vlmbench.cards import CAPABILITIES

    listed = {name for card in cards for name in card.capabilities}
    return [f"{name}: {meaning}." for name, meaning in CAPABILITIES.items() if name in listed]


def _weights(card: ModelCard) -> str:
    """Whether vlmbench loads the weights; if it does not, whether they are available elsewhere."""
    return "loadable" if card.runnable else card.weights or "unknown"


@app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(help="A model card's name, a YAML file, or ADAPTER:SPEC.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the card of one model."""
    from vlmbench.catalogue import find_models
    from vlmbench.cli.listing import show_cards

    show_cards(find_models(name), as_json=as_json)
