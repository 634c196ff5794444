"""Runs of adapted models that are killed, or that find the disk full: what was written stays, and the rest follows."""

from __future__ import annotations

import errno
import os
import select
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import toy_adapter
import yaml
from command_line import Forked, command

from vlmbench.errors import StoreError
from vlmbench.records import Record
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.store import ResultStore
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.every import every_transfer

assert toy_adapter.LOADED is not None

HELD = """
from pathlib import Path
from vlmbench.transfer import METHODS
from vlmbench.transfer.methods.features.nearest_mean import METHOD

class Held:
    name, version, needs, reads, scores_new_classes = {name!r}, 1, frozenset(), "features", False

    def fit(self, engine, support, prompts, options):
        if support.seed == 2 and Path({gate!r}).exists():
            with open({gate!r}, "w") as gate:
                gate.write("fitting")
            Path({gate!r}).with_suffix(".never").open().read()
        return METHOD.fit(engine, support, prompts, options)

if {name!r} not in METHODS:  # a plugin of this process may be loaded already
    METHODS.register({name!r}, Held())
"""
"""Nearest mean, which tells a pipe that it learns from draw 2, and then waits at another."""


@pytest.fixture
def card(make_folder: Callable[..., Path], tmp_path: Path) -> Path:
    test = make_folder({"cat": 4, "dog": 3, "bird": 5}, "test")
    train = make_folder({"cat": 6, "dog": 5, "bird": 7}, "train", seed=1)
    file = tmp_path / "few.yaml"
    roles = {
        name: [{"kind": "imagefolder", "location": str(place)}] for name, place in (("sources", test), ("train", train))
    }
    file.write_text(yaml.safe_dump({"name": "few", **roles}))
    return file


def written(results: Path) -> dict[int, float | None]:
    """The number of each draw."""
    records = [entry for entry in ResultStore(results) if isinstance(entry, Record)]
    return {record.transfer.draw: record.main.value for record in records if record.transfer}


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_keeps_the_draws_that_were_written(card: Path, tmp_path: Path, kill: signal.Signals) -> None:
    gate, plugin = tmp_path / "gate", tmp_path / "held.py"
    for pipe in (gate, gate.with_suffix(".never")):
        os.mkfifo(pipe)
    told = os.open(gate, os.O_RDONLY | os.O_NONBLOCK)
    plugin.write_text(HELD.format(gate=str(gate), name=kill.name.lower()))
    arguments = (
        "run", "--plugin", plugin, "-m", "toy:a", "-t", card, "--transfer", kill.name.lower(),
        "--shots", "2", "--seeds", "4",
    )  # fmt: skip
    started = Forked(*arguments, "--results", tmp_path / "runs")
    assert select.select([told], [], [], 120)[0], "the run never came to draw 2"
    started.send_signal(kill)
    ended = started.finished()
    os.close(told)
    gate.unlink()
    assert ended.returncode == (130 if kill == signal.SIGINT else -signal.SIGKILL)
    assert sorted(written(tmp_path / "runs")) == [0, 1]
    command(*arguments, "--results", tmp_path / "runs", code=0)
    command(*arguments, "--results", tmp_path / "whole", code=0)
    assert len(written(tmp_path / "runs")) == 4 and written(tmp_path / "runs") == written(tmp_path / "whole")


def test_a_full_disk_ends_the_run_and_the_same_command_goes_on(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: tuple[TransferAsked, ...] = every_transfer(["gda"], [2], [0, 1, 2], track="no-validation", options={})
    request = RunRequest(("toy:a",), (str(card),), tmp_path / "runs", device="cpu", use_cache=False, transfers=asked)
    write = Path.write_bytes

    def full_after_one_record(path: Path, data: bytes) -> int:
        if "few" in path.parts and list(path.parent.glob("*.json")):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full_after_one_record)
        with pytest.raises(StoreError, match="the disk is full"):
            execute(make_plan(request), request, NotesAsWarnings())
    assert list(written(tmp_path / "runs")) == [0]
    results = execute(make_plan(request), request, NotesAsWarnings())
    assert [result.status for result in results] == ["found", "done", "done"]
    whole = replace(request, results=tmp_path / "whole")
    execute(make_plan(whole), whole, NotesAsWarnings())
    assert written(tmp_path / "runs") == written(tmp_path / "whole")
