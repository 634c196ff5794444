"""Records made under other reading rules are no answers: the pair is asked again, under the id it had."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import toy_adapter
from command_line import command

from vlmbench.data.base import READING_RULES
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan

assert toy_adapter  # its model is registered


@pytest.fixture
def request_(make_folder: Callable[..., Path], tmp_path: Path) -> RunRequest:
    folder = make_folder({"cat": 4, "dog": 3, "bird": 5})
    return RunRequest(("toy:a",), (f"imagefolder:{folder}",), tmp_path / "runs", device="cpu")


def only(request: RunRequest) -> PairResult:
    (result,) = execute(make_plan(request), request, NotesAsWarnings())
    return result


def of_rules(result: PairResult, rules: int | None) -> None:
    """Let the record have been made under other rules; None: by a version that knew none."""
    assert result.path is not None
    content = json.loads(result.path.read_text())
    dataset = content["task"]["dataset"]
    if rules is None:
        del dataset["reading_rules"]
    else:
        dataset["reading_rules"] = rules
    result.path.write_text(json.dumps(content))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("rules", [None, READING_RULES - 1, READING_RULES + 1])
def test_other_rules_are_asked_again_under_the_same_id(request_: RunRequest, rules: int | None, strict: bool) -> None:
    request = replace(request_, strict=strict)
    first = only(request)
    of_rules(first, rules)
    again, found = only(request), only(request)
    assert (first.status, again.status, found.status) == ("done", "done", "found")
    assert first.record is not None and again.record is not None
    assert again.record.id == first.record.id and again.path == first.path
    assert again.record.task.dataset.reading_rules == READING_RULES


def test_a_record_of_older_rules_is_compared_with_a_new_one(request_: RunRequest, tmp_path: Path) -> None:
    old, new = only(request_), only(replace(request_, results=tmp_path / "new"))
    of_rules(old, None)
    assert new.record is not None
    done = command("compare", tmp_path / "runs", tmp_path / "new", code=0)
    assert "PASSED: 1 task: 1 unchanged" in done.stdout
