"""A webdataset, JSON files of words and a result, as a user of CLIP_benchmark has them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import PIL.Image
import PIL.ImageDraw

NAMES = ["circle", "square"]
TEMPLATES = ["a {c}", "a picture of a {c}"]
RESULT = {
    "dataset": "wds/vtab/cifar10",
    "model": "ViT-B-32",
    "pretrained": "openai",
    "task": "zeroshot_classification",
    "metrics": {"acc1": 0.898, "acc5": 0.996, "mean_per_class_recall": 0.898},
    "language": "en",
}


def prepare(folder: Path) -> None:
    """``wds/shapes``, ``classnames.json``, ``templates.json`` and ``result.json``."""
    root = folder / "wds" / "shapes"
    (root / "test").mkdir(parents=True)
    (root / "classnames.txt").write_text("\n".join(NAMES) + "\n")
    (root / "zeroshot_classification_templates.txt").write_text("\n".join(TEMPLATES) + "\n")
    (root / "test" / "nshards.txt").write_text("1\n")
    with tarfile.open(root / "test" / "0.tar", "w") as tar:
        for index in range(6):
            for suffix, data in (("png", _shape(index)), ("cls", str(index % 2).encode())):
                entry = tarfile.TarInfo(f"s{index:07d}.{suffix}")
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    (folder / "classnames.json").write_text(json.dumps({"wds/shapes": NAMES}))
    (folder / "templates.json").write_text(json.dumps({"wds/shapes": TEMPLATES}))
    (folder / "result.json").write_text(json.dumps(RESULT))


def _shape(index: int) -> bytes:
    image = PIL.Image.new("RGB", (64, 64), "white")
    draw, box = PIL.ImageDraw.Draw(image), (8 + index, 8, 48 + index, 48)
    (draw.ellipse if NAMES[index % 2] == "circle" else draw.rectangle)(box, fill="red")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
