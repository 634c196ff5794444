"""What makes remarks of models that are ONNX graphs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from remarks.trigger import Arguments, Trigger, images, model_card


def graphs(top: Path, changed: str = "") -> Arguments:
    """demo-clip as graphs: of both sides; with a frozen batch of images; or with quantised weights of texts."""
    for package in ("onnxruntime", "onnx", "transformers", "tokenizers"):
        pytest.importorskip(package, reason="the tests of graphs need pip install 'vlmbench[test]'")
    from models.onnx.exported import export_demo, quantise

    folder = export_demo(top / "graphs")
    if changed == "frozen":
        shutil.copy(export_demo(top / "frozen", frozen=True) / "visual.onnx", folder / "visual.onnx")
    if changed == "quantised":
        quantise(folder / "textual.onnx", top / "textual.onnx")
        shutil.move(top / "textual.onnx", folder / "textual.onnx")
    return (*model_card(top, "onnx", folder, logit_scale=10), *images(top))


TRIGGERS = {
    "one-by-one": Trigger(
        lambda top, _: graphs(top, "frozen"),
        "the graph of images takes only one at a time, so each image was encoded alone",
        "images encoded one by one",
    ),
    "batch-dependent": Trigger(
        lambda top, _: graphs(top, "quantised"),
        "*as with dynamic quantisation: alone and in a batch, the features of * test texts have a cosine of 0.99* or "
        "more. The model option one_by_one: true avoids it",
        "text features depend on the batch",
        6,
    ),
    "own-precision": Trigger(
        lambda top, _: (*graphs(top), "--precision", "bf16"),
        "the graphs compute in the types of their files, so --precision changed nothing; the model option variant "
        "chooses other graphs, such as fp16",
        "the graphs' own precision",
    ),
}
