"""Times the zero-shot head of ImageNet against CLIP_benchmark's and open_clip's, and compares the heads.

    python perf/text_head.py [--classes N] [--peer-classes N] [--repetitions N] [--work DIR] [--peer-python PYTHON]

The head has 1,000 classes and 80 templates, those of the card ``imagenet1k``. The text tower is that of a random
ViT-B/32 from a seed, in float32 on the CPU. vlmbench is timed on all classes. The peers are timed on a few classes, and
their time is scaled to all: it is proportional to the classes, because each costs them 80 texts of 77 tokens.
The aim was to be 25 times faster.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from floor import text_floor
from peer import ARCHITECTURE, add_peer_arguments, make_checkpoint, make_peer
from peer_head import build_head
from side_by_side import Timing, Way, show, take_turns

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Head:
    """A head: unit vectors (C, D). If its builder timed itself, it has the seconds, too."""

    vectors: npt.NDArray[np.float32]
    seconds: float = 0.0


@dataclass(frozen=True)
class Bench:
    """The parts that all ways share: the words, the loaded model, and the folder for files."""

    work: Path
    checkpoint: Path
    model: Any
    tokenizer: Any
    names: list[str]
    templates: list[str]

    def clip_benchmark(self, classes: int) -> Head:
        """The head by CLIP_benchmark in this process. The package must be installed."""
        return Head(build_head(self.model.network, self.tokenizer, self.names[:classes], self.templates).numpy())

    def clip_benchmark_elsewhere(self, classes: int, python: Path) -> Head:
        """The head by CLIP_benchmark in another Python, which times only its builder."""
        import torch

        words, out = self.work / "words.json", self.work / "peer_head.npz"
        words.write_text(json.dumps({"names": self.names[:classes], "templates": self.templates}))
        script = Path(__file__).with_name("peer_head.py")
        command: list[str | Path] = [python, script, words, self.checkpoint, str(torch.get_num_threads()), out]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        with np.load(out) as found:
            return Head(found["head"], float(found["seconds"]))

    def open_clip(self, classes: int) -> Head:
        """The head by open_clip's builder with its defaults."""
        from open_clip import build_zero_shot_classifier

        templates = [template.replace("{c}", "{}") for template in self.templates]
        head = build_zero_shot_classifier(self.model.network, self.tokenizer, self.names[:classes], templates)
        return Head(head.T.numpy())

    def vlmbench(self, classes: int) -> Head:
        """The head by vlmbench's engine, as in a run, without a feature cache."""
        from vlmbench.features.engine import EngineSettings, FeatureEngine
        from vlmbench.transfer.methods.zero_shot import ensemble

        engine = FeatureEngine(self.model, EngineSettings())
        return Head(ensemble(engine.texts(self.prompts(classes)), classes).numpy())

    def prompts(self, classes: int) -> list[str]:
        """All prompts, sorted by class, then by template."""
        from vlmbench.cards import fill_template

        return [fill_template(template, name) for name in self.names[:classes] for template in self.templates]


def main() -> int:
    """Time and compare all ways. Returns 1 if heads differ by more than the tolerance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=1000, help="classes that vlmbench is timed on")
    parser.add_argument("--peer-classes", type=int, default=20, help="classes that the peers are timed on")
    parser.add_argument("--repetitions", type=int, default=3)
    add_peer_arguments(parser)
    arguments = parser.parse_args()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="vlmbench-perf-"))
    bench = prepare(work, arguments.classes)
    whole, few = len(bench.names), min(arguments.peer_classes, len(bench.names))
    ways = [
        peer_way(bench, few, arguments.peer_python),
        Way("open_clip", lambda: bench.open_clip(few), scale=whole / few),
        Way("vlmbench", lambda: bench.vlmbench(whole)),
    ]
    timings = take_turns(ways, arguments.repetitions)
    ours = bench.vlmbench(few).vectors
    differences = [largest_difference(timing, ours) for timing in timings]
    show(
        f"{whole:,} classes x {len(bench.templates)} templates, {ARCHITECTURE} text tower, float32, CPU",
        timings,
        differences=[f"{value:.1e}" for value in differences],
        floor=str(text_floor(bench.model.network, bench.tokenizer, bench.prompts(whole))),
        notes=[
            f"zero_shot_classifier (CLIP_benchmark), build_zero_shot_classifier (open_clip): on {few} classes, scaled",
            f"differences: the largest element's from vlmbench's head of these {few} classes, at most {TOLERANCE:.0e}",
        ],
    )
    return int(max(differences) > TOLERANCE)


def prepare(work: Path, classes: int) -> Bench:
    """Write the checkpoint if it does not exist, and load it."""
    import open_clip

    from vlmbench import load_model, load_task

    work.mkdir(parents=True, exist_ok=True)
    checkpoint = work / "vit-b-32.pt"
    if not checkpoint.exists():
        make_checkpoint(checkpoint)
    model = load_model(f"open_clip:{ARCHITECTURE}/{checkpoint}", device="cpu")
    card = load_task("imagenet1k")
    names, templates = list(card.classes or [])[:classes], list(card.templates or [])
    return Bench(work, checkpoint, model, open_clip.get_tokenizer(ARCHITECTURE), names, templates)


def peer_way(bench: Bench, classes: int, python: Path | None) -> Way[Head]:
    """CLIP_benchmark's way: in this process if it is installed and no Python is given, otherwise in its own Python."""
    name, scale = "CLIP_benchmark", len(bench.names) / classes
    if python is None and find_spec("clip_benchmark"):
        return Way(name, lambda: bench.clip_benchmark(classes), scale=scale)
    found = python or make_peer(bench.work / "peer")
    return Way(
        name,
        lambda: bench.clip_benchmark_elsewhere(classes, found),
        scale=scale,
        clock=lambda head: head.seconds,
    )


def largest_difference(timing: Timing[Head], ours: npt.NDArray[np.float32]) -> float:
    """The largest difference between vectors, for the classes that all ways have."""
    return float(np.abs(timing.result.vectors[: len(ours)] - ours).max())


if __name__ == "__main__":
    sys.exit(main())
