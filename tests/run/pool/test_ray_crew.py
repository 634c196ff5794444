"""Actors of a real Ray cluster: two nodes on this machine, and workers that sleep instead of computing."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")

import torch  # noqa: E402
from run.deadly_adapter import DEADLY_ADAPTER  # noqa: E402
from run.same_records import Notes, Watched, same  # noqa: E402

from vlmbench.run.execute import execute  # noqa: E402
from vlmbench.run.job import RunSettings  # noqa: E402
from vlmbench.run.plan import RunRequest, make_plan  # noqa: E402
from vlmbench.run.pool.arguments import PoolOptions  # noqa: E402
from vlmbench.run.pool.events import Died, Encoded, Event, Prompts, Ready, Told  # noqa: E402
from vlmbench.run.pool.pieces import Carried, Piece  # noqa: E402
from vlmbench.run.pool.ray_crew.crew import RayCrew, RayWorker  # noqa: E402
from vlmbench.testing.toy_data import write_image_folder  # noqa: E402

PROGRAM = "run.sleeping_worker"
STORE = 80 * 2**20
SEES_DEATHS_SOON = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 300,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 2,
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        patch.setenv("VLMBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("RAY_ADDRESS", raising=False)
        made = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 2,
                "include_dashboard": False,
                "object_store_memory": STORE,
                "_system_config": SEES_DEATHS_SOON,
            },
        )
        made.add_node(num_cpus=2, object_store_memory=STORE)
        yield made
        made.shutdown()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def crew(cluster: Any) -> Iterator[RayCrew]:
    made = RayCrew(cluster.address, PoolOptions(threads=1), PROGRAM)
    with made.open(RunSettings(device="cpu")):
        yield made


Heard = list[tuple[RayWorker, Event]]


def told_until(crew: RayCrew, enough: Callable[[Heard], bool], seconds: float = 30) -> list[Any]:
    """What workers tell until it is enough."""
    told: Heard = []
    ends = time.monotonic() + seconds
    while not enough(told):
        assert time.monotonic() < ends and not any(isinstance(event, Died) for _, event in told), told
        told += crew.events(0.5)
    return told


def last(kind: type) -> Callable[[Heard], bool]:
    return lambda told: bool(told) and isinstance(told[-1][1], kind)


def started(crew: RayCrew, node: int = 0) -> tuple[RayWorker, dict[str, Any]]:
    """A worker that is ready on the first or second node, and its facts."""
    nodes = sorted({slot.node for slot in crew.slots()})
    worker = crew.start(next(slot for slot in crew.slots() if slot.node == nodes[node]))
    ready = told_until(crew, last(Ready))[-1][1]
    return worker, ready.facts


def piece(what: str, number: int = 0, **more: Any) -> Piece:
    return Piece(number, what, **more)  # type: ignore[arg-type]  # the sleeping worker reads it


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


def gone(pid: int, seconds: float = 10) -> bool:
    ends = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < ends:
        time.sleep(0.05)
    return not alive(pid)


def test_each_core_is_a_place(crew: RayCrew) -> None:
    slots = crew.slots()
    assert len(slots) == len(set(slots)) == 4 and len({slot.node for slot in slots}) == 2
    assert {slot.number for slot in slots} == {0, 1}
    assert len({slot.shown for slot in slots}) == 2  # nodes of one host have different names


def test_a_piece_is_done_and_told_soon(crew: RayCrew) -> None:
    worker, facts = started(crew)
    assert facts["threads"] == "1" and alive(facts["pid"])
    worker.send(piece("sleep 0", 7))
    told_until(crew, last(Encoded))
    began = time.monotonic()
    worker.send(piece("sleep 0", 8))
    told = told_until(crew, last(Encoded))
    assert time.monotonic() - began < 2
    assert [event for _, event in told] == [Told("note", ("sleep", ())), Encoded(8, None)]
    worker.stop()
    assert gone(facts["pid"]) and gone(facts["parent"])
    assert list(crew.events(0.2)) == []


def test_pieces_of_two_nodes_overlap(crew: RayCrew) -> None:
    workers = [started(crew, node)[0] for node in (0, 1)]
    began = time.monotonic()
    for worker in workers:
        worker.send(piece("sleep 1.5"))
    told_until(crew, lambda told: sum(isinstance(event, Encoded) for _, event in told) == 2)
    assert time.monotonic() - began < 2.9
    for worker in workers:
        worker.stop()


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("exit 3", "it ended with exit code 3"),
        ("kill", "it was killed by signal 9 (SIGKILL)"),
        ("die", "it gave up"),
    ],
)
def test_a_death_is_told_once_with_its_log(
    crew: RayCrew, what: str, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    worker, facts = started(crew)
    worker.send(piece(what, 5))
    death = told_until(crew, last(Died))[-1]
    assert death == (worker, Died(reason, log=f"piece 5: {what.split()[0]}\n"))
    assert list(crew.events(0.5)) == []
    assert gone(facts["parent"])
    worker.send(piece("sleep 0"))  # no error
    assert capfd.readouterr() == ("", "")


def test_an_actor_that_is_killed_takes_its_process_along(crew: RayCrew, capfd: pytest.CaptureFixture[str]) -> None:
    worker, facts = started(crew, 1)
    worker.send(piece("sleep 60"))
    os.kill(facts["parent"], signal.SIGKILL)
    death = told_until(crew, last(Died))[-1]
    assert death == (worker, Died("its actor's process was killed or has crashed"))
    assert gone(facts["pid"])
    time.sleep(0.5)  # Ray's message about it comes a little later
    assert capfd.readouterr() == ("", "")


def test_rows_go_from_node_to_node_as_references(crew: RayCrew) -> None:
    one, _ = started(crew, 0)
    two, _ = started(crew, 1)
    one.send(piece("rows 300000"))
    told = told_until(crew, last(Encoded))
    (rows,) = [event.rows for _, event in told if isinstance(event, Prompts)]
    assert isinstance(rows, ray.ObjectRef)
    two.send(piece("sleep 0", carried=(Carried("texts", rows),)))
    notes = [event for _, event in told_until(crew, last(Encoded)) if isinstance(event, Told)]
    assert notes == [Told("note", ("sleep", (b"r" * 300_000,)))]
    lost = ray.remote(lambda: 1 / 0).remote()  # a function of this module would be imported there, with torch
    two.send(piece("sleep 0", carried=(Carried("texts", lost), Carried("texts", rows))))
    notes = [event for _, event in told_until(crew, last(Encoded)) if isinstance(event, Told)]
    assert notes == [Told("note", ("sleep", (b"r" * 300_000,)))]
    one.stop()
    two.stop()


def test_a_node_joins_late_and_dies(cluster: Any, crew: RayCrew, capfd: pytest.CaptureFixture[str]) -> None:
    before = set(crew.slots())
    node = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    ends = time.monotonic() + 20
    while not (new := set(crew.slots()) - before) and time.monotonic() < ends:
        time.sleep(0.3)
    (slot,) = new
    worker = crew.start(slot)
    ready = told_until(crew, last(Ready))[-1][1]
    worker.send(piece("sleep 60"))
    node.kill_raylet()
    death = told_until(crew, last(Died))[-1]
    assert death[0] is worker and death[1].reason.startswith(("its node is gone", "its node cannot be reached"))
    assert set(crew.slots()) == before  # at once, though Ray may think that it is there
    assert gone(ready.facts["pid"])
    time.sleep(0.5)
    assert capfd.readouterr() == ("", "")


def test_a_run_on_two_nodes_gives_the_records_of_one_process(
    cluster: Any, crew: RayCrew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One model waits until two workers have it, and one is killed once. The nodes are one machine with one cache."""
    tasks = tuple(
        f"imagefolder:{write_image_folder(tmp_path / name, {'cat': count, 'dog': count}, seed=seed)}"
        for seed, (name, count) in enumerate((("a", 6), ("b", 5)))
    )
    models = (f"deadly:both@meet:{tmp_path / 'meet'}", f"deadly:later@killed:{tmp_path / 'killed'}")
    request = RunRequest(models, tasks, tmp_path / "runs", device="cpu", batch_size=4, plugins=(DEADLY_ADAPTER,))
    on_ray = replace(request, executor=f"ray:{cluster.address},workers=2", results=tmp_path / "ray")
    notes = Watched()
    results = execute(make_plan(on_ray), on_ray, notes)
    assert [result.status for result in results] == ["done"] * 4
    assert sum("it was killed by signal 9 (SIGKILL)" in note and "died" in note for note in notes.notes) == 1
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected = execute(make_plan(request), request, Notes())
    finally:
        torch.set_num_threads(threads)
    for found, alone in list(zip(results, expected, strict=True))[:2]:
        assert found.record is not None and alone.record is not None
        assert same(found.record) == same(alone.record)
        assert found.record.predictions is not None and isinstance(found.path, Path) and isinstance(alone.path, Path)
        file = found.record.predictions.file
        assert (found.path.parent / file).read_bytes() == (alone.path.parent / file).read_bytes()
    met = {int(file.name) for file in (tmp_path / "meet").iterdir()} - {os.getpid()}
    assert notes.overlap and len(met) == 2 and met < set(notes.pids.values())
    assert capfd.readouterr() == ("", "")
