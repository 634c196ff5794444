"""Measures retrieval of 5,000 images and 25,000 captions from their features: time, recalls and peak memory.

    python perf/retrieval.py [--peer-python PYTHON] [--images 5000] [--repetitions 3]

Each way is a separate process that loads the same features. Only the ranking is timed. If a Python with CLIP_benchmark
is given, the peer's way is its own ``recall_at_k`` in its ``batchify``, as its ``zeroshot_retrieval.evaluate`` calls
them. The plain way is one matrix of all scores, which is sorted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

CAPTIONS, DIM, RECALLS, PEER_BATCH = 5, 512, (1, 5, 10), 64
"""Captions of an image as in COCO, the feature length of ViT-B/32, the recalls, and CLIP_benchmark's batch size."""
Recalls = list[float]


def write_features(path: Path, images: int) -> None:
    """Write features of unit length. A caption's is near its image's, so that more than half have rank 1."""
    random = np.random.default_rng(0)
    of_images = random.standard_normal((images, DIM), dtype=np.float32)
    of_texts = np.repeat(of_images, CAPTIONS, axis=0) + 6 * random.standard_normal(
        (images * CAPTIONS, DIM), dtype=np.float32
    )
    np.savez(path, images=_unit(of_images), texts=_unit(of_texts))


def _unit(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    unit: np.ndarray[Any, Any] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def ours(images: torch.Tensor, texts: torch.Tensor) -> Recalls:
    """vlmbench's way: find the rank of each best true match, block by block."""
    from vlmbench.tasks.retrieval.ranks import rank

    owners = torch.arange(len(images)).repeat_interleave(CAPTIONS)
    begins = torch.arange(0, len(texts) + 1, CAPTIONS)
    by_image, by_text = rank(images, texts, begins[:-1], begins[1:]), rank(texts, images, owners, owners + 1)
    return [float((found.ranks <= k).mean()) for k in RECALLS for found in (by_text, by_image)]


def plain(images: torch.Tensor, texts: torch.Tensor) -> Recalls:
    """The plain way: all scores in one matrix, and each row is sorted."""
    scores = texts @ images.T
    owners = torch.arange(len(images)).repeat_interleave(CAPTIONS)
    by_text = scores.argsort(dim=1, descending=True) == owners[:, None]
    text_ranks = by_text.to(torch.int8).argmax(dim=1)
    by_image = owners[scores.T.argsort(dim=1, descending=True)] == torch.arange(len(images))[:, None]
    image_ranks = by_image.to(torch.int8).argmax(dim=1)
    return [float((ranks < k).float().mean()) for k in RECALLS for ranks in (text_ranks, image_ranks)]


def peer(images: torch.Tensor, texts: torch.Tensor) -> Recalls:
    """CLIP_benchmark's way: its own functions, called as it calls them."""
    from clip_benchmark.metrics.zeroshot_retrieval import batchify, recall_at_k

    scores = texts @ images.t()
    owners = torch.arange(len(images)).repeat_interleave(CAPTIONS)
    pairs = torch.zeros_like(scores, dtype=torch.bool)
    pairs[torch.arange(len(scores)), owners] = True
    recalls = []
    for k in RECALLS:
        for own, true in ((scores, pairs), (scores.T, pairs.T)):
            found = batchify(recall_at_k, own, true, PEER_BATCH, "cpu", k=k)
            recalls.append(float((found > 0).float().mean()))
    return recalls


WAYS: dict[str, Callable[[torch.Tensor, torch.Tensor], Recalls]] = {"peer": peer, "plain": plain, "ours": ours}


def run(way: str, path: Path) -> None:
    """Run one way in this process, and print its recalls, seconds and peak memory."""
    with np.load(path) as stored:
        images, texts = torch.from_numpy(stored["images"]), torch.from_numpy(stored["texts"])
    began = perf_counter()
    recalls = WAYS[way](images, texts)
    print(json.dumps({"recalls": recalls, "seconds": perf_counter() - began, "peak": peak()}))


def peak() -> float:
    """The peak memory of this process so far, in MiB."""
    unit = 2**10 if sys.platform != "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    """Run all ways in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="a Python that has clip_benchmark")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--run", nargs=2, metavar=("WAY", "FEATURES"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        run(asked.run[0], Path(asked.run[1]))
        return
    from side_by_side import Timing, Way, show

    names = {"plain": "plain: all scores sorted", "ours": "vlmbench"}
    names = {**({"peer": "CLIP_benchmark's recall_at_k"} if asked.peer_python else {}), **names}
    said: dict[str, list[dict[str, Any]]] = {way: [] for way in names}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npz"
        write_features(path, asked.images)
        for _ in range(asked.repetitions):
            for way in names:
                python = asked.peer_python if way == "peer" else sys.executable
                environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
                command = [python, __file__, "--run", way, str(path)]
                ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
                said[way].append(json.loads(ran.stdout.splitlines()[-1]))
    first = next(iter(said.values()))[0]["recalls"]
    timings, differences, memory = [], [], []
    for way, name in names.items():
        timings.append(Timing(Way(name, lambda: None), tuple(each["seconds"] for each in said[way]), None))
        gap = max(abs(a - b) for a, b in zip(said[way][0]["recalls"], first, strict=True))
        differences.append(f"{gap:.1g}")
        memory.append(f"{name}: peak {said[way][0]['peak']:,.0f} MiB")
    products = 2 * 2 * asked.images * asked.images * CAPTIONS * DIM
    features = asked.images * (1 + CAPTIONS) * DIM * 4 / 2**20
    show(
        f"retrieval: {asked.images:,} images, {asked.images * CAPTIONS:,} captions, features of length {DIM}",
        timings,
        differences=differences,
        floor=f"{products / 1e9:,.0f} GFLOP for both directions, {features:,.0f} MiB of features, torch itself",
        notes=[*memory, "recall@1, 5, 10 of captions and images: " + ", ".join(f"{value:.4f}" for value in first)],
    )


if __name__ == "__main__":
    main()
