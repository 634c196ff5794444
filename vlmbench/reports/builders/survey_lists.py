"""Makes the survey's lists: evaluation datasets (Table 2) and methods (Tables 3 to 5).

``vlmbench report datasets`` and ``report methods`` print them.

The survey is Zhang et al., arXiv 2304.00685.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vlmbench.errors import UsageError
from vlmbench.registry import did_you_mean
from vlmbench.reports.cells import DASH, Label
from vlmbench.reports.facts import ModelFacts
from vlmbench.reports.published import survey_datasets, survey_methods
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.table_data import Column, Table
from vlmbench.reports.table_view import Draft, TableRow, TableView, arranged
from vlmbench.wording import listed

DATASET_COLUMNS = (
    Column("kind"),
    Column("dataset", repeats=True),
    Column("year", "right", spare=2),
    Column("classes", "right"),
    Column("train", "right", spare=3),
    Column("test", "right"),
    Column("metric", spare=1),
    Column("task card"),
    Column("models run", "right", spare=4),
)
METHOD_COLUMNS = (
    Column("method", repeats=True),
    Column("group"),
    Column("objective"),
    Column("framework", spare=2),
    Column("data"),
    Column("setup"),
    Column("contribution", spare=3),
    Column("code", spare=4),
    Column("weights", spare=1),
    Column("model cards to run"),
)
METHOD_LISTS: Mapping[str, tuple[str, str]] = {
    "pre-training": ("3", "Pre-training methods (the survey's Table 3)"),
    "transfer": ("4", "Transfer methods (the survey's Table 4)"),
    "distillation": ("5", "Knowledge distillation methods (the survey's Table 5)"),
}
_EMPTY_IN: Mapping[str, frozenset[str]] = {
    "3": frozenset({"group", "setup"}),
    "4": frozenset({"objective", "framework", "data", "weights", "model cards to run"}),
    "5": frozenset({"objective", "framework", "data", "setup"}),
}

_SHORT: Mapping[str, str] = {
    "3": "Con: contrastive, Gen: generative, Align: alignment; * data that are not public. "
    "Weights: a reproduction is not by the authors.",
    "4": "TPT: text-prompt tuning, VPT: visual-prompt tuning, FA: feature adapter, CA: cross-attention, "
    "FT: fine-tuning, AM: architecture modification, LLM: large language model",
}
"""What the survey's abbreviations mean."""


def datasets_table(request: TableRequest) -> Table:
    """Evaluation datasets as the survey prints them, with the task card of each and the number of models run on it.

    They are grouped by kind, unless the view says otherwise.
    """
    entries, view = request.entries, request.view
    run: dict[str, set[str]] = {}
    for record in entries.records:
        run.setdefault(record.task.name, set()).add(record.model.name)
    chosen = [row for row in survey_datasets() if row["table"] == "2" and _wanted(row, view)]
    made = [
        TableRow(
            cells=[
                row["task"],
                Label(row["dataset"], notes=(row["flag"],) if row["flag"] else ()),
                row["year"],
                row["classes"] or DASH,
                row["train"] or DASH,
                row["test"] or DASH,
                row["metric"],
                row["card"].replace(";", ", ") or DASH,
                str(len(run[row["card"]])) if row["card"] in run else "",
            ],
            data=[{**row, "models_run": len(run.get(row["card"], ()))}],
        )
        for row in chosen
    ]
    draft = Draft(
        title="Evaluation datasets (the survey's Table 2)",
        columns=DATASET_COLUMNS,
        rows=made,
        notes=_sources(chosen),
        left_out=entries.left_out,
    )
    return arranged(draft, view if view.group_by else replace(view, group_by="kind"))


def methods_table(request: TableRequest) -> Table:
    """One of :data:`METHOD_LISTS` as the survey prints it, with the model cards that run each method.

    Without a name it is the list of pre-training methods.

    Raises:
        UsageError: there is no such list.
    """
    name, view, facts = request.name or "pre-training", request.view, request.facts
    if name not in METHOD_LISTS:
        raise UsageError(f"no list of methods is named {name!r}", hint=did_you_mean(name, METHOD_LISTS))
    number, title = METHOD_LISTS[name]
    chosen = [
        row for row in survey_methods() if row["table"] == number and view.wants_model(row["method"], row["card"])
    ]
    made = [
        TableRow(_method_cells(row, facts), [{**row, "runs_as": ";".join(_runnable(row["card"], facts))}])
        for row in chosen
    ]
    notes = [*([_SHORT[number]] if number in _SHORT and chosen else []), *_sources(chosen)]
    return arranged(Draft(title, METHOD_COLUMNS, made, hidden=_EMPTY_IN[number], notes=notes), view)


def _sources(rows: Sequence[Mapping[str, str]]) -> list[str]:
    said = "; ".join(dict.fromkeys(row["source"] for row in rows))
    return [f"Source: {said}"] if said else []


def _wanted(row: Mapping[str, str], view: TableView) -> bool:
    return any(view.wants_task(name) for name in (row["dataset"], *row["card"].split(";")))


def _method_cells(row: Mapping[str, str], facts: ModelFacts) -> list[str | Label]:
    notes = tuple(filter(None, (row["flag"], row["note"])))
    return [
        Label(row["method"], notes=notes),
        row["group"],
        row["objective"] or DASH,
        row["framework"] or DASH,
        row["data"] or DASH,
        row["setup"] or DASH,
        row["contribution"],
        row["code"] or DASH,
        _weights(row["card"], facts),
        _named(_runnable(row["card"], facts)),
    ]


def _weights(name: str, facts: ModelFacts) -> str:
    """Whether a method's weights are available."""
    card = facts.card(name) if name else None
    return DASH if card is None else card.weights or ("public" if card.runnable else DASH)


def _runnable(name: str, facts: ModelFacts) -> list[str]:
    """The cards that run a method: its own card, or those that its card names."""
    card = facts.card(name) if name else None
    if card is None:
        return []
    return [card.name] if card.runnable else list(card.models)


def _named(names: Sequence[str]) -> str:
    """The first card's name, and the number of the rest."""
    if not names:
        return DASH
    return listed(names, most=1)
