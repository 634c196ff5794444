"""Files that are missing, broken, foreign or of another model: one clear message each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from missing_packages import without_packages
from models.onnx.exported import change_json, copied, open_onnx

from vlmbench.errors import MissingDependencyError, ModelError
from vlmbench.models import ADAPTERS
from vlmbench.models.onnx.graph_file import read_graph_file
from vlmbench.models.onnx.protobuf import BrokenMessageError, fields, numbers
from vlmbench.registry import load_checked


@pytest.fixture
def folder(demo_folder: Path, tmp_path: Path) -> Path:
    return copied(demo_folder, tmp_path / "model")


@pytest.fixture
def hub_folder(clip_pair: Path, tmp_path: Path) -> Path:
    return copied(clip_pair, tmp_path / "hub")


def edited(file: Path, edit: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load(file)
    edit(model)
    onnx.save(model, file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"garbage " * 100, "not a complete ONNX graph"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"<!doctype html><title>404</title>", "a web page"),
        (b'{"error": "not found"}', "JSON"),
        (bytes(1000), "not a complete ONNX graph"),
        (b"\x08\x07\x12\x00", "not a complete ONNX graph"),  # a version and nothing else
    ],
)
def test_a_file_that_is_no_graph(folder: Path, content: bytes, message: str) -> None:
    (folder / "visual.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        open_onnx(folder)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_truncated_graph(folder: Path, share: float) -> None:
    file = folder / "textual.onnx"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match=r"not a complete ONNX graph .* goes beyond the end"):
        open_onnx(folder)


def test_a_graph_of_newer_operators(folder: Path) -> None:
    def newer(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = 99

    edited(folder / "visual.onnx", newer)
    with pytest.raises(ModelError, match=rf"version 99 of ONNX's operators.*{onnxruntime.__version__}") as caught:
        open_onnx(folder)
    assert "lower opset_version" in str(caught.value.hint)


def test_a_graph_of_a_newer_form(folder: Path) -> None:
    def newer(model: onnx.ModelProto) -> None:
        model.ir_version = 999

    edited(folder / "visual.onnx", newer)
    with pytest.raises(ModelError, match=r"newer form than onnxruntime"):
        open_onnx(folder)


def test_operators_of_others_are_never_loaded(folder: Path) -> None:
    def foreign(model: onnx.ModelProto) -> None:
        model.opset_import.append(onnx.helper.make_opsetid("evil.example", 1))
        model.graph.node.append(onnx.helper.make_node("Run", ["input"], ["x"], domain="evil.example"))

    edited(folder / "visual.onnx", foreign)
    with pytest.raises(ModelError, match=r"operators of evil.example, which only a library of their authors"):
        open_onnx(folder)


def test_an_operator_that_does_not_exist(folder: Path) -> None:
    def unknown(model: onnx.ModelProto) -> None:
        model.graph.node[0].op_type = "Frobnicate"

    edited(folder / "visual.onnx", unknown)
    with pytest.raises(ModelError, match=r"onnxruntime cannot load it: .*Frobnicate"):
        open_onnx(folder)


@pytest.mark.parametrize("place", ["../../etc/passwd", "/etc/passwd"])
def test_weights_outside_the_folder(folder: Path, place: str) -> None:
    def outside(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=place)

    file = folder / "visual.onnx"
    model = onnx.load(file)
    outside(model)
    file.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"outside its folder"):
        open_onnx(folder)


def outside_sparse() -> onnx.SparseTensorProto:
    sparse = onnx.SparseTensorProto(dims=[4])
    sparse.values.CopyFrom(onnx.TensorProto(name="sparse", data_type=1, dims=[1], data_location="EXTERNAL"))
    sparse.values.external_data.add(key="location", value="../../etc/passwd")
    sparse.indices.CopyFrom(onnx.TensorProto(data_type=7, dims=[1], int64_data=[0]))
    return sparse


def sparse_initializer(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.append(outside_sparse())


def sparse_attribute(model: onnx.ModelProto) -> None:
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["x"], sparse_value=outside_sparse()))


@pytest.mark.parametrize("put", [sparse_initializer, sparse_attribute])
def test_sparse_weights_outside_the_folder(folder: Path, put: Callable[[onnx.ModelProto], None]) -> None:
    file = folder / "visual.onnx"
    model = onnx.load(file)
    put(model)
    file.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"names the file '../../etc/passwd' for its weights, which is outside"):
        open_onnx(folder)


def with_external(folder: Path) -> Path:
    graph = folder / "visual.onnx"
    onnx.save(onnx.load(graph), graph, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return folder / "weights.bin"


def test_weights_behind_a_link_that_leaves_the_folder(folder: Path, tmp_path: Path) -> None:
    weights = with_external(folder)
    weights.symlink_to(weights.rename(tmp_path / "elsewhere.bin"))
    with pytest.raises(ModelError, match=r"a link to a place outside the graph's folder") as caught:
        open_onnx(folder)
    assert "Copy the file that the link leads to" in str(caught.value.hint)


def test_weights_that_lack_their_last_byte(folder: Path) -> None:
    weights = with_external(folder)
    size = weights.stat().st_size
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match=rf"it has {size - 1:,} bytes, but visual.onnx reads {size:,}"):
        open_onnx(folder)


def test_operators_of_onnxruntime_extensions(folder: Path) -> None:
    def foreign(model: onnx.ModelProto) -> None:
        model.opset_import.append(onnx.helper.make_opsetid("ai.onnx.contrib", 1))
        model.graph.node.append(onnx.helper.make_node("Run", ["input"], ["x"], domain="ai.onnx.contrib"))

    edited(folder / "visual.onnx", foreign)
    with pytest.raises(ModelError, match=r"operators of ai.onnx.contrib, which only a library"):
        open_onnx(folder)


def test_a_graph_that_needs_too_much_memory(folder: Path) -> None:
    """4 TiB of ones, added to the features."""

    def huge(model: onnx.ModelProto) -> None:
        sizes = onnx.numpy_helper.from_array(np.array([2**40], dtype=np.int64), "sizes")
        model.graph.initializer.append(sizes)
        output = model.graph.output[0].name
        for node in model.graph.node:
            node.output[:] = ["before" if name == output else name for name in node.output]
        model.graph.node.append(onnx.helper.make_node("ConstantOfShape", ["sizes"], ["many"]))
        model.graph.node.append(onnx.helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0))
        model.graph.node.append(onnx.helper.make_node("Add", ["before", "sum"], [output]))

    edited(folder / "visual.onnx", huge)
    with pytest.raises(ModelError, match=r"6 test images did not fit into memory"):
        open_onnx(folder)


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("textual.onnx", "graphs of images only", "Export the text tower"),
        ("open_clip_config.json", "no preprocessor_config.json and no open_clip_config.json", "Copy the file"),
    ],
)
def test_a_missing_file(folder: Path, name: str, message: str, hint: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=message) as caught:
        open_onnx(folder)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tokenizer.json", "has no tokenizer.json"),
        ("preprocessor_config.json", "no preprocessor_config.json"),
    ],
)
def test_a_missing_file_of_the_hub(hub_folder: Path, name: str, message: str) -> None:
    (hub_folder / name).unlink()
    with pytest.raises(ModelError, match=message):
        open_onnx(hub_folder)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "config.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_broken_file_of_the_hub(hub_folder: Path, name: str, content: str) -> None:
    """Each is refused with one message, or changes nothing."""
    before = open_onnx(hub_folder, context_length=77).encode_text(["a photo of a cat"])
    (hub_folder / name).write_text(content)
    try:
        after = open_onnx(hub_folder, context_length=77).encode_text(["a photo of a cat"])
    except ModelError as error:
        assert str(hub_folder) in error.message
    else:
        assert torch.equal(before, after)


def test_a_pad_token_of_another_vocabulary(hub_folder: Path) -> None:
    change_json(hub_folder / "tokenizer_config.json", pad_token="<pad-of-another>")
    with pytest.raises(ModelError, match=r"pad_token '<pad-of-another>' is not in its vocabulary"):
        open_onnx(hub_folder)


def test_a_tokenizer_whose_ids_are_too_high(hub_folder: Path) -> None:
    rules = (hub_folder / "tokenizer.json").read_text()
    (hub_folder / "tokenizer.json").write_text(rules.replace('"cat": 5', '"cat": 5000'))
    with pytest.raises(ModelError, match=r"text_model.onnx cannot be computed"):
        open_onnx(hub_folder)


def test_a_length_that_nothing_states(hub_folder: Path) -> None:
    (hub_folder / "config.json").write_text("{}")
    change_json(hub_folder / "tokenizer_config.json", model_max_length=None)
    with pytest.raises(ModelError, match=r"does not state how many tokens"):
        open_onnx(hub_folder)
    assert open_onnx(hub_folder, context_length=20).capabilities["TokenReader"].context_length == 20


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "needs a spec"),
        ("./nothing", "no folder at"),
        ("a/b/c", "no folder at"),
        ("org/never-cached", "not in this machine's cache: the files of org/never-cached"),
    ],
)
def test_a_spec_that_names_nothing(spec: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        open_onnx(spec)


def test_a_file_in_the_place_of_a_folder(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"is a file, but the onnx adapter loads folders") as caught:
        open_onnx(folder / "visual.onnx")
    assert f"onnx:{folder}" in str(caught.value.hint)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no ONNX graph"):
        open_onnx(tmp_path)


def test_a_pipe_in_the_place_of_a_graph(folder: Path) -> None:
    (folder / "visual.onnx").unlink()
    os.mkfifo(folder / "visual.onnx")
    with pytest.raises(ModelError, match=r"no ONNX file at"):
        open_onnx(folder)


def test_a_misspelt_option(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"has no option 'varient'") as caught:
        open_onnx(folder, varient="fp16")
    assert caught.value.hint == "Did you mean 'variant'?"


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_none(folder: Path, scale: float) -> None:
    with pytest.raises(ModelError, match=r"logit_scale is .* but must be a positive number"):
        open_onnx(folder, logit_scale=scale)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"logit_scale": 10, "logit_bias": float("nan")}, "logit_bias is nan, but must be a number"),
        ({"logit_bias": float("inf")}, "logit_bias is inf, but must be a number"),
        ({"context_length": 0}, "context_length is 0, but must be 1 or more"),
        ({"lowercase": True}, "lowercase has no effect on a tokenizer of open_clip"),
    ],
)
def test_an_option_that_cannot_be_right(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        open_onnx(folder, **options)


def test_a_device_that_this_onnxruntime_lacks(folder: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(ModelError, match=r"has no CUDAExecutionProvider, so it cannot use the device cuda") as caught:
        open_onnx(folder, device="cuda")
    assert caught.value.hint == "Install onnxruntime-gpu in place of onnxruntime, or use --device cpu."
    with pytest.raises(ModelError, match=r"no provider 'TensorrtExecutionProvider'"):
        open_onnx(folder, providers=["TensorrtExecutionProvider", "CPUExecutionProvider"])
    with pytest.raises(ModelError, match=r"does not know the device 'mps'"):
        open_onnx(folder, device="mps")
    assert open_onnx(folder, providers=["CPUExecutionProvider"]).device.type == "cpu"


def test_the_adapter_is_found_and_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "onnx" in ADAPTERS
    monkeypatch.delitem(__import__("sys").modules, "vlmbench.models.onnx.session", raising=False)
    monkeypatch.delitem(__import__("sys").modules, "vlmbench.models.onnx.adapter", raising=False)
    with without_packages("onnxruntime"), pytest.raises(MissingDependencyError) as caught:
        load_checked("vlmbench.models.onnx.adapter:load", "model adapter 'onnx'", "vlmbench")
    assert caught.value.hint == "pip install 'vlmbench[onnx]'"


def test_what_a_file_states_is_what_the_package_onnx_reads(demo_folder: Path) -> None:
    for name in ("visual.onnx", "textual.onnx"):
        graph, model = read_graph_file(demo_folder / name), onnx.load(demo_folder / name)
        assert graph.opset == model.opset_import[0].version and graph.external == {} and not graph.half
        real = [tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
        assert graph.parameters == sum(onnx.numpy_helper.to_array(tensor).size for tensor in real)


def test_a_message_of_a_wrong_form() -> None:
    for content in (b"\xff" * 20, b"\x0a\x05abc", b"\x0b", b"\x00\x00", b"\x0d\x00"):
        with pytest.raises(BrokenMessageError):
            list(fields(memoryview(content)))
    assert numbers(memoryview(b"\x01\xac\x02")) == [1, 300] and numbers(7) == [7]
