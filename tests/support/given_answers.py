"""Answers in a folder, and the record that ``predictions:`` makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import vlmbench
from vlmbench.cards import TaskCard
from vlmbench.errors import VlmbenchError
from vlmbench.records import Record


def write_card(folder: Path, **fields: Any) -> None:
    """Write the card beside answers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")


def answered(folder: Path, task: TaskCard, **settings: Any) -> Record:
    """The record of the answers in a folder."""
    (record,) = vlmbench.evaluate(f"predictions:{folder}", task, device="cpu", **{"results": None, **settings})
    return record


def refusal(folder: Path, task: TaskCard, **settings: Any) -> str:
    """The message and the hint of the error about the answers in a folder."""
    try:
        answered(folder, task, **settings)
    except VlmbenchError as error:
        return str(error)
    raise AssertionError("the answers were taken")


def codes(record: Record) -> dict[str, str]:
    """The codes of a record's remarks, with their sentences."""
    return {remark.code: remark.sentence for remark in record.remarks}
