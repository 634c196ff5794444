"""Every code, said by real code over real input: in the record, the terminal and tables, and what ``--strict`` does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Finished, command
from remarks import asked_triggers, model_triggers
from remarks.trigger import Trigger

from vlmbench.asked import remarks_of
from vlmbench.records import Record
from vlmbench.remarks.codes import CHOICES, CODES
from vlmbench.store import ResultStore

TRIGGERS: dict[str, Trigger] = {**asked_triggers.TRIGGERS, **model_triggers.TRIGGERS}
NO_RUN = {"imported", "several-models"}
"""What no run says: tests of their own are below."""


def test_every_code_has_a_trigger() -> None:
    assert TRIGGERS.keys() | NO_RUN == CODES.keys()
    assert len(asked_triggers.TRIGGERS) + len(model_triggers.TRIGGERS) == len(TRIGGERS)


def run(trigger: Trigger, top: Path, *more: object) -> Finished:
    """Write the inputs into a new folder, and run; the records are in its folder ``runs``."""
    top.mkdir()
    cache = () if trigger is TRIGGERS["feature-cache"] else ("--no-cache",)
    with pytest.MonkeyPatch.context() as patch:
        arguments = trigger.write(top, patch)
        return command("run", *arguments, "--device", "cpu", *cache, "--results", top / "runs", *more, width=2000)


def records(results: Path) -> list[Record]:
    return [entry for entry in ResultStore(results) if isinstance(entry, Record)]


def rows(results: Path) -> list[dict[str, str]]:
    return json.loads(command("report", "results", "--results", results, "-f", "json", code=0).stdout)


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_trigger_is_heard_everywhere_and_under_strict(name: str, tmp_path: Path) -> None:
    trigger, top = TRIGGERS[name], tmp_path / "run"
    done = run(trigger, top)
    assert done.returncode == 0, done.stderr
    (record,) = records(top / "runs")
    said = [remark for remark in remarks_of(record) if remark.code == name]
    found = [(remark.sentence.replace(str(top), "{top}"), remark.brief, remark.count) for remark in said]
    assert found == [(trigger.sentence, trigger.brief, trigger.count)]
    assert said[0] in record.remarks and said[0].unranked is CODES[name].unranked
    assert (f"{said[0].sentence}  [{name}]" in done.stderr) is (name not in CHOICES)
    (row,) = rows(top / "runs")
    assert name in row["remark_codes"].split() and trigger.brief in row["remarks"]

    strict = run(trigger, tmp_path / "strict", "--strict")
    if CODES[name].not_strict:
        assert strict.returncode == 0 and records(tmp_path / "strict" / "runs")[0].metrics == record.metrics
    else:
        assert strict.returncode == 1 and not records(tmp_path / "strict" / "runs")
        assert "under --strict: " in strict.stderr and f"[{name}]" in strict.stderr
