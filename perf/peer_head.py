"""Times CLIP_benchmark's text head. ``text_head.py`` imports it, or starts it with the peer's Python.

    python perf/peer_head.py WORDS CHECKPOINT THREADS OUT

WORDS is a JSON file with ``names`` and ``templates``. OUT is the npz file to write, with ``head`` (classes, D) and
``seconds``, which are those of the builder alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any


def build_head(network: Any, tokenizer: Any, names: Sequence[str], templates: Sequence[str]) -> Any:
    """The head by CLIP_benchmark's builder in float32, a tensor (classes, D)."""
    from clip_benchmark.metrics.zeroshot_classification import zero_shot_classifier

    return zero_shot_classifier(network, tokenizer, list(names), list(templates), "cpu", amp=False).T


def main() -> None:
    """Load the model, build the head, and write it."""
    import clip_benchmark.metrics.zeroshot_classification  # noqa: F401  (so that the import is not timed)
    import numpy as np
    import open_clip
    import torch
    from peer import ARCHITECTURE

    words, checkpoint, threads, out = sys.argv[1:]
    torch.set_num_threads(int(threads))
    network = open_clip.create_model(ARCHITECTURE, pretrained=checkpoint).eval()
    tokenizer = open_clip.get_tokenizer(ARCHITECTURE)
    asked = json.loads(Path(words).read_text())
    started = perf_counter()
    head = build_head(network, tokenizer, asked["names"], asked["templates"])
    np.savez(out, head=head.numpy(), seconds=perf_counter() - started)


if __name__ == "__main__":
    main()
