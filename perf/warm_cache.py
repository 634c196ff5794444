"""Times a suite of tasks without cached features and with them, and other prompts on cached images.

A pair's whole answer is timed: reading, hashing, features, scores and intervals. The data is already open and the model
loaded. Run it from the repository's root. ``python perf/warm_cache.py`` uses the demo's pictures. ``--data DIR`` uses a
folder that contains any of ``imagenet-sample/val``, ``cifar10/test`` and ``flickr8k``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from side_by_side import Timing, Way, own_cache, show, take_turns

from vlmbench.api import load_model
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.features.run_cache import RunCache
from vlmbench.models.base import VisionLanguageModel
from vlmbench.run.plan import Plan, RunRequest, make_plan
from vlmbench.run.process_state import CPU_BATCH
from vlmbench.tasks.base import Outcome, TaskOptions

DEMO_TASKS = ("demo-scenes", "demo-digits", "demo-objects", "demo-retrieval")
DATA_TASKS = {
    "imagenet-sample/val": "imagefolder:{}",
    "cifar10/test": "imagefolder:{}",
    "flickr8k": "captions:{}",
}
ARCHITECTURE = "ViT-B-32"
TEMPLATES = tuple(f"{{}}, {words}" for words in ("a photo", "a drawing", "seen from afar", "close up", "in the dark"))
OTHER_TEMPLATES = ("there is a {} here.",)

Answers = tuple[list[Outcome], dict[str, float]]
"""The answer of each task, and the seconds of each stage over all tasks."""


def main() -> None:
    """Measure and print."""
    options = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        model = load_model(options.model or _untrained(Path(scratch)), device=options.device)
        suite = _plan(options.data, TEMPLATES)
        classes_only = _plan(options.data, OTHER_TEMPLATES, prompts_only=True)
        kept = Path(scratch) / "kept"
        with own_cache(kept):
            _answers(model, suite)

        def cold(plan: Plan) -> Answers:
            with tempfile.TemporaryDirectory(dir=scratch) as folder, own_cache(Path(folder)):
                return _answers(model, plan)

        def warm(plan: Plan) -> Answers:
            with own_cache(kept):
                return _answers(model, plan)

        def second(plan: Plan) -> Answers:
            """Like ``warm``, but the cache of prompts is a new folder each time, so their features are computed."""
            with own_cache(kept), tempfile.TemporaryDirectory(dir=scratch) as folder:
                return _answers(model, plan, prompts=Path(folder))

        pairs = [Way("no cached features", lambda: cold(suite)), Way("all of them cached", lambda: warm(suite))]
        _show(f"{len(suite.tasks)} tasks, {model.card.name.partition('/')[0]}", take_turns(pairs, options.repeat))
        pairs = [
            Way("no cached features", lambda: cold(classes_only)),
            Way("images cached, prompts new", lambda: second(classes_only)),
        ]
        _show("a second task on the same images: other prompts", take_turns(pairs, options.repeat))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help=f"a model, as vlmbench run -m takes it; by default an untrained {ARCHITECTURE}")
    parser.add_argument("--data", type=Path, help="a folder of datasets instead of the demo's pictures")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeat", type=int, default=3)
    return parser.parse_args()


def _untrained(folder: Path) -> str:
    """Write a model of the usual size without a download, and return its name. Its answers are noise."""
    import open_clip
    import torch

    torch.manual_seed(0)
    network = open_clip.create_model(ARCHITECTURE)
    torch.save(network.state_dict(), folder / "untrained.pt")
    return f"open_clip:{ARCHITECTURE}/{folder / 'untrained.pt'}"


def _plan(data: Path | None, templates: Sequence[str], *, prompts_only: bool = False) -> Plan:
    """The plan of the suite. With ``prompts_only``, only tasks with templates are in it."""
    if data is None:
        names = list(DEMO_TASKS)
    else:
        names = [kind.format(data / place) for place, kind in DATA_TASKS.items() if (data / place).is_dir()]
    if prompts_only:
        names = [name for name in names if "retrieval" not in name and "captions:" not in name]
    options = TaskOptions(templates=tuple(templates))
    plan = make_plan(RunRequest(("demo-clip",), tuple(names), Path("unused"), device="cpu", options=options))
    for task in plan.tasks:
        if task.question is None:
            raise SystemExit(f"{task.card.name}: {task.problem}")
    return plan


def _answers(model: VisionLanguageModel, plan: Plan, *, prompts: Path | None = None) -> Answers:
    """Answer every task. If ``prompts`` is given, features of prompts are cached in that folder."""
    spaces = RunCache(use_cache=True, precision="fp32")
    if prompts is not None:
        with own_cache(prompts):
            spaces.of(model, "text")  # opened here, and it stays open
    outcomes, seconds = [], dict[str, float]()
    for task in plan.tasks:
        engine = FeatureEngine(model, EngineSettings(batch_size=CPU_BATCH), spaces)
        assert task.question is not None
        outcomes.append(task.question.answer(engine))
        for stage, took in engine.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + took
    spaces.finish()
    return outcomes, seconds


def _show(title: str, timings: Sequence[Timing[Answers]]) -> None:
    (reference, cold), (found, warm) = (timing.result for timing in timings)
    difference = max(_difference(one, other) for one, other in zip(reference, found, strict=True))
    features = [sum(seconds.get(stage, 0.0) for stage in ("text", "images")) for seconds in (cold, warm)]
    stages = ", ".join(f"{stage} {took:.2f}" for stage, took in sorted(warm.items()))
    show(
        title,
        timings,
        differences=[None, f"{difference:.3g}"],
        floor="to read and hash every file (the hash is the cache's key), and to compute the scores",
        notes=[
            f"features alone, last turn: {features[0]:.2f} s to {features[1]:.2f} s, "
            f"{features[0] / features[1]:.1f} times; seconds of the second way by stage: {stages}"
        ],
    )


def _difference(one: Outcome, other: Outcome) -> float:
    """The largest difference between two answers, in metrics and per-sample numbers. It is infinite if texts differ."""
    metrics = [abs(one.metrics[name].value - other.metrics[name].value) for name in one.metrics]
    return max(
        [
            *metrics,
            *(_column_difference(one.predictions[n], other.predictions[n]) for n in one.predictions.column_names),
        ]
    )


def _column_difference(one: pa.ChunkedArray, other: pa.ChunkedArray) -> float:
    if one.equals(other):
        return 0.0
    if not pa.types.is_floating(one.type) or len(one) != len(other):
        return float("inf")
    return float(np.abs(one.to_numpy() - other.to_numpy()).max())


if __name__ == "__main__":
    main()
