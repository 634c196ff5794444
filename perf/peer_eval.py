"""Runs ``clip_benchmark eval`` and times its steps. ``whole_run.py`` starts it with the peer's Python.

    python perf/peer_eval.py OUT HEAD_CLASSES eval --dataset ... (arguments of clip_benchmark)

The command line and all the work are the package's own, but some functions are wrapped. The text head is built only
for HEAD_CLASSES classes; the vectors of the other classes are read from ``OUT/<dataset>.head.npy``, (classes, D). The
results of the steps are kept. ``OUT/<dataset>.npz`` has the head that was built, the predictions and the targets.
``OUT/seconds.json`` has the seconds of load, head, images and metric for each dataset, and of import for the first one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from time import perf_counter
from typing import Any


def main() -> None:
    """Wrap the functions, run the package, and write the results."""
    out, head_classes, arguments = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    started = perf_counter()
    import numpy as np
    import torch
    from clip_benchmark import cli
    from clip_benchmark.metrics import zeroshot_classification as zsc

    steps: list[dict[str, float]] = []
    waiting = perf_counter() - started
    name = ""

    def timed(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            began = perf_counter()
            result = function(*args, **kwargs)
            steps[-1][step] = perf_counter() - began
            return result

        return run

    build_head = timed("head", zsc.zero_shot_classifier)
    classify = timed("images", zsc.run_classification)

    def head(
        model: Any, tokenizer: Any, classnames: list[str], templates: list[str], device: str, amp: bool = True
    ) -> Any:
        built = build_head(model, tokenizer, classnames[:head_classes], templates, device, amp=amp)
        kept[name] = {"head": built.T.numpy()}
        if head_classes >= len(classnames):
            return built
        given = torch.from_numpy(np.load(out / f"{name}.head.npy")[head_classes:].T.copy())
        return torch.cat([built, given], dim=1)

    def images(*args: Any, **kwargs: Any) -> Any:
        logits, target = classify(*args, **kwargs)
        kept[name] |= {"predicted": logits.argmax(dim=1).numpy(), "target": target.numpy()}
        return logits, target

    def run(asked: Any) -> Any:
        nonlocal name, waiting
        name = asked.dataset.removeprefix("wds/")
        steps.append({"import": waiting})
        waiting = 0.0
        return one(asked)

    kept: dict[str, dict[str, Any]] = {}
    one, cli.run = cli.run, run
    cli.load_clip = timed("load", cli.load_clip)
    zsc.zero_shot_classifier, zsc.run_classification = head, images
    zsc.evaluate = timed("evaluate", zsc.evaluate)
    sys.argv = ["clip_benchmark", *arguments]
    cli.main()
    for each in steps:
        each["metric"] = each.pop("evaluate") - each["head"] - each["images"]
    (out / "seconds.json").write_text(json.dumps(dict(zip(kept, steps, strict=True))))
    for dataset, arrays in kept.items():
        np.savez(out / f"{dataset}.npz", **arrays)


if __name__ == "__main__":
    main()
