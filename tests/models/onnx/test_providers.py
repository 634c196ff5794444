"""Execution providers: their settings on a GPU, which this machine need not have, and the model's identity."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
import torch
from models.onnx.exported import open_onnx

from vlmbench.errors import ModelError
from vlmbench.models.onnx.session import providers_for

EXACT = {"device_id": 1, "use_tf32": 0}


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )


@pytest.mark.usefixtures("gpu")
def test_cuda_computes_on_the_chosen_device_in_full_precision() -> None:
    second = torch.device("cuda", 1)
    assert providers_for(second, None) == [("CUDAExecutionProvider", EXACT)]
    asked = ["CUDAExecutionProvider", "CPUExecutionProvider", "CPUExecutionProvider"]
    assert providers_for(second, asked) == [("CUDAExecutionProvider", EXACT), "CPUExecutionProvider"]
    assert providers_for(torch.device("cpu"), None) == ["CPUExecutionProvider"]


def test_no_provider_is_asked_for() -> None:
    with pytest.raises(ModelError, match="the model option providers is an empty list"):
        providers_for(torch.device("cpu"), [])


def test_the_identity_is_one_on_every_device(demo_folder: Path) -> None:
    identity = open_onnx(demo_folder).identity
    assert "Provider" not in identity.architecture
    assert open_onnx(demo_folder, providers=["CPUExecutionProvider"]).identity == identity
