"""Makes the command that asks a record's question again. The leaderboard's pages of models and ``show`` print it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import yaml

from vlmbench.records import Summary

ONE_LINE = 88
"""Characters of a command that is not broken into lines."""
_WITHOUT_ROOT = ("demo", "hub")
"""Sources that need no folder of the user."""


@dataclass(frozen=True)
class Command:
    """A command line, and what is needed to run it.

    Attributes:
        text: for a POSIX shell. A long command has one option per line.
        needs: what the user must have first, one sentence each.
    """

    text: str
    needs: tuple[str, ...]


def command(record: Summary, cards: Collection[str]) -> Command:
    """The exact command, with every word quoted for the shell; ``cards`` are names of model cards known here."""
    needs: list[str] = []
    options = [["-m", _model(record, cards, needs)], ["-t", record.task.name]]
    if record.task.dataset.source not in _WITHOUT_ROOT and ":" not in record.task.name:
        options.append(["--data-root", "DATA"])
        needs.append("Replace DATA by the folder that holds your datasets.")
    options += _words(record, needs) + _choices(record)
    parts = ["vlmbench run", *(shlex.join(option) for option in options)]
    line = " ".join(parts)
    return Command(line if len(line) <= ONE_LINE else " \\\n  ".join(parts), tuple(needs))


def _model(record: Summary, cards: Collection[str], needs: list[str]) -> str:
    model = record.model
    if model.answers is not None:
        needs.append(f"The folder {model.spec} must hold the answers, {model.answers.file}.")
        return f"{model.adapter}:{model.spec}"
    if model.saved_as in cards or model.saved_as == f"{model.adapter}:{model.spec}":
        return model.saved_as
    if model.options:
        options = json.dumps(model.options, default=str)
        needs.append(f"The model needs a card: adapter {model.adapter}, spec {model.spec}, options {options}.")
        return f"{model.saved_as}.yaml"
    needs.append(f"Its own card is not known here. The card loads {model.adapter}:{model.spec}.")
    return f"{model.adapter}:{model.spec}"


def _words(record: Summary, needs: list[str]) -> list[list[str]]:
    """The options for files of the user's own words. The record holds their content, and a sentence says where."""
    found = []
    for part, option, place in (
        ("class_names", "--classnames", "the class names of the class table"),
        ("templates", "--templates", "the templates under its protocol"),
    ):
        if record.task.protocol.get(f"{part}_from") == "option":
            file = f"{part}.txt"
            found.append([option, file])
            needs.append(f"{file} must hold {place}, one per line.")
    return found


def _choices(record: Summary) -> list[list[str]]:
    run = record.run
    chosen = [["--set", f"{name}={_yaml(value)}"] for name, value in run.settings.items()]
    if run.limit is not None:
        chosen.append(["--limit", str(run.limit), *(["--stratified"] if run.drawn == "by class" else [])])
    if run.seed:
        chosen.append(["--seed", str(run.seed)])
    if run.precision != "fp32":
        chosen.append(["--precision", run.precision])
    if record.bad_samples:
        chosen.append(["--skip-bad"])
    return chosen


def _yaml(value: Any) -> str:
    """A value as ``--set`` reads it back, on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**9)
    return text.removesuffix("\n...\n").removesuffix("\n")
