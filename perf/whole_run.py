"""Times whole runs of vlmbench and CLIP_benchmark, from start to end of the process, and compares their numbers.

    python perf/whole_run.py [--data DIR] [--cases imagenet cifar10 suite] [--repetitions N] [--peer-classes N]
                             [--images N] [--classes N] [--work DIR] [--peer-python PYTHON]

``vlmbench run`` and ``clip_benchmark eval`` are started as by a user. Both use the same random ViT-B/32 checkpoint, the
same images, class names and templates, and float32 on the CPU. All other settings are their own defaults. vlmbench is
run three times: cold (nothing is cached), warm (the cold run has cached the features, but there are no records), and
again (the records are on disk). The peer caches nothing, so all its runs do the same work.

    imagenet   1,000 images, 1,000 classes x 80 templates
    cifar10    600 images, 10 classes x 18 templates
    suite      both; ImageNet also with 7 templates and with 1, CIFAR-10 also with 1

The peer's head of 1,000 x 80 takes hours on a few cores. So it is built for ``--peer-classes`` classes, and the seconds
of this step are scaled to all classes. The rest of its run is measured completely. The missing vectors are taken from
vlmbench, so that images are still scored against all classes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from floor import image_flops, text_floor
from peer import ARCHITECTURE, add_peer_arguments, make_checkpoint, make_peer
from side_by_side import Way, show, take_turns
from whole_tasks import CASES, Task, make_case

METRICS = ("acc1", "acc5", "mean_per_class_recall")
CPU_ONLY = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class Answer:
    """The answer of a program to one task.

    Attributes:
        metrics: the metrics by name.
        predictions: the number of samples with each pair (target, predicted class).
        steps: the seconds by step.
    """

    metrics: Mapping[str, float]
    predictions: Counter[tuple[int, int]]
    steps: Mapping[str, float]


@dataclass(frozen=True)
class Run:
    """One whole run: its seconds and its answers by task. The peer's seconds are scaled to all classes."""

    seconds: float
    answers: Mapping[str, Answer]


@dataclass(frozen=True)
class Bench:
    """One case, its files, and the peer's Python and settings."""

    work: Path
    checkpoint: Path
    tasks: list[Task]
    peer: Path
    peer_classes: int
    workers: int

    @property
    def spec(self) -> str:
        """The name of the model for vlmbench."""
        return f"open_clip:{ARCHITECTURE}/{self.checkpoint}"

    def cold(self) -> Run:
        """Run vlmbench with nothing cached and no records."""
        shutil.rmtree(self.work / "cache", ignore_errors=True)
        return self.warm()

    def warm(self) -> Run:
        """Run vlmbench with the cached features of the last run, but without its records."""
        shutil.rmtree(self.work / "results", ignore_errors=True)
        return self.again()

    def again(self) -> Run:
        """Run vlmbench with all cached features and records."""
        results = self.work / "results"
        command = [sys.executable, "-m", "vlmbench.cli.main", "run", "--device", "cpu", "--results", str(results)]
        command += ["-m", self.spec, *(word for task in self.tasks for word in ("-t", str(self._card(task))))]
        seconds = timed(command, {**CPU_ONLY, "VLMBENCH_CACHE": str(self.work / "cache")})
        return Run(seconds, read_records(results))

    def clip_benchmark(self) -> Run:
        """Run ``clip_benchmark eval``. Its head has only some classes, and the seconds are scaled."""
        out = self.work / "peer-out"
        out.mkdir(exist_ok=True)
        for task in self.tasks:
            if len(task.names) > self.peer_classes:
                shutil.copy(self._head(task), out / f"{task.name}.head.npy")
        script = Path(__file__).with_name("peer_eval.py")
        command = [str(self.peer), str(script), str(out), str(self.peer_classes), "eval"]
        command += ["--dataset", *(f"wds/{task.name}" for task in self.tasks)]
        command += ["--dataset_root", f"{self.work}/data/{{dataset}}", "--task", "zeroshot_classification"]
        command += ["--model", ARCHITECTURE, "--pretrained", str(self.checkpoint), "--no_amp", "--quiet"]
        command += ["--num_workers", str(self.workers), "--output", f"{out}/{{dataset}}.json"]
        seconds = timed(command, CPU_ONLY)
        answers = {task.name: read_peer(out, task.name) for task in self.tasks}
        missing = (
            answers[task.name].steps["head"] * (len(task.names) / self.peer_classes - 1)
            for task in self.tasks
            if len(task.names) > self.peer_classes
        )
        return Run(seconds + sum(missing), answers)

    def _card(self, task: Task) -> Path:
        return self.work / "data" / f"{task.name}.yaml"

    def _head(self, task: Task) -> Path:
        """The file with vlmbench's head of all classes. It is made once."""
        path = self.work / "heads" / f"{task.words_sha256}.npy"
        if not path.exists():
            from vlmbench import load_model
            from vlmbench.features.engine import EngineSettings, FeatureEngine
            from vlmbench.transfer.methods.zero_shot import ensemble

            engine = FeatureEngine(load_model(self.spec, device="cpu"), EngineSettings())
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, ensemble(engine.texts(task.prompts), len(task.names)).numpy())
        return path


def main() -> int:
    """Measure every case in turn. Returns 1 if a number differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="the folder with imagenet-sample/val and cifar10/test"
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--peer-classes", type=int, default=100, help="the number of classes in the peer's head")
    parser.add_argument("--images", type=int, help="number of images of each data set (default: all)")
    parser.add_argument("--classes", type=int, default=1000, help="the number of ImageNet's classes")
    add_peer_arguments(parser)
    arguments = parser.parse_args()
    work = (arguments.work or Path(tempfile.mkdtemp(prefix="vlmbench-perf-"))).absolute()
    checkpoint = work / "vit-b-32.pt"
    work.mkdir(parents=True, exist_ok=True)
    if not checkpoint.exists():
        make_checkpoint(checkpoint)
    python = arguments.peer_python or make_peer(work / "peer")
    workers = min(4, os.cpu_count() or 1)  # clip_benchmark's default is 4 on every machine
    same = True
    for case in arguments.cases:
        tasks = make_case(case, arguments.data, images=arguments.images, classes=arguments.classes)
        for task in tasks:
            task.write(work / "data", shards=workers)
        bench = Bench(work, checkpoint, tasks, python, arguments.peer_classes, workers)
        same &= measure(case, bench, arguments.repetitions)
    return int(not same)


def measure(case: str, bench: Bench, repetitions: int) -> bool:
    """Time all ways in turn, and print the table. Returns whether all metrics equal the peer's."""
    ways = [
        Way("vlmbench, cold", bench.cold),
        Way("vlmbench, warm", bench.warm),
        Way("vlmbench, again", bench.again),
        Way("clip_benchmark", bench.clip_benchmark, clock=lambda run: run.seconds),
    ]
    *ours, peer = take_turns(ways, repetitions)
    notes = [f"{task.name}: {described(task)}; {scaled(task, bench.peer_classes)}" for task in bench.tasks]
    for name, answer in peer.result.answers.items():
        notes.append(f"clip_benchmark's seconds, {name}: {listed(answer.steps)}")
    for timing in ours[:2]:
        for name, answer in timing.result.answers.items():
            notes.append(f"{timing.way.name}'s seconds, {name}: {listed(answer.steps)}")
        inside = sum(answer.steps["total"] for answer in timing.result.answers.values())
        notes.append(
            f"{timing.way.name}: {timing.result.seconds - inside:.1f} s outside the tasks, for imports and loading"
        )
    show(
        f"{case}: whole runs from start to end of the process, {ARCHITECTURE}, float32, CPU",
        [peer, *ours],
        differences=[None, *(difference(timing.result, peer.result) for timing in ours)],
        floor=floor(bench),
        notes=notes,
    )
    return all(largest(timing.result, peer.result) == 0 for timing in ours)


def timed(command: list[str], environment: Mapping[str, str]) -> float:
    """The seconds of a process from start to end. If it fails, its output is shown.

    Raises:
        SystemExit: the process failed.
    """
    started = perf_counter()
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True)
    seconds = perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return seconds


def read_records(results: Path) -> dict[str, Answer]:
    """vlmbench's answers by task."""
    import pyarrow.parquet as pq

    answers = {}
    for path in results.glob("*/*/*.json"):
        record: dict[str, Any] = json.loads(path.read_text())
        table = pq.read_table(path.with_suffix(".parquet"), columns=["label", "top"])
        top = (each[0] for each in table["top"].to_pylist())
        answers[record["task"]["name"]] = Answer(
            {name: record["metrics"][name]["value"] for name in METRICS},
            Counter(zip(table["label"].to_pylist(), top, strict=True)),
            record["run"]["seconds"],
        )
    return answers


def read_peer(out: Path, name: str) -> Answer:
    """CLIP_benchmark's answer on one task."""
    with np.load(out / f"{name}.npz") as kept:
        predictions = Counter(zip(kept["target"].tolist(), kept["predicted"].tolist(), strict=True))
    metrics = json.loads((out / f"{name}.json").read_text())["metrics"]
    return Answer(metrics, predictions, json.loads((out / "seconds.json").read_text())[name])


def largest(ours: Run, theirs: Run) -> float:
    """The largest difference of a metric. Up to 1e-12 it counts as 0, because sums are rounded."""
    pairs = ((answer.metrics, theirs.answers[name].metrics) for name, answer in ours.answers.items())
    found = max(abs(mine[name] - other[name]) for mine, other in pairs for name in METRICS)
    return found if found > 1e-12 else 0.0


def difference(ours: Run, theirs: Run) -> str:
    """The differences in metrics and in top-1 predictions, in words."""
    other = sum(
        (answer.predictions - theirs.answers[name].predictions).total() for name, answer in ours.answers.items()
    )
    count = sum(answer.predictions.total() for answer in ours.answers.values())
    return f"metrics {largest(ours, theirs):.1g}, top-1 {other} of {count}"


def described(task: Task) -> str:
    """The size of a task, in words."""
    return f"{len(task.images):,} images, {len(task.names):,} classes x {len(task.templates)} templates"


def scaled(task: Task, classes: int) -> str:
    """The part of the peer's run that was scaled, in words."""
    if len(task.names) <= classes:
        return "nothing scaled"
    return f"the peer's head has {classes} classes, and this step is scaled by {len(task.names) / classes:g}"


def listed(steps: Mapping[str, float]) -> str:
    """The seconds by step, in words."""
    return ", ".join(f"{name} {seconds:.2f}" for name, seconds in steps.items() if seconds >= 0.005)


def floor(bench: Bench) -> str:
    """The FLOPs for all different images, and for all different prompts in three ways."""
    import open_clip

    network: Any = open_clip.create_model(ARCHITECTURE, pretrained=str(bench.checkpoint)).eval()
    images = len({path for task in bench.tasks for path, _ in task.images})
    prompts = list(dict.fromkeys(prompt for task in bench.tasks for prompt in task.prompts))
    text = text_floor(network, open_clip.get_tokenizer(ARCHITECTURE), prompts)
    each = image_flops(network, network.visual.image_size[0])
    return f"{images:,} different images {images * each / 1e12:.2f} TFLOP; {len(prompts):,} different prompts {text}"


if __name__ == "__main__":
    sys.exit(main())
