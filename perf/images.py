"""Times the image stage (read, hash, decode, preprocess, forward, checks) and the forward pass alone on ready tensors.

The second table has a model that computes almost nothing. It compares the stage with decoding and preprocessing alone,
by the same number of threads. ``--folder`` names any folder of images. Weights are random from a seed, so nothing is
downloaded::

    python perf/images.py --folder path/to/imagenet-sample/val
    python perf/images.py --folder path/to/imagenet/val --device cuda --precision bf16 --model ViT-L-14 --images 20000

Files are read into memory first, so that the harness is measured and not the disk.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import torch
import torch.nn.functional as F
from side_by_side import Way, show, take_turns
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.data.base import Sample, SourceInfo
from vlmbench.data.formats.decode import decode_image
from vlmbench.features.images.batch import ImageTally
from vlmbench.features.images.stream import encode_images
from vlmbench.features.precision import PRECISIONS, Precision, forward_pass
from vlmbench.features.progress import Silent
from vlmbench.features.settings import EngineSettings
from vlmbench.features.workers import default_workers
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions, VisionLanguageModel
from vlmbench.run.process_state import ACCELERATOR_BATCH, CPU_BATCH

SUFFIXES = {".jpg", ".jpeg", ".png"}
Features = Tensor | None
"""The features that a way computes; None if it computes no features."""


class InMemory:
    """A dataset of encoded images in memory."""

    info = SourceInfo("memory", "memory")
    classes = None
    templates = None

    def __init__(self, files: Sequence[bytes]) -> None:
        self._files = files
        self.samples = [Sample(f"image {index}", 0) for index in range(len(files))]

    def read(self, index: int) -> bytes:
        return self._files[index]

    def state(self) -> str:
        return "memory"


class Cheap:
    """A model with another model's transform, and an image tower that reads only one pixel."""

    def __init__(self, model: VisionLanguageModel) -> None:
        self.card, self.identity, self.device = model.card, model.identity, model.device
        self.capabilities, self.preprocess, self.encode_text = model.capabilities, model.preprocess, model.encode_text
        self.logit_scale, self.logit_bias, self.embedding_dim = 1.0, 0.0, 16
        generator = torch.Generator().manual_seed(0)
        self._weight = torch.randn(3, self.embedding_dim, generator=generator).to(model.device)

    def encode_image(self, pixels: Tensor) -> Tensor:
        return F.normalize(pixels[:, :, 0, 0] @ self._weight, dim=-1)


def main() -> None:
    """Measure and print."""
    asked = arguments()
    files = images_of(asked.folder, asked.images)
    card = ModelCard(name=asked.model, adapter="open_clip", spec=asked.model, options={"random_seed": 0})
    model = ADAPTERS.get("open_clip")(card, LoadOptions(device=asked.device))
    batch_size = asked.batch_size or (CPU_BATCH if asked.device == "cpu" else ACCELERATOR_BATCH)
    what = f"{len(files):,} images, {asked.device}, {asked.precision}, batches of {batch_size}, {asked.workers} workers"

    ways = [
        Way("forward pass alone, the same ready batch each time", bare(model, files, batch_size, asked.precision)),
        Way("vlmbench's image stage", stage(model, files, batch_size, asked.precision, asked.workers)),
    ]
    timings = take_turns(ways, asked.repetitions, warm_up=True)
    rows = len(files) // batch_size * batch_size  # the forward pass alone repeats the first batch
    first, own = timings[0].result, timings[1].result
    assert first is not None and own is not None
    difference = float((own[:batch_size] - first[:batch_size]).abs().max())
    show(
        f"{asked.model}: {what}",
        timings,
        differences=[None, f"{difference:.1e} on the batch that both encode"],
        floor=f"{own.shape[0]:,} forward passes, {rows:,} of them in full batches",
        notes=[f"images per second: {', '.join(f'{len(files) / timing.median:.1f}' for timing in timings)}"],
    )

    cheap = Cheap(model)
    ways = [
        Way("decode and preprocess alone, same number of threads", ideal(cheap, files, asked.workers)),
        Way("vlmbench's image stage", stage(cheap, files, batch_size, asked.precision, asked.workers)),
    ]
    show(f"a model that computes almost nothing: {what}", take_turns(ways, asked.repetitions, warm_up=True))


def arguments() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, required=True, help="a folder of images; its subfolders are searched too"
    )
    parser.add_argument("--model", default="ViT-B-32", help="an open_clip architecture")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=PRECISIONS)
    parser.add_argument(
        "--images", type=int, default=256, help="the number of images; if there are fewer files, they are repeated"
    )
    parser.add_argument("--batch-size", type=int, help="default: that of vlmbench run")
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--repetitions", type=int, default=5)
    return parser.parse_args()


def images_of(folder: Path, count: int) -> list[bytes]:
    """This number of encoded images from a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise SystemExit(f"{folder} holds no images ({', '.join(sorted(SUFFIXES))})")
    files = [path.read_bytes() for path in paths[:count]]
    return list(islice(cycle(files), count))


def bare(
    model: VisionLanguageModel, files: Sequence[bytes], batch_size: int, precision: Precision
) -> Callable[[], Features]:
    """The forward pass alone, on the same number of images. For an accelerator, it waits once, at the end."""
    images = [decode_image(data, str(place)) for place, data in enumerate(files[:batch_size])]
    batch = torch.stack([model.preprocess(image) for image in images]).to(model.device)

    def run() -> Features:
        with forward_pass(model.device, precision):
            for done in range(0, len(files), len(batch)):
                features = model.encode_image(batch[: len(files) - done])
                if done == 0:
                    first = features
        return first.float().cpu() if model.device.type == "cpu" else _waited(first)

    return run


def _waited(features: Tensor) -> Tensor:
    torch.accelerator.synchronize()
    return features.float().cpu()


def stage(
    model: VisionLanguageModel, files: Sequence[bytes], batch_size: int, precision: Precision, workers: int
) -> Callable[[], Features]:
    """The whole image stage, without a cache."""
    dataset = InMemory(files)

    def run() -> Features:
        features = torch.empty(len(files), model.embedding_dim)
        for batch in encode_images(
            model,
            dataset,
            range(len(files)),
            EngineSettings(precision=precision, batch_size=batch_size, workers=workers),
            space=None,
            progress=Silent(),
            tally=ImageTally(),
        ):
            features[batch.indices] = batch.features
        return features

    return run


def ideal(model: VisionLanguageModel, files: Sequence[bytes], workers: int) -> Callable[[], Features]:
    """Decoding and preprocessing in threads. Each thread gets an equal share of the images, and no result is kept."""

    def share(start: int) -> None:
        for place in range(start, len(files), workers):
            model.preprocess(decode_image(files[place], str(place)))

    def run() -> Features:
        with ThreadPoolExecutor(workers, initializer=partial(torch.set_num_threads, 1)) as pool:
            list(pool.map(share, range(workers)))
        torch.set_num_threads(torch.get_num_threads())  # new threads begin with this setting
        return None

    return run


if __name__ == "__main__":
    main()
