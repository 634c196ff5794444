"""Kills workers, their parents, nodes and drivers at random moments, and checks what is left in the end.

Run it by hand: ``python perf/kills.py --kills 20 --executor ray`` makes a Ray cluster of two nodes on this machine, and
``--executor local`` has processes without Ray. It runs toys that work slowly, with the same command again after each
death of the driver. In the end every pair must have the record that one process writes, and no process of a worker and
none of its files may be left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

REPOSITORY = Path(__file__).parents[1]
ADAPTER = REPOSITORY / "tests" / "support" / "run" / "deadly_adapter.py"
STORE = 80 * 2**20
PROGRAM = "vlmbench.run.pool.ray_crew.child_process"
NURSERY = "vlmbench.run.pool.nursery_process"
LOGS = "vlmbench-workers-*"
PROGRAM_OF_DRIVER = "import sys; from vlmbench.cli.main import main; sys.exit(main())"
GONE_WITHIN_S = 20.0
HOW_IT_RAN = ("started", "seconds", "images_per_second", "peak_memory_bytes", "workers")


def processes(wanted: Callable[[str], bool]) -> list[int]:
    """The processes whose command line is wanted."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if wanted(command):
            found.append(int(path.name))
    return found


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def own_processes(token: str, program: str) -> list[int]:
    """The processes of this measurement that run a program."""
    found = []
    for pid in processes(lambda command: program in command):
        try:
            if token in Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace"):
                found.append(pid)
        except OSError:
            continue
    return found


def kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


class Runs:
    """The same command, again and again until it ends by itself."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.command, self.log = command, log
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(self.command, stdout=output, stderr=output, cwd=REPOSITORY)

    def killed(self) -> None:
        self.process.kill()
        self.process.wait()

    def again(self) -> None:
        self.process = self._start()


class ThisMachine:
    """Two processes without Ray: ``--executor local:2``."""

    weights: ClassVar = {"worker": 10, "nursery": 4, "driver": 6}

    def __init__(self, token: str) -> None:
        self.token = token
        self.executor = "local:2"

    def workers(self) -> list[int]:
        """The processes of workers. They are copies of the nursery, and have its command line."""
        alike = own_processes(self.token, NURSERY)
        return [pid for pid in alike if parent(pid) in alike]

    def left(self) -> list[int]:
        return own_processes(self.token, NURSERY)

    def strike(self, victim: str, worker: int) -> bool:
        return kill(parent(worker) if victim == "nursery" else worker)

    def end(self) -> None:
        pass


class TwoNodes:
    """A Ray cluster of two nodes, made by Ray's own cluster utility."""

    weights: ClassVar = {"worker": 8, "actor": 5, "raylet": 2, "driver": 5}

    def __init__(self, token: str) -> None:
        from ray.cluster_utils import Cluster

        self.token = token
        head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": STORE}
        self.cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self.node = self.cluster.add_node(num_cpus=1, object_store_memory=STORE)
        self.executor = f"ray:{self.cluster.address}"

    def workers(self) -> list[int]:
        """The workers' processes below the actors of this cluster."""
        return own_processes(self.token, PROGRAM)

    left = workers

    def strike(self, victim: str, worker: int) -> bool:
        if victim == "raylet":
            self.cluster.remove_node(self.node, allow_graceful=False)
            self.node = self.cluster.add_node(num_cpus=1, object_store_memory=STORE)
            return True
        return kill(parent(worker) if victim == "actor" else worker)

    def end(self) -> None:
        self.cluster.shutdown()


def strike(victim: str, place: ThisMachine | TwoNodes, runs: Runs) -> bool:
    """Kill one victim. False: no worker is at work, so a kill would show nothing."""
    pids = place.workers()
    if not pids:
        return False
    if victim != "driver":
        return place.strike(victim, random.choice(pids))
    runs.killed()
    if left := outlive(place):
        raise SystemExit(f"workers {left} outlive their driver by {GONE_WITHIN_S:.0f} seconds")
    runs.again()
    return True


def outlive(place: ThisMachine | TwoNodes) -> list[int]:
    """The processes of workers that are there after the time in which they should end."""
    ends = time.monotonic() + GONE_WITHIN_S
    while (left := place.left()) and time.monotonic() < ends:
        time.sleep(0.2)
    return left


def plain(folder: Path) -> dict[str, dict[str, Any]]:
    """The records of a folder without what differs between two runs."""
    found = {}
    for path in sorted(folder.rglob("*.json")):
        record = json.loads(path.read_text())
        if "predictions" not in record:
            continue
        for name in HOW_IT_RAN:
            record["run"].pop(name, None)
        found[record["id"]] = record
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executor", choices=["local", "ray"], default="ray")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=30)
    parser.add_argument("--images", type=int, default=12, help="images of each of two classes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most-seconds", type=float, default=900.0)
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        carry_out(options, Path(place))


def carry_out(options: argparse.Namespace, place: Path) -> None:
    token = f"KILLS_TOKEN={place.name}"
    os.environ.update(
        RAY_USAGE_STATS_ENABLED="0",
        KILLS_TOKEN=place.name,
        VLMBENCH_CACHE=str(place / "cache"),
        PYTHONPATH=os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]),
        OMP_NUM_THREADS="1",
    )
    from vlmbench.testing.toy_data import write_image_folder

    count = options.images
    tasks = [
        f"imagefolder:{write_image_folder(place / f't{number}', {'cat': count, 'dog': count}, seed=number)}"
        for number in range(options.tasks)
    ]
    temporary = place / "tmp"
    temporary.mkdir()
    machines = ThisMachine(token) if options.executor == "local" else TwoNodes(token)
    command = [sys.executable, "-c", PROGRAM_OF_DRIVER, "run", "--device", "cpu"]
    command += ["--batch-size", "4", "--no-cache", "--plugin", str(ADAPTER), "-m", "deadly:slow@slow"]
    command += [part for task in tasks for part in ("-t", task)]
    log = place / "driver.log"
    os.environ["TMPDIR"] = str(temporary)
    runs = Runs([*command, "--executor", machines.executor, "--results", str(place / "killed")], log)
    began, struck, gave_up = time.monotonic(), Counter[str](), 0
    left: list[int] = []
    files: list[str] = []
    try:
        while runs.process.poll() != 0:
            if time.monotonic() - began > options.most_seconds:
                raise SystemExit("FAILED: it takes too long")
            if runs.process.poll() is not None:  # no node was left, or a pair lost three workers
                gave_up += 1
                runs.again()
            time.sleep(random.uniform(1.0, 6.0))
            if sum(struck.values()) < options.kills and runs.process.poll() is None:
                victim = random.choices(list(machines.weights), list(machines.weights.values()))[0]
                if strike(victim, machines, runs):
                    struck[victim] += 1
                    print(f"{time.monotonic() - began:6.1f} s: killed {victim}", flush=True)
        print(f"{sum(struck.values())} kills {dict(struck)} in {time.monotonic() - began:.0f} s", flush=True)
        print(f"{gave_up} times the driver ended before all pairs were done, and was started again", flush=True)
        left = outlive(machines)
        files = [path.name for path in temporary.glob(LOGS)]
    finally:
        runs.killed()
        machines.end()
        print("".join(log.read_text(errors="replace")[-3000:]))
    alone = [*command, "--executor", "local", "--results", str(place / "alone")]
    subprocess.run(alone, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=REPOSITORY)
    expected, found = plain(place / "alone"), plain(place / "killed")
    differ = [name for name in expected if found.get(name) != expected[name]]
    print(f"{len(found)} of {len(expected)} records, {len(differ)} differ from those of one process")
    print(f"processes left: {left}; folders of logs left: {files}")
    if left or files or differ or found.keys() != expected.keys():
        raise SystemExit("FAILED")


if __name__ == "__main__":
    main()
