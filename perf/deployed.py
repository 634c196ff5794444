"""Times the image stage of a model as an ONNX graph, and onnxruntime alone on ready arrays.

The graph is an open_clip architecture with random weights from a seed, exported here; nothing is downloaded::

    python perf/deployed.py --folder path/to/imagenet-sample/val
    python perf/deployed.py --folder path/to/images --model ViT-S-32-alt --images 512

Files are read into memory first, as in ``images.py``.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import onnxruntime
import open_clip
import torch
from images import Features, arguments, images_of, stage
from side_by_side import Way, show, take_turns
from torch import Tensor, nn

from vlmbench.cards import ModelCard
from vlmbench.data.formats.decode import decode_image
from vlmbench.models.base import LoadOptions
from vlmbench.models.onnx.adapter import load
from vlmbench.models.onnx.model import OnnxModel
from vlmbench.models.onnx.ports import PIXELS
from vlmbench.run.process_state import CPU_BATCH

SCALE = 100.0


class Tower(nn.Module):
    """One side of a model."""

    def __init__(self, network: nn.Module, encode: str) -> None:
        super().__init__()
        self.network, self.encode = network, encode

    def forward(self, values: Tensor) -> Tensor:
        features: Tensor = getattr(self.network, self.encode)(values)
        return features


def exported(architecture: str, folder: Path) -> OnnxModel:
    """Export an architecture with seeded weights, and load it."""
    torch.manual_seed(0)
    network = open_clip.create_model(architecture).eval()
    config = open_clip.get_model_config(architecture)
    size, length = config["vision_cfg"]["image_size"], config["text_cfg"].get("context_length", 77)
    examples = {
        "visual": ("encode_image", torch.randn(2, 3, size, size)),
        "textual": ("encode_text", torch.ones(2, length, dtype=torch.long)),
    }
    for name, (encode, example) in examples.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing warns of every shape that it takes as fixed
            torch.onnx.export(
                Tower(network, encode).eval(),
                (example,),
                folder / f"{name}.onnx",
                input_names=["input"],
                output_names=["output"],
                dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
                dynamo=False,
            )
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    return load(
        ModelCard(name=architecture, adapter="onnx", spec=str(folder), options={"logit_scale": SCALE}), LoadOptions()
    )


def bare(model: OnnxModel, files: Sequence[bytes], batch_size: int) -> Callable[[], Features]:
    """onnxruntime alone, the same ready batch each time, with the threads that torch has."""
    images = [decode_image(data, str(place)) for place, data in enumerate(files[:batch_size])]
    rows = [model.preprocess(image) for image in images]
    batch = torch.stack([row for row in rows if isinstance(row, Tensor)]).numpy()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    tower = model.image_tower
    session = onnxruntime.InferenceSession(str(tower.session.file), settings, providers=["CPUExecutionProvider"])
    name = tower.inputs.names[PIXELS]

    def run() -> Features:
        for done in range(0, len(files), len(batch)):
            (found,) = session.run([tower.output], {name: batch[: len(files) - done]})
            if done == 0:
                first = found
        return torch.nn.functional.normalize(torch.from_numpy(first), dim=-1)

    return run


def main() -> None:
    """Measure and print."""
    asked = arguments()
    files = images_of(asked.folder, asked.images)
    batch_size = asked.batch_size or CPU_BATCH
    with tempfile.TemporaryDirectory() as folder:
        model = exported(asked.model, Path(folder))
        ways = [
            Way("onnxruntime alone, the same ready batch each time", bare(model, files, batch_size)),
            Way("vlmbench's image stage", stage(model, files, batch_size, "fp32", asked.workers)),
        ]
        timings = take_turns(ways, asked.repetitions, warm_up=True)
    first, own = timings[0].result, timings[1].result
    assert first is not None and own is not None
    difference = float((own[:batch_size] - first[:batch_size]).abs().max())
    show(
        f"{asked.model} as ONNX: {len(files):,} images, batches of {batch_size}, {asked.workers} workers",
        timings,
        differences=[None, f"{difference:.1e} on the batch that both encode"],
        notes=[f"images per second: {', '.join(f'{len(files) / timing.median:.1f}' for timing in timings)}"],
    )


if __name__ == "__main__":
    main()
