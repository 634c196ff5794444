"""Kills workers, actors, nodes and drivers of a Ray cluster at random moments, and checks what is left in the end.

Run it by hand: ``python perf/kills.py --kills 20``. It makes a cluster of two nodes on this machine and runs toys that
work slowly, with the same command again after each death of the driver. In the end every pair must have the record that
one process writes, and no process of a worker may be left.
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
from typing import Any

REPOSITORY = Path(__file__).parents[1]
ADAPTER = REPOSITORY / "tests" / "support" / "run" / "deadly_adapter.py"
STORE = 80 * 2**20
WEIGHTS = {"worker": 8, "actor": 5, "raylet": 2, "driver": 5}
PROGRAM = "vlmbench.run.pool.ray_crew.child_process"
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


def workers(session: str) -> list[int]:
    """The workers' processes below the actors of this cluster."""
    found = []
    for pid in processes(lambda command: PROGRAM in command):
        try:
            if session in Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace"):
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


def strike(victim: str, cluster: Any, node: Any, runs: Runs, token: str) -> Any:
    """Kill one victim. Returns the second node of the cluster, which is new if it was the victim.

    None: no worker is at work, so a kill would show nothing.
    """
    pids = workers(token)
    if not pids:
        return None
    if victim == "driver":
        runs.killed()
        ends = time.monotonic() + GONE_WITHIN_S
        while (left := workers(token)) and time.monotonic() < ends:
            time.sleep(0.2)
        if left:
            raise SystemExit(f"workers {left} outlive their driver by {GONE_WITHIN_S:.0f} seconds")
        runs.again()
        return node
    if victim == "raylet":
        cluster.remove_node(node, allow_graceful=False)
        return cluster.add_node(num_cpus=1, object_store_memory=STORE)
    pid = random.choice(pids)
    return node if kill(parent(pid) if victim == "actor" else pid) else None


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
    from ray.cluster_utils import Cluster

    from vlmbench.testing.toy_data import write_image_folder

    count = options.images
    tasks = [
        f"imagefolder:{write_image_folder(place / f't{number}', {'cat': count, 'dog': count}, seed=number)}"
        for number in range(options.tasks)
    ]
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": STORE},
    )
    node = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    command = [sys.executable, "-c", PROGRAM_OF_DRIVER, "run", "--device", "cpu"]
    command += ["--batch-size", "4", "--no-cache", "--plugin", str(ADAPTER), "-m", "deadly:slow@slow"]
    command += [part for task in tasks for part in ("-t", task)]
    log = place / "driver.log"
    runs = Runs([*command, "--executor", f"ray:{cluster.address}", "--results", str(place / "killed")], log)
    began, struck, gave_up = time.monotonic(), Counter[str](), 0
    left: list[int] = []
    try:
        while runs.process.poll() != 0:
            if time.monotonic() - began > options.most_seconds:
                raise SystemExit("FAILED: it takes too long")
            if runs.process.poll() is not None:  # no node was left, or a pair lost three workers
                gave_up += 1
                runs.again()
            time.sleep(random.uniform(1.0, 6.0))
            if sum(struck.values()) < options.kills and runs.process.poll() is None:
                victim = random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
                hit = strike(victim, cluster, node, runs, token)
                if hit is not None:
                    node = hit
                    struck[victim] += 1
                    print(f"{time.monotonic() - began:6.1f} s: killed {victim}", flush=True)
        print(f"{sum(struck.values())} kills {dict(struck)} in {time.monotonic() - began:.0f} s", flush=True)
        print(f"{gave_up} times the driver ended before all pairs were done, and was started again", flush=True)
        ends = time.monotonic() + GONE_WITHIN_S
        while (left := workers(token)) and time.monotonic() < ends:
            time.sleep(0.2)
    finally:
        runs.killed()
        cluster.shutdown()  # type: ignore[no-untyped-call]
        print("".join(log.read_text(errors="replace")[-3000:]))
    alone = [*command, "--executor", "local", "--results", str(place / "alone")]
    subprocess.run(alone, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=REPOSITORY)
    expected, found = plain(place / "alone"), plain(place / "killed")
    differ = [name for name in expected if found.get(name) != expected[name]]
    print(f"{len(found)} of {len(expected)} records, {len(differ)} differ from those of one process")
    if left or differ or found.keys() != expected.keys():
        raise SystemExit("FAILED")


if __name__ == "__main__":
    main()
