"""Leases on pairs: of two runs one gets it, a dead or silent holder loses it, and no run harms another's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from vlmbench.errors import StoreError
from vlmbench.run.leases.holder import Holder, read_lease, this_process
from vlmbench.run.leases.leases import LEASES, Leases, leases_of
from vlmbench.storage.base import Entry
from vlmbench.storage.disk import DiskFolder

ELSEWHERE = Holder("far", 77, "another start", "1")
"""A process of another machine: nobody here can see whether it has ended."""


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Runs:
    """Runs on one folder, each with its own clock, whose leases are renewed when the test says so."""

    def __init__(self, folder: DiskFolder) -> None:
        self.folder = folder
        self.clock = Clock()
        self.notes: list[str] = []
        self.made: list[Leases] = []

    def run(self, holder: Holder | None = None, own_clock: Callable[[], float] | None = None) -> Leases:
        leases = Leases(
            self.folder,
            self.notes.append,
            holder=holder,
            ttl_s=90,
            renew_s=3600,
            look_s=0,
            clock=self.clock,
            own_clock=own_clock or self.clock,
        )
        self.made.append(leases)
        return leases

    def files(self) -> list[str]:
        return [entry.name.partition("/")[2] for entry in self.folder.entries(LEASES)]


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(DiskFolder(tmp_path, durable=False))
    yield made
    for leases in made.made:
        leases.close()


def test_of_two_runs_one_has_the_pair_until_it_releases_it(runs: Runs, tmp_path: Path) -> None:
    one, other = runs.run(), runs.run()
    assert one.take("a") is None and other.take("b") is None
    assert other.take("a") == this_process() == one.take("b")
    assert runs.files() == ["a.1.json", "b.1.json"]
    one.release("a")
    assert other.take("a") is None and runs.notes == []
    one.close()
    assert (tmp_path / LEASES).is_dir()
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_stops_renewing_loses_its_lease_to_exactly_one(runs: Runs) -> None:
    silent, first, second = runs.run(ELSEWHERE), runs.run(), runs.run()
    assert silent.take("a") is None
    for _ in range(3):
        assert first.take("a") == ELSEWHERE == second.take("a")
        runs.clock.now += 30
    runs.clock.now += 1
    assert [first.take("a"), second.take("a")] == [None, this_process()]
    assert runs.files() == ["a.1.json", "a.2.json"]
    assert len(runs.notes) == 1 and "far, process 77" in runs.notes[0] and "no sign of life" in runs.notes[0]
    assert first.keeps("a") and not silent.keeps("a")
    silent.release("a")  # the lease of the other stays
    assert "a.2.json" in runs.files()
    first.release("a")
    assert runs.files() == []


def test_a_lease_that_is_renewed_never_expires_whatever_the_clocks_of_machines_show(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, other = runs.run(ELSEWHERE), runs.run()
    assert holder.take("a") is None
    for jump in (1e9, -2e9, 0, 5e8, -1e6, 12345):
        monkeypatch.setattr(time, "time", lambda jump=jump: jump)
        runs.clock.now += 60
        assert other.take("a") == ELSEWHERE
        holder.renew_all()
    assert holder.keeps("a")


def test_a_process_that_has_ended_loses_its_leases_at_once(runs: Runs) -> None:
    child = subprocess.Popen([sys.executable, "-Sc", "input()"], stdin=subprocess.PIPE)
    mine = this_process()
    stat = Path(f"/proc/{child.pid}/stat")
    if not stat.exists():
        pytest.skip("this system does not tell when a process started")
    started = stat.read_text().rpartition(")")[2].split()[19]
    lives = replace(mine, pid=child.pid, started=started)
    assert runs.run(lives).take("a") is None
    assert runs.run().take("a") == lives
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and no process has asked for it yet
    assert lives.has_ended()
    child.wait()
    assert lives.has_ended() and runs.run().take("a") is None
    assert runs.notes == [
        f"another run ({mine.host}, process {child.pid}) has ended; this run does the pairs that it left unfinished"
    ]


def test_a_number_of_a_process_that_is_used_again_is_another_process() -> None:
    mine = this_process()
    assert not mine.has_ended()
    if mine.started:
        assert replace(mine, started="1").has_ended()
    assert not replace(mine, started="1", machine="another container or start").has_ended()
    assert not replace(mine, pid=2**22 + 1, machine="").has_ended()


def test_a_run_that_was_suspended_notices_and_leaves_the_other_run_alone(runs: Runs) -> None:
    own = Clock()
    asleep = runs.run(ELSEWHERE, own_clock=own)
    assert asleep.take("a") is None and asleep.take("b") is None
    other = runs.run()
    assert other.take("a") == ELSEWHERE
    runs.clock.now += 91
    assert other.take("a") is None
    own.now += 500
    assert not asleep.keeps("a") and asleep.keeps("b")
    asleep.renew_all()
    other.release("a")  # now the same file can be made again
    third = runs.run()
    assert third.take("a") is None and runs.files() == ["a.1.json", "b.1.json"]
    asleep.renew_all()
    asleep.release("a")
    assert third.keeps("a") and read_lease(runs.folder.read(f"{LEASES}/a.1.json"))[0] == this_process()


def test_a_file_made_again_by_another_run_is_not_taken_for_the_own(runs: Runs) -> None:
    """The other run has taken the pair over and released it, and a third makes the same generation again."""
    own = Clock()
    asleep, other, third = runs.run(ELSEWHERE, own_clock=own), runs.run(), runs.run()
    asleep.take("a"), other.take("a")
    runs.clock.now += 91
    assert other.take("a") is None
    other.release("a")
    assert third.take("a") is None and runs.files() == ["a.1.json"]
    own.now += 500
    asleep.renew_all()
    assert not asleep.keeps("a")
    asleep.close()
    assert runs.files() == ["a.1.json"] and third.keeps("a")


def test_a_heart_beats_for_all_leases(tmp_path: Path) -> None:
    folder = DiskFolder(tmp_path, durable=False)
    leases = Leases(folder, print, renew_s=0.001)
    assert leases.take("a") is None and leases.take("b") is None
    until = time.monotonic() + 30
    names = [f"{LEASES}/{key}.1.json" for key in "ab"]
    while min(json.loads(folder.read(name))["beat"] for name in names) < 3:
        assert time.monotonic() < until
    leases.close()
    assert list(tmp_path.iterdir()) == []  # nothing was written after the release


def test_many_threads_take_many_pairs_and_none_is_held_twice(tmp_path: Path) -> None:
    held: dict[str, int] = {}
    twice: list[str] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        leases = Leases(DiskFolder(tmp_path, durable=False), twice.append, renew_s=0.002, look_s=0)
        done = 0
        for turn in range(60):
            key = f"pair{(turn * 7 + number) % 3}"
            if leases.take(key) is None:
                with lock:
                    held[key] = held.get(key, 0) + 1
                    if held[key] > 1:
                        twice.append(key)
                with lock:
                    held[key] -= 1
                leases.release(key)
                done += 1
            if turn % 20 == 19:
                leases.close()  # removes the folder under the others' feet
                leases = Leases(DiskFolder(tmp_path, durable=False), twice.append, renew_s=0.002, look_s=0)
        leases.close()
        assert done

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert twice == [] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"pid": "x"}', b'{"pid": -1, "host": "\x1b[2J"}', b"\xff"])
def test_a_file_that_is_no_lease_holds_the_pair_until_it_has_not_changed_for_long(runs: Runs, content: bytes) -> None:
    runs.folder.write(f"{LEASES}/a.1.json", content)
    leases = runs.run()
    holder = leases.take("a")
    assert holder is not None and holder.pid == 0 and "\x1b" not in str(holder)
    runs.clock.now += 91
    assert leases.take("a") is None
    leases.release("a")
    assert runs.files() == []


class Broken(DiskFolder):
    """A folder that cannot be written, or that cannot refuse the second of two writers."""

    def create(self, name: str, data: bytes) -> bool:
        raise StoreError("this storage cannot refuse the second of two writers")


def test_a_folder_without_leases_works_and_says_so_once(tmp_path: Path) -> None:
    notes: list[str] = []
    leases = Leases(Broken(tmp_path), notes.append)
    assert leases.take("a") is None and leases.take("b") is None and leases.keeps("a")
    leases.release("a")
    leases.close()
    assert len(notes) == 1 and "cannot refuse the second of two writers" in notes[0]


class Drops(DiskFolder):
    """A folder whose network is cut when the test says so."""

    cut = False

    def write(self, name: str, data: bytes) -> None:
        if self.cut:
            raise StoreError("no route to host")
        super().write(name, data)

    def entries(self, below: str = "") -> Iterator[Entry]:
        if self.cut:
            raise StoreError("no route to host")
        return super().entries(below)


def test_a_lease_survives_a_cut_that_is_shorter_than_its_time(tmp_path: Path) -> None:
    folder, clock = Drops(tmp_path, durable=False), Clock()
    leases = Leases(folder, print, holder=ELSEWHERE, renew_s=3600, clock=clock, own_clock=clock)
    other = Leases(DiskFolder(tmp_path), print, renew_s=3600, look_s=0, clock=clock, own_clock=clock)
    assert leases.take("a") is None
    folder.cut = True
    for _ in range(4):
        clock.now += 20
        leases.renew_all()
        assert other.take("a") == ELSEWHERE
    assert leases.keeps("a")  # it cannot be known; the record is correct all the same
    folder.cut = False
    leases.renew_all()
    clock.now += 80
    assert other.take("a") == ELSEWHERE and leases.keeps("a")
    leases.close(), other.close()


class ShowsLate(DiskFolder):
    """A folder on the network whose list of files does not show their newest versions yet."""

    def entries(self, below: str = "") -> Iterator[Entry]:
        return (replace(entry, version="old") for entry in super().entries(below))


def test_a_list_that_is_older_than_its_files_takes_no_lease_away(runs: Runs, tmp_path: Path) -> None:
    holder = runs.run(ELSEWHERE)
    assert holder.take("a") is None
    late = Leases(ShowsLate(tmp_path, durable=False), print, renew_s=3600, look_s=0, clock=runs.clock)
    for _ in range(4):
        assert late.take("a") == ELSEWHERE
        runs.clock.now += 80
        holder.renew_all()
    runs.clock.now += 91
    assert late.take("a") == ELSEWHERE  # the file has changed since it was read
    runs.clock.now += 91
    assert late.take("a") is None
    late.close()


def test_without_a_results_folder_every_pair_is_free() -> None:
    leases = leases_of(None, print)
    assert leases.take("a") is None and leases.take("a") is None and leases.keeps("a")
    leases.release("a")
    leases.close()


def test_a_url_has_leases_too() -> None:
    from vlmbench.storage.base import Url

    fsspec = pytest.importorskip("fsspec")
    url = Url(f"memory://leases-{os.getpid()}/runs")
    one, other = leases_of(url, print), leases_of(url, print)
    assert one.take("a") is None and other.take("a") == this_process()
    one.release("a")
    assert other.take("b") is None
    one.close(), other.close()
    assert not [path for path in fsspec.filesystem("memory").find(url.text.partition("://")[2]) if LEASES in path]
