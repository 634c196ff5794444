"""Measures the peak memory of whole runs on 1,000 and on 100,000 images: classification with 1,000 classes, retrieval.

    python perf/memory.py [--images 1000 100000] [--tasks classification retrieval folder]

Each run is a separate process. It does all the work, from the source through the engine and its cache to the record.
Only the network is a toy, so that 100,000 images take a minute. Images are PNG files of 16 x 16 pixels, which are made
when they are read. With `folder` they are real files on disk. Retrieval has one caption for each image.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table
from side_by_side import machine

if TYPE_CHECKING:
    from vlmbench.data.base import Sample

CLASSES, DIM, SIDE = 1000, 16, 16
TASKS = ("classification", "retrieval", "folder")
MOST = 1.1
"""The largest allowed ratio of the larger run's peak to the smaller run's."""


@dataclass
class ToyModel:
    """A model that projects an image's pixels and a text's letters with seeded random matrices."""

    card: Any
    device: str
    embedding_dim: int = DIM
    logit_scale: float = 100.0
    logit_bias: float = 0.0
    capabilities: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import torch

        from vlmbench.models.base import ModelIdentity

        generator = torch.Generator().manual_seed(0)
        self._image = torch.randn(3 * SIDE * SIDE, DIM, generator=generator)
        self._text = torch.randn(64, 256, DIM, generator=generator)
        self.identity = ModelIdentity("toy", 0, "toy", "pixels", "bytes", {})

    def preprocess(self, image: Any) -> Any:
        import torch

        return torch.from_numpy(np.asarray(image, dtype=np.float32).transpose(2, 0, 1).copy())

    def encode_image(self, pixels: Any) -> Any:
        return _unit(pixels.flatten(1) @ self._image)

    def encode_text(self, texts: Sequence[str]) -> Any:
        import torch

        return _unit(
            torch.stack(
                [sum(self._text[place % 64, letter] for place, letter in enumerate(text.encode())) for text in texts]
            )
        )


def _unit(features: Any) -> Any:
    import torch.nn.functional as F

    return F.normalize(features, dim=-1)


@dataclass(frozen=True)
class MadeUpSamples(Sequence["Sample"]):
    """Samples that are made when they are read, so that only the run's own memory is measured."""

    images: int
    captions: bool

    def __len__(self) -> int:
        return self.images

    def __getitem__(self, place: Any) -> Any:
        from vlmbench.data.base import Sample

        if not 0 <= place < self.images:
            raise IndexError(place)
        target = (f"picture number {place} of the set",) if self.captions else place % CLASSES
        return Sample(f"class {place % CLASSES}/{place:08}.png", target)


class MadeUp:
    """A dataset of labelled images that exist only while they are read."""

    templates: tuple[str, ...] | None = None

    def __init__(self, count: int, captions: bool) -> None:
        from vlmbench.data.base import SourceInfo

        self.info = SourceInfo("made-up", str(count))
        self.classes = None if captions else tuple(f"class {number}" for number in range(CLASSES))
        self.samples = MadeUpSamples(count, captions)

    def read(self, index: int) -> bytes:
        """See :class:`vlmbench.data.base.ImageDataset`."""
        return picture(index)

    def state(self) -> str:
        """See :class:`vlmbench.data.base.ImageDataset`."""
        return f"{len(self.samples)} made-up images"


def picture(index: int) -> bytes:
    """The PNG file of one image. It shows noise, so that no two images are equal."""
    import PIL.Image

    pixels = np.random.default_rng(index).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    out = io.BytesIO()
    PIL.Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def run(task: str, images: int, folder: Path) -> None:
    """Do one run in this process, and print its peak memory in bytes and its seconds."""
    from vlmbench import evaluate
    from vlmbench.data import SOURCES
    from vlmbench.models import ADAPTERS

    ADAPTERS.register("perf-toy", lambda card, options: ToyModel(card, options.device))
    SOURCES.register("made-up", lambda spec, context: MadeUp(int(spec.location), context.target == "captions"))
    names = {"classification": f"made-up:{images}", "folder": f"imagefolder:{folder}"}
    card = folder / "retrieval.yaml"
    if task == "retrieval":
        card.write_text(f"name: retrieval\nplugin: retrieval\nsources: [{{kind: made-up, location: '{images}'}}]\n")
    began = perf_counter()
    with tempfile.TemporaryDirectory() as work:
        os.environ["VLMBENCH_CACHE"] = work
        (record,) = evaluate(
            "perf-toy:", names.get(task, str(card)), results=Path(work) / "runs", device="cpu", batch_size=256
        )
    if record.task.dataset.samples != images:
        raise SystemExit(f"{record.task.dataset.samples:,} images were scored, but {images:,} were expected")
    # ru_maxrss is in kilobytes on Linux and in bytes on macOS.
    unit = 1024 if sys.platform != "darwin" else 1
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, perf_counter() - began)


def measured(task: str, images: int) -> tuple[float, float]:
    """Do one run in a separate process. Returns its peak memory in bytes and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        if task == "folder":
            write_folder(Path(folder), images)
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        command = [sys.executable, __file__, "--run", task, str(images), folder]
        ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    peak, seconds = ran.stdout.split()[-2:]
    return float(peak), float(seconds)


def write_folder(folder: Path, images: int) -> None:
    """Write this number of images into class folders."""
    for number in range(images):
        place = folder / f"class {number % CLASSES}"
        place.mkdir(exist_ok=True)
        (place / f"{number:08}.png").write_bytes(picture(number))


def main() -> None:
    """Measure every task at every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--run", nargs=3, metavar=("TASK", "IMAGES", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        run(asked.run[0], int(asked.run[1]), Path(asked.run[2]))
        return
    table = Table(title="peak memory of whole runs", title_justify="left", header_style="bold", show_edge=False)
    for name in ("task", "images", "peak MiB", "times the smallest", "bytes an image", "seconds"):
        table.add_column(name, justify="left" if name == "task" else "right")
    for task in asked.tasks:
        first: tuple[int, float] | None = None
        for images in asked.images:
            peak, seconds = measured(task, images)
            first = first or (images, peak)
            grown = (peak - first[1]) / (images - first[0]) if images != first[0] else None
            table.add_row(
                task,
                f"{images:,}",
                f"{peak / 2**20:.0f}",
                f"{peak / first[1]:.3f}" + ("" if peak <= MOST * first[1] else " (too much)"),
                "" if grown is None else f"{grown:.0f}",
                f"{seconds:.0f}",
            )
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(
        f"floor: the scores alone, images x classes in float32, take {asked.images[-1] * CLASSES * 4 / 2**20:,.0f} "
        f"MiB; a feature is {4 * DIM} bytes",
        machine(),
        sep="\n",
        markup=False,
        highlight=False,
    )


if __name__ == "__main__":
    main()
