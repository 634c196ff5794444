"""Graphs that cannot be trusted are refused when they are loaded, and what a careful user wants to know is a remark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from models.checkpoints import open_folder
from models.onnx.exported import (
    Called,
    change_weights,
    copied,
    copy_settings,
    demo_model,
    export,
    export_demo,
    export_hub_pair,
    open_onnx,
    quantise,
)
from said import remarked
from torch import Tensor, nn

from vlmbench.errors import ModelError
from vlmbench.models.onnx.checks import different
from vlmbench.models.onnx.probes import TEXTS, pictures


def pixels_of(model: Any) -> Tensor:
    return torch.stack([model.preprocess(picture) for picture in pictures()])


def test_a_frozen_batch_of_one(tmp_path: Path) -> None:
    model, remarks = remarked(lambda: open_onnx(export_demo(tmp_path, frozen=True), logit_scale=10))
    assert [remark.text for remark in remarks] == [
        "the graph of images takes only one at a time, so each image was encoded alone",
        "the graph of texts takes only one at a time, so each text was encoded alone",
    ]
    reference = demo_model()
    with torch.inference_mode():
        assert torch.allclose(model.encode_text(TEXTS), reference.encode_text(TEXTS), atol=1e-5)
        assert torch.allclose(model.encode_image(pixels_of(model)), reference.encode_image(pixels_of(model)), atol=1e-5)


class Scene(nn.Module):
    """demo-clip's image tower with a fault."""

    def __init__(self, fault: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.fault = demo_model().network, fault

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.fault(self.network.encode_image(pixel_values))


@pytest.fixture
def faulty(demo_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """demo-clip with a fault in its image tower: ``faulty(fault, rows=4, free=False)``."""

    def make(fault: Callable[[Tensor], Tensor], rows: int = 2, free: bool = True) -> Path:
        folder = copied(demo_folder, tmp_path / "faulty")
        names = {"pixel_values": {0: "batch"}, "image_embeds": {0: "batch"}} if free else {}
        values = [torch.randn(rows, 3, 64, 64)]
        export(Scene(fault), values, folder / "visual.onnx", ["pixel_values"], ["image_embeds"], names)
        return folder

    return make


def test_a_frozen_batch_of_several_is_filled_up(faulty: Callable[..., Path]) -> None:
    model = open_onnx(faulty(nn.Identity(), rows=4, free=False))
    assert model.image_tower.at_once == 4
    with torch.inference_mode():
        pixels = pixels_of(model)
        for count in (1, 3, 4, 6):
            expected = demo_model().encode_image(pixels[:count])
            assert torch.allclose(model.encode_image(pixels[:count]), expected, atol=1e-5)
    with pytest.raises(ModelError, match=r"takes 4 images at once, so the model option one_by_one does not fit"):
        open_onnx(faulty_folder(model), one_by_one=True)


def faulty_folder(model: Any) -> Path:
    return Path(model.image_tower.session.file.parent)


def test_a_batch_that_is_frozen_inside_the_graph(faulty: Callable[..., Path]) -> None:
    """The graph says that it takes any number of images, but a constant in it has the batch of the export."""

    def fixed(features: Tensor) -> Tensor:
        return features.reshape(1, -1, 4).reshape(1, -1)

    folder = faulty(fixed, rows=1)
    model, remarks = remarked(lambda: open_onnx(folder, logit_scale=10))
    assert [remark.text for remark in remarks] == [
        "the graph of images fails on more than one, so each image was encoded alone"
    ]
    with torch.inference_mode():
        pixels = pixels_of(model)
        assert torch.allclose(model.encode_image(pixels), demo_model().encode_image(pixels), atol=1e-5)


@pytest.mark.parametrize(
    "fault",
    [
        lambda features: features[:1].expand(features.shape[0], -1) + 0 * features,  # the first image's for all
        lambda features: features - features.mean(dim=0) + 0.1 * features,  # batch normalisation in training mode
    ],
    ids=["first", "centred"],
)
def test_features_that_depend_on_the_batch(faulty: Callable[..., Path], fault: Callable[[Tensor], Tensor]) -> None:
    folder = faulty(fault)
    with pytest.raises(ModelError, match=r"features of one image depend on the others in its batch.*cosine of only"):
        open_onnx(folder)
    model, remarks = remarked(lambda: open_onnx(folder, one_by_one=True, logit_scale=10))
    assert model.image_tower.at_once == 1 and remarks == []


def test_dynamic_quantisation_is_said(demo_folder: Path, tmp_path: Path) -> None:
    folder = copied(demo_folder, tmp_path / "int8")
    quantise(demo_folder / "textual.onnx", folder / "textual.onnx")
    model, remarks = remarked(lambda: open_onnx(folder, logit_scale=10))
    (remark,) = remarks
    assert remark.code == "batch-dependent" and "have a cosine of 0.99" in remark.text
    with torch.inference_mode():
        cosines = (model.encode_text(TEXTS) * demo_model().encode_text(TEXTS)).sum(dim=1)
    assert 0.99 < float(cosines.min()) < 1 - 1e-6
    sizes = [(each / "textual.onnx").stat().st_size for each in (demo_folder, folder)]
    assert sizes[1] < 0.35 * sizes[0]
    alone, remarks = remarked(lambda: open_onnx(folder, one_by_one=True, logit_scale=10))
    assert remarks == []
    with torch.inference_mode():
        turned = alone.encode_text(TEXTS[::-1]).flip(0)
        assert torch.equal(alone.encode_text(TEXTS), turned)


def overflown(folder: Path, change: Callable[[str, np.ndarray], np.ndarray]) -> Path:
    change_weights(folder / "visual.onnx", change)
    return folder


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (np.nan, "features of images are not numbers"),
        (np.inf, "features of images are not numbers"),
        (0.0, "gives 6 different images the same features"),  # only biases are left
    ],
)
def test_an_8_bit_graph_that_overflows(demo_folder: Path, tmp_path: Path, factor: float, message: str) -> None:
    folder = copied(demo_folder, tmp_path / "overflow")
    quantise(demo_folder / "visual.onnx", folder / "visual.onnx")
    overflown(folder, lambda name, values: values * factor if name.endswith("_scale") else values)
    with pytest.raises(ModelError, match=message) as caught:
        open_onnx(folder)
    assert "overflowed" in str(caught.value.hint)


def test_features_that_are_zero(faulty: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match=r"features of images are all zero"):
        open_onnx(faulty(lambda features: features * 0))


def test_an_8_bit_graph_that_saturates(demo_folder: Path, tmp_path: Path) -> None:
    """The sums reach the largest value whatever the picture is, so that all pictures have one feature."""
    folder = copied(demo_folder, tmp_path / "saturated")
    file = folder / "visual.onnx"
    model = onnx.load(file)
    last = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["exact" if name == last else name for name in node.output]
    tensors = [
        onnx.helper.make_tensor("tiny", onnx.TensorProto.FLOAT, [], [1e-12]),
        onnx.helper.make_tensor("zero", onnx.TensorProto.UINT8, [], [0]),
        onnx.helper.make_tensor("lift", onnx.TensorProto.FLOAT, [], [100.0]),
    ]
    model.graph.initializer.extend(tensors)
    model.graph.node.extend(
        [
            onnx.helper.make_node("Add", ["exact", "lift"], ["lifted"]),
            onnx.helper.make_node("QuantizeLinear", ["lifted", "tiny", "zero"], ["bytes"]),
            onnx.helper.make_node("DequantizeLinear", ["bytes", "tiny", "zero"], [last]),
        ]
    )
    onnx.save(model, file)
    with pytest.raises(ModelError, match=r"gives 6 different images the same features"):
        open_onnx(folder)


def test_towers_of_two_spaces(clip: tuple[Any, Path], siglip_pair: Path, tmp_path: Path, clip_pair: Path) -> None:
    folder = copied(clip_pair, tmp_path / "mixed")
    (folder / "onnx" / "vision_model.onnx").write_bytes((siglip_pair / "onnx" / "vision_model.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"features of images have 32 dimensions and those of texts 24"):
        open_onnx(folder)


class _Outputs(nn.Module):
    def __init__(self, network: Any, names: list[str]) -> None:
        super().__init__()
        self.tower, self.projection, self.names = network.vision_model, network.visual_projection, names

    def forward(self, pixel_values: Tensor) -> Any:
        found = self.tower(pixel_values=pixel_values)
        every = {
            "last_hidden_state": found.last_hidden_state,
            "pooler_output": found.pooler_output,
            "projected": self.projection(found.pooler_output),
        }
        return tuple(every[name] for name in self.names)


@pytest.fixture
def with_outputs(clip: tuple[Any, Path], clip_pair: Path, tmp_path: Path) -> Callable[..., Path]:
    def make(names: list[str], called: list[str]) -> Path:
        folder = copied(clip_pair, tmp_path / "outputs")
        free = {"pixel_values": {0: "batch"}, **{name: {0: "batch"} for name in called}}
        file = folder / "onnx" / "vision_model.onnx"
        export(_Outputs(clip[0], names), [torch.randn(2, 3, 32, 32)], file, ["pixel_values"], called, free)
        return folder

    return make


def test_a_tower_without_its_projection(with_outputs: Callable[..., Path]) -> None:
    folder = with_outputs(["last_hidden_state", "pooler_output"], ["last_hidden_state", "pooler_output"])
    with pytest.raises(ModelError, match=r"output pooler_output comes before the projection"):
        open_onnx(folder)


def test_outputs_of_other_names(with_outputs: Callable[..., Path], clip: tuple[Any, Path]) -> None:
    folder = with_outputs(["last_hidden_state", "projected"], ["states", "vector"])
    model = open_onnx(folder)  # the only output with one vector an image
    pixels = pixels_of(model)
    with torch.inference_mode():
        expected = open_folder(clip[1]).encode_image(pixels)
        assert torch.allclose(model.encode_image(pixels), expected, atol=1e-5)
    with pytest.raises(ModelError, match=r"its output states has the shape \(1, 5, 32\), not one vector for each"):
        open_onnx(folder, image_output="states")
    with pytest.raises(ModelError, match=r"image_output is 'vectors', but .* has no such output") as caught:
        open_onnx(folder, image_output="vectors")
    assert caught.value.hint == "Did you mean 'vector'?"


def test_outputs_among_which_nothing_decides(with_outputs: Callable[..., Path]) -> None:
    folder = with_outputs(["pooler_output", "projected"], ["first", "second"])
    with pytest.raises(ModelError, match=r"outputs is known to hold the features of images: first float .* and second"):
        open_onnx(folder)
    assert open_onnx(folder, image_output="second").embedding_dim == 24


class _Fused(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, pixel_values: Tensor) -> Any:
        found = self.network(input_ids=input_ids, pixel_values=pixel_values)
        mixed = found.image_embeds + found.text_embeds.mean(dim=0)
        return found.text_embeds, mixed


def test_a_graph_that_fuses_images_with_texts(clip: tuple[Any, Path], tmp_path: Path) -> None:
    copy_settings(clip[1], tmp_path)
    names, outputs = ["input_ids", "pixel_values"], ["text_embeds", "image_embeds"]
    values = [torch.ones(2, 7, dtype=torch.long), torch.randn(2, 3, 32, 32)]
    free = {"input_ids": {0: "texts", 1: "length"}, "pixel_values": {0: "images"}}
    export(_Fused(clip[0]), values, tmp_path / "model.onnx", names, outputs, free)
    with pytest.raises(ModelError, match=r"features of one image change with the text that is given with it"):
        open_onnx(tmp_path)


def test_images_of_another_size(clip: tuple[Any, Path], tmp_path: Path, clip_pair: Path) -> None:
    folder = copied(clip_pair, tmp_path / "size")
    file = folder / "onnx" / "vision_model.onnx"
    image = Called(clip[0], "get_image_features", ["pixel_values"])
    free = {"pixel_values": {0: "batch"}}
    export(image, [torch.randn(2, 3, 32, 32)], file, ["pixel_values"], ["image_embeds"], free)
    text = (folder / "preprocessor_config.json").read_text()
    (folder / "preprocessor_config.json").write_text(text.replace("32", "48"))
    with pytest.raises(ModelError, match=r"takes images of 32 x 32 pixels, but the image transform makes 48 x 48"):
        open_onnx(folder)


def test_a_fixed_number_of_tokens(clip: tuple[Any, Path], tmp_path: Path) -> None:
    folder = export_hub_pair(*clip, tmp_path, mask=True, length=9)
    names = ["input_ids", "attention_mask"]
    text = Called(clip[0], "get_text_features", names)
    ids = torch.ones(2, 9, dtype=torch.long)
    free = {name: {0: "batch"} for name in (*names, "text_embeds")}
    export(text, [ids, ids], folder / "onnx" / "text_model.onnx", names, ["text_embeds"], free)
    model, reference = open_onnx(folder), open_folder(clip[1])
    assert model.capabilities["TokenReader"].context_length == 9
    with torch.inference_mode():
        assert torch.allclose(model.encode_text(TEXTS[:2]), reference.encode_text(TEXTS[:2]), atol=1e-5)
    assert open_onnx(folder, context_length=5).capabilities["TokenReader"].tokenize(TEXTS).shape == (6, 9)
    with pytest.raises(ModelError, match=r"context_length is 10, but must be from 1 to 9"):
        open_onnx(folder, context_length=10)


def test_equal_rows_are_asked_once() -> None:
    rows = {"ids": torch.tensor([[1, 2], [3, 4], [1, 2]]), "mask": torch.tensor([[1, 1], [1, 1], [1, 1]])}
    assert different(rows)["ids"].tolist() == [[1, 2], [3, 4]]
