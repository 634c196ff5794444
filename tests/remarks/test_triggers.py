"""Every code, said by real code over real input: in the record, the terminal and tables, and what ``--strict`` does."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import Finished, command
from remarks.trigger import Trigger, images, model_card

from vlmbench.asked import remarks_of
from vlmbench.records import Record
from vlmbench.remarks.codes import CHOICES, CODES
from vlmbench.reports.builders.results import results_table
from vlmbench.reports.entries import newest
from vlmbench.store import ResultStore

_FILES = sorted((Path(__file__).parent / "triggers").glob("*.py"))
PARTS: list[dict[str, Trigger]] = [importlib.import_module(f"remarks.triggers.{file.stem}").TRIGGERS for file in _FILES]
TRIGGERS = {name: trigger for part in PARTS for name, trigger in part.items()}
NO_RUN = {"imported", "several-models", "no-identity", "weights-precision", "dataset-transform"}
"""What no run of the command line says: tests of their own are below, and of objects in ``models/memory/`` and
``data/memory/``."""


def test_every_code_has_a_trigger() -> None:
    assert TRIGGERS.keys() | NO_RUN == CODES.keys()
    assert sum(map(len, PARTS)) == len(TRIGGERS)


def run(trigger: Trigger, top: Path) -> tuple[Finished, Finished]:
    """Write the inputs into a new folder; run, and run again under ``--strict``, which finds the record of before.

    The records are in the folder ``runs``. ``test_everywhere.py`` asks what ``--strict`` does where there is no record.
    """
    top.mkdir()
    cache = () if trigger is TRIGGERS["feature-cache"] else ("--no-cache",)
    with pytest.MonkeyPatch.context() as patch:
        line = ("run", *trigger.write(top, patch), "--device", "cpu", *cache, "--results", top / "runs")
        return command(*line, width=2000), command(*line, "--strict", width=2000)


def records(results: Path) -> list[Record]:
    return [entry for entry in ResultStore(results) if isinstance(entry, Record)]


def rows(results: Path) -> list[dict[str, Any]]:
    return list(results_table(newest(records(results))).data)


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_trigger_is_heard_everywhere_and_under_strict(name: str, tmp_path: Path) -> None:
    trigger, top = TRIGGERS[name], tmp_path / "run"
    done, strict = run(trigger, top)
    assert done.returncode == 0, done.stderr
    (record,) = records(top / "runs")
    (said,) = [remark for remark in remarks_of(record) if remark.code == name]
    pattern = re.escape(trigger.sentence.replace("{top}", str(top))).replace(r"\*", ".*")
    assert re.fullmatch(pattern, said.sentence), said.sentence
    assert (said.brief, said.count, said.unranked) == (trigger.brief, trigger.count, CODES[name].unranked)
    assert said in record.remarks
    assert (f"{said.sentence}  [{name}]" in done.stderr) is (name not in CHOICES)
    (row,) = rows(top / "runs")
    assert name in row["remark_codes"].split() and trigger.brief in row["remarks"]

    if CODES[name].not_strict:
        assert strict.returncode == 0
    else:
        assert strict.returncode == 1
        assert "under --strict: " in strict.stderr and f"[{name}]" in strict.stderr


def test_imported_records_say_so(tmp_path: Path) -> None:
    evaluation = {
        "dataset": "wds/vtab/pets",
        "model": "ViT-B-32-quickgelu",
        "pretrained": "laion400m_e32",
        "task": "zeroshot_classification",
        "metrics": {"acc1": 0.9, "acc5": 0.99, "mean_per_class_recall": 0.89},
        "language": "en",
    }
    (tmp_path / "pets.json").write_text(json.dumps(evaluation))
    command("import", "clip_benchmark", tmp_path / "pets.json", "--results", tmp_path / "runs", code=0)
    (record,) = records(tmp_path / "runs")
    (said,) = [remark for remark in remarks_of(record) if remark.code == "imported"]
    assert said.sentence == "the program clip_benchmark computed the number" and CODES["imported"].not_strict
    (row,) = rows(tmp_path / "runs")
    assert row["remark_codes"] == "imported" and row["remarks"] == "imported from clip_benchmark"


def test_tables_find_several_models_of_one_name(tmp_path: Path) -> None:
    """Another toy under the same name answered one of two tasks."""
    task = images(tmp_path)
    limited = (*task, "--limit", 5)
    base = ("--device", "cpu", "--no-cache", "--results", tmp_path / "runs")
    command("run", *model_card(tmp_path, "toy", "a"), *task, *base, code=0)
    command("run", *model_card(tmp_path, "toy", "bb"), *limited, *base, "--strict", code=0)
    found = {row["weights_sha256"]: row for row in rows(tmp_path / "runs")}
    (older,) = [weights for weights, row in found.items() if "subset" not in row["remark_codes"]]
    (newer,) = found.keys() - {older}
    assert {weights: (row["remark_codes"], row["remarks"]) for weights, row in found.items()} == {
        older: ("several-models", f"1 of 2 models of this name, weights {older[:8]}"),
        newer: ("subset several-models", f"5 of 6 samples, 1 of 2 models of this name, weights {newer[:8]}"),
    }
    # Which one is the newest is not known: records state whole seconds.
    assert {row["model"] for row in found.values()} in [{"m", f"m (weights {weights[:8]})"} for weights in found]
    for record in newest(records(tmp_path / "runs")):
        (said,) = [remark for remark in remarks_of(record) if remark.code == "several-models"]
        weights = record.model.weights_sha256[:8]
        assert said.sentence == (
            f"the records under the name m are of 2 different models, and this one's weights are {weights}"
        )
        assert said.count == 2 and CODES["several-models"].not_strict
