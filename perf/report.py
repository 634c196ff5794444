"""Times ``vlmbench report`` over many records: results as text and CSV, a table of the survey, and the ranking.

    python perf/report.py [--records 10000] [--repetitions 3] [--keep FOLDER]

No other program has such records, so the first line is the floor: Python's own json reads and parses the same files.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from side_by_side import Way, show, take_turns

from vlmbench.paths import safe_name
from vlmbench.records import (
    CacheUse,
    ClassResult,
    DatasetInfo,
    Environment,
    MetricValue,
    ModelInfo,
    Predictions,
    Record,
    RunInfo,
    TaskInfo,
)

TASKS, CLASSES = 50, (10, 37, 47, *[100] * 6, 1000)
"""A suite has some dozens of tasks. Most have about 100 classes."""


def write_records(folder: Path, count: int) -> None:
    """Write this number of records, each of another pair, as a run does. Only the Parquet files are missing."""
    random = np.random.default_rng(0)
    for number in range(count):
        record = _record(number, random)
        path = folder / safe_name(record.model.name) / safe_name(record.task.name) / f"{record.id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record.model_dump_json(by_alias=True, indent=1) + "\n")


def _record(number: int, random: np.random.Generator) -> Record:
    task = number % TASKS
    classes = CLASSES[task % len(CLASSES)]
    values = random.random(8).tolist()
    metrics = {
        name: MetricValue(value=value, ci95=(value * 0.98, value * 1.02), n=10_000, chance=1 / classes)
        for name, value in zip(("acc1", "acc5", "mean_per_class_recall", "ece"), values, strict=False)
    }
    per_class = [
        ClassResult(
            name=f"class number {place}",
            n=100,
            values=dict(zip(("recall", "precision", "f1"), own, strict=True)),
            ci95=(own[0] * 0.9, own[0]),
        )
        for place, own in enumerate(random.random((classes, 3)).tolist())
    ]
    identifier = f"{number:016x}"
    return Record(
        id=identifier,
        model=ModelInfo(
            name=f"open_clip:ViT-B-32/checkpoint-{number // TASKS}",
            adapter="open_clip",
            spec=f"ViT-B-32/checkpoint-{number // TASKS}",
            weights_sha256="0" * 64,
            parameters=151_277_313,
            architecture="ViT-B-32",
            preprocess="Compose(Resize, CenterCrop, ToTensor, Normalize)",
            tokenizer="SimpleTokenizer",
            libraries={"open_clip_torch": "3.3.0", "torch": "2.7.0"},
            capabilities=["DenseEncoder", "PrefixTextEncoder"],
            embedding_dim=512,
            logit_scale=100.0,
            logit_bias=0.0,
        ),
        task=TaskInfo(
            name=f"task-{task}",
            plugin="classification",
            version="1.1",
            dataset=DatasetInfo(
                source="imagefolder",
                location=f"task-{task}",
                samples=10_000,
                fingerprint="1" * 64,
                standard_samples=10_000,
            ),
            prompts_sha256="2" * 64,
            protocol={"class_names_from": "card", "templates_from": "card", "metrics": list(metrics)},
        ),
        metrics=metrics,
        main_metric="acc1",
        per_class=per_class,
        predictions=Predictions(file=f"{identifier}.parquet", rows=10_000, sha256="3" * 64),
        run=RunInfo(
            started="2026-01-01T00:00:00+00:00",
            seconds={"text": 1.0, "images": 60.0, "metrics": 0.5, "total": 61.5},
            images_per_second=150.0,
            device="cpu",
            precision="fp32",
            batch_size=8,
            seed=0,
            cache=CacheUse(image_misses=10_000, text_misses=8_000),
        ),
        environment=Environment(vlmbench="0.1.0", python="3.11.9", platform="Linux", packages={"numpy": "2.0.0"}),
    )


def parse_alone(folder: Path) -> int:
    """Parse every file with Python's json, and throw the result away. Returns the number of files."""
    return len([json.loads(path.read_bytes()) for path in sorted(folder.glob("*/*/*.json"))])


def report(folder: Path, table: str, kind: str) -> int:
    """Run the command in a separate process. Returns the number of lines that it prints."""
    command = [sys.executable, "-m", "vlmbench.cli.main", "report", table, "--results", str(folder), "--format", kind]
    return len(subprocess.run(command, check=True, capture_output=True).stdout.splitlines())


def frame(folder: Path) -> int:
    """Run ``results_frame`` in a separate process. Returns its number of rows."""
    code = "import sys, vlmbench; print(len(vlmbench.results_frame(sys.argv[1])))"
    return int(subprocess.run([sys.executable, "-c", code, str(folder)], check=True, capture_output=True).stdout)


def main() -> None:
    """Write the records, and time the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="a folder for the records; they are kept for the next time")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        if not any(folder.glob("*/*/*.json")):
            write_records(folder, asked.records)
        files = list(folder.glob("*/*/*.json"))
        asked_for = [("results", "text"), ("results", "csv"), ("classification", "text"), ("ranking", "text")]
        formats: dict[str, Callable[[], int]] = {
            f"{table} --format {kind}": partial(report, folder, table, kind) for table, kind in asked_for
        }
        ways = [Way("json.loads of every file", partial(parse_alone, folder))]
        ways += [Way(f"vlmbench report {arguments}", run) for arguments, run in formats.items()]
        ways.append(Way("vlmbench.results_frame", partial(frame, folder)))
        timings = take_turns(ways, asked.repetitions)
        bytes_read = sum(path.stat().st_size for path in files)
    show(
        f"report over {len(files):,} records, {bytes_read / 2**20:,.0f} MiB",
        timings,
        differences=["", *(f"{timing.result:,} lines" for timing in timings[1:])],
    )


if __name__ == "__main__":
    main()
