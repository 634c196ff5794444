"""Which listener shows a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import toy_adapter  # noqa: F401  # registers the adapter

from vlmbench.cli.watching.choice import listener_for
from vlmbench.cli.watching.progress import TerminalListener
from vlmbench.cli.watching.workers_table import WorkersTable
from vlmbench.run.plan import RunRequest, make_plan


@pytest.fixture
def request_(make_folder: Callable[..., Path], tmp_path: Path) -> RunRequest:
    folders = [make_folder({"cat": size, "dog": 2}, name=f"f{size}", seed=size) for size in (3, 8)]
    tasks = tuple(f"imagefolder:{folder}" for folder in folders)
    return RunRequest(("toy:a", "toy:b"), tasks, tmp_path / "runs", device="cpu", use_cache=False)


def test_executors_with_workers_have_the_table(request_: RunRequest) -> None:
    plan = make_plan(request_)
    assert isinstance(listener_for(plan, request_), TerminalListener)
    table = listener_for(plan, replace(request_, executor="local:2"))
    assert isinstance(table, WorkersTable)
    assert "0 of 4 pairs" in table.state()


def test_the_sizes_of_a_part_of_the_plan_are_known(request_: RunRequest) -> None:
    request = replace(request_, shard=(2, 2), executor="local:2")
    table = listener_for(make_plan(request), request)
    assert isinstance(table, WorkersTable)
    assert "0 of 2 pairs" in table.state()
    assert table._workers._todo == {"toy:b": 5 + 10}  # the time left depends on them
