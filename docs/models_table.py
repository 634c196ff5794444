"""Writes the tables of ``docs/models.md`` from the model cards: ``python docs/models_table.py``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from vlmbench.cards import CAPABILITIES, ModelCard
from vlmbench.catalogue import model_cards
from vlmbench.reports.published import survey_methods
from vlmbench.wording import listed

PAGE = Path(__file__).with_name("models.md")
END = "<!-- end -->"
_TABLES = {"3": "pre-training", "5": "distillation"}


def families(cards: Sequence[ModelCard]) -> str:
    """A row for each family of an adapter that has a card."""
    found = defaultdict(list)
    for card in cards:
        if card.runnable and card.family:
            found[card.adapter, card.family].append(card)
    lines = ["| family | adapter | can do | verified | cards | such as |", "| --- | --- | --- | --- | --- | --- |"]
    for (adapter, family), own in sorted(found.items()):
        lines.append(
            f"| {family} | `{adapter}` | {_abilities(own)} | {_verified(own)} | {len(own)} | `{own[0].name}` |"
        )
    return "\n".join(lines)


def capabilities(_: Sequence[ModelCard]) -> str:
    """A row for each capability."""
    lines = ["| word | what it means, and which tasks need it |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {name} | {meaning} |" for name, meaning in CAPABILITIES.items())])


def methods(cards: Sequence[ModelCard]) -> str:
    """A row for each method of the survey's Tables 3 and 5."""
    by_name = {card.name: card for card in cards}
    lines = [
        "| method | survey | cards to run | can do | licence; where its weights are |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in survey_methods():
        if row["table"] in _TABLES:
            card = by_name[row["card"]]
            runs = [card] if card.runnable else [by_name[name] for name in card.models]
            cells = (
                row["method"],
                f"Table {row['table']}, {_TABLES[row['table']]}",
                listed([f"`{each.name}`" for each in runs], most=2) if runs else "",
                _abilities(runs),
                _availability(card, runs),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _verified(cards: Sequence[ModelCard]) -> str:
    if any(card.verified is None for card in cards):
        return ""
    return "yes" if all(card.verified for card in cards) else "no"


def _abilities(cards: Iterable[ModelCard]) -> str:
    found = {name for card in cards for name in card.capabilities}
    return ", ".join(name for name in CAPABILITIES if name in found)


def _availability(card: ModelCard, runs: Sequence[ModelCard]) -> str:
    licences = list(dict.fromkeys(each.licence for each in runs if each.licence))
    where = f"{card.weights or 'public'}: {card.weights_at}" if card.weights_at else card.weights or "public"
    return "; ".join([*licences, where])


TABLES = {"families": families, "capabilities": capabilities, "methods": methods}


def page(text: str) -> str:
    """The page with the tables as they are now."""
    cards = model_cards("*")
    for name, make in TABLES.items():
        begin = f"<!-- made by models_table.py: {name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(END)
        text = f"{before}{begin}\n{make(cards)}\n{END}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
