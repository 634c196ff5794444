"""What a worker says it is, and how memory that ran out is told from other deaths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from run.scripted_crew import FACTS

from vlmbench.run.identity import environment
from vlmbench.run.job import RunSettings
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.pool.facts import code_sha256, difference, own_facts
from vlmbench.run.pool.out_of_memory import oom_kills
from vlmbench.run.process_state import ProcessState


def test_a_worker_like_this_process_fits() -> None:
    facts = own_facts(ProcessState(RunSettings(device="cpu", batch_size=6), NotesAsWarnings()))
    assert difference(environment(), code_sha256(), facts) is None
    assert facts.device == "cpu" and facts.batch_size == 6 and facts.machine and facts.processor


def test_differences_are_named() -> None:
    own = environment()
    packages = {**own.packages, "numpy": "0.1"}
    del packages["torch"]
    other = replace(
        FACTS, environment=own.model_copy(update={"python": "2.7.18", "packages": packages, "platform": "Plan 9"})
    )
    told = difference(own, code_sha256(), other)
    assert told is not None and "Python 2.7 instead of" in told and "numpy 0.1 instead of" in told
    assert "torch not installed instead of" in told and "Plan 9" not in told
    patched = replace(FACTS, environment=own.model_copy(update={"python": own.python.rsplit(".", 1)[0] + ".99"}))
    assert difference(own, code_sha256(), patched) is None


def test_kills_for_memory_are_counted(tmp_path: Path) -> None:
    vmstat, group = tmp_path / "vmstat", tmp_path / "memory.events"
    vmstat.write_text("nr_free_pages 5\noom_kill 2\n")
    group.write_text("low 0\noom 1\noom_kill 7\noom_group_kill 0\n")
    assert oom_kills((vmstat, group)) == 7
    assert oom_kills((vmstat, tmp_path / "absent")) == 2 and oom_kills((tmp_path / "absent",)) == 0
