"""Exports small models to ONNX as their users do, with wrappers in evaluation mode and torch's own exporter."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from vlmbench.cards import ModelCard
from vlmbench.demo.faults import CHECKPOINT
from vlmbench.models.base import LoadOptions
from vlmbench.models.onnx.adapter import load
from vlmbench.models.onnx.model import OnnxModel
from vlmbench.models.open_clip.adapter import OpenClipModel
from vlmbench.models.open_clip.adapter import load as load_open_clip

SETTINGS = ("open_clip_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


class Called(nn.Module):
    """Calls a method of a network with keywords, and returns what it returns as a tuple of tensors."""

    def __init__(self, network: nn.Module, method: str, names: Sequence[str], kept: Sequence[str] = ()) -> None:
        super().__init__()
        self.network, self.method, self.names, self.kept = network, method, names, kept

    def forward(self, *values: Tensor) -> Any:
        found = getattr(self.network, self.method)(**dict(zip(self.names, values, strict=True)))
        if isinstance(found, Tensor):
            return found
        if self.kept:
            return tuple(getattr(found, name) for name in self.kept)
        return found.pooler_output


def export(
    module: nn.Module,
    values: Sequence[Tensor],
    file: Path,
    inputs: Sequence[str],
    outputs: Sequence[str],
    free: dict[str, dict[int, str]],
) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(values),
            file,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=free,
            dynamo=False,
        )
    return file


def demo_model() -> OpenClipModel:
    return load_open_clip(
        ModelCard(name="demo", adapter="open_clip", spec=f"local-dir:{CHECKPOINT}"), LoadOptions(offline=True)
    )


def export_demo(folder: Path, *, frozen: bool = False, ids: torch.dtype = torch.int64) -> Path:
    """demo-clip as ``visual.onnx`` and ``textual.onnx``, with open_clip's files beside them."""
    network = demo_model().network
    rows = 1 if frozen else 2
    free = {} if frozen else {"input": {0: "batch"}, "output": {0: "batch"}}
    image = Called(network, "encode_image", ["image"])
    export(image, [torch.randn(rows, 3, 64, 64)], folder / "visual.onnx", ["input"], ["output"], free)
    text = Called(network, "encode_text", ["text"])
    export(text, [torch.ones(rows, 32, dtype=ids)], folder / "textual.onnx", ["input"], ["output"], free)
    for name in SETTINGS:
        shutil.copy(CHECKPOINT / name, folder / name)
    return folder


def export_hub_pair(network: Any, source: Path, folder: Path, *, mask: bool, length: int = 7) -> Path:
    """A network of transformers as ``onnx/vision_model.onnx`` and ``text_model.onnx``, as onnx-community has it."""
    copy_settings(source, folder)
    pixels = torch.randn(2, 3, 32, 32)
    free = {"pixel_values": {0: "batch_size"}, "image_embeds": {0: "batch_size"}}
    image = Called(network, "get_image_features", ["pixel_values"])
    export(image, [pixels], folder / "onnx" / "vision_model.onnx", ["pixel_values"], ["image_embeds"], free)
    names = ["input_ids", "attention_mask"] if mask else ["input_ids"]
    ids = torch.ones(2, length, dtype=torch.long)
    free = {name: {0: "batch_size", 1: "sequence_length"} for name in names} | {"text_embeds": {0: "batch_size"}}
    text = Called(network, "get_text_features", names)
    export(text, [ids] * len(names), folder / "onnx" / "text_model.onnx", names, ["text_embeds"], free)
    return folder


def export_single(network: Any, source: Path, folder: Path, *, shared: bool = False) -> Path:
    """A CLIP of transformers as optimum's ``model.onnx``.

    Args:
        shared: both inputs give their number of rows one name, as older exports do.
    """
    copy_settings(source, folder)
    names = ["input_ids", "pixel_values", "attention_mask"]
    outputs = ["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"]
    ids = torch.ones(2, 7, dtype=torch.long)
    images, texts = ("batch_size", "batch_size") if shared else ("image_batch_size", "text_batch_size")
    free = {
        "input_ids": {0: texts, 1: "sequence_length"},
        "attention_mask": {0: texts, 1: "sequence_length"},
        "pixel_values": {0: images},
        "logits_per_image": {0: images, 1: texts},
        "logits_per_text": {0: texts, 1: images},
        "text_embeds": {0: texts},
        "image_embeds": {0: images},
    }
    both = Called(network, "forward", names, outputs)
    export(both, [ids, torch.randn(2, 3, 32, 32), ids], folder / "model.onnx", names, outputs, free)
    return folder


def copy_settings(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.glob("*.json"):
        shutil.copy(file, folder / file.name)


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def quantise(file: Path, to: Path, **settings: Any) -> Path:
    """Dynamic 8-bit quantisation by onnxruntime's own tool."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(file, to, **{"weight_type": QuantType.QUInt8, **settings})
    return to


def halve(file: Path, to: Path) -> Path:
    """All weights and sums in float16, inputs and outputs included."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(file), keep_io_types=False), to)
    return to


def change_weights(file: Path, change: Any) -> None:
    """Replace each floating-point weight by ``change(name, values)``."""
    model = onnx.load(file)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if np.issubdtype(values.dtype, np.floating):
            tensor.CopyFrom(numpy_helper.from_array(change(tensor.name, values).astype(values.dtype), tensor.name))
    onnx.save(model, file)


def change_json(file: Path, **changes: Any) -> None:
    content = json.loads(file.read_text("utf-8"))
    for name, value in changes.items():
        if value is None:
            content.pop(name, None)
        else:
            content[name] = value
    file.write_text(json.dumps(content), "utf-8")


def open_onnx(folder: Path | str, device: str = "cpu", **options: Any) -> OnnxModel:
    card = ModelCard(name="model", adapter="onnx", spec=str(folder), options=options)
    return load(card, LoadOptions(device=device, offline=True))
