"""What ONNX graphs say: a frozen batch, 8-bit arithmetic, and a precision of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from remarks.trigger import Arguments, Trigger, images, model_card


def frozen(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    """The image graph takes one image; the text graph takes any number."""
    exported = pytest.importorskip("models.onnx.exported", reason="onnx and onnxruntime are not installed")
    folder = exported.export_demo(top / "graphs")
    shutil.copy(exported.export_demo(top / "frozen", frozen=True) / "visual.onnx", folder)
    return (*model_card(top, "onnx", folder, logit_scale=24.0), *images(top))


def eight_bits(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    exported = pytest.importorskip("models.onnx.exported", reason="onnx and onnxruntime are not installed")
    folder = exported.export_demo(top / "graphs")
    exported.quantise(folder / "textual.onnx", folder / "textual.onnx")
    return (*model_card(top, "onnx", folder, logit_scale=24.0), *images(top))


def precision(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    exported = pytest.importorskip("models.onnx.exported", reason="onnx and onnxruntime are not installed")
    folder = exported.export_demo(top / "graphs")
    return (*model_card(top, "onnx", folder, logit_scale=24.0), *images(top), "--precision", "bf16")


TRIGGERS = {
    "one-by-one": Trigger(
        frozen,
        "the graph of images takes only one at a time, so each image was encoded alone",
        "images encoded one by one",
    ),
    "batch-dependent": Trigger(
        eight_bits,
        "the features of one text depend on the others in its batch, as with dynamic quantisation: alone and in a "
        "batch, the features of 6 test texts have a cosine of 0.* or more. The model option one_by_one: true avoids it",
        "text features depend on the batch",
        6,
    ),
    "own-precision": Trigger(
        precision,
        "the graphs compute in the types of their files, so --precision changed nothing; the model option variant "
        "chooses other graphs, such as fp16",
        "the graphs' own precision",
    ),
}
