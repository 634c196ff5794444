"""Features of the onnx adapter against PyTorch: the same weights as open_clip, as transformers and as graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
import transformers
from models.checkpoints import open_folder
from models.onnx.exported import (
    change_json,
    copied,
    demo_model,
    export,
    export_demo,
    export_hub_pair,
    export_single,
    halve,
    open_onnx,
    quantise,
)
from models.tiny import image_of_mode
from said import remarked, sentences
from torch import Tensor, nn
from torch.nn.functional import normalize

from vlmbench.errors import ModelError
from vlmbench.models.base import BytePixels, TokenReader, capability
from vlmbench.models.onnx.probes import pictures
from vlmbench.testing import check_model

TEXTS = ["a photo of a cat", "dog", "", "a red bus of the sky road grass tree cat dog " * 20, "A Photo of a Cat"]


def difference(model: Any, other: Any, texts: list[str] = TEXTS) -> float:
    """The largest difference of features of pictures of every mode and of texts."""
    images = [*pictures(), *(image_of_mode(mode) for mode in ("L", "P-transparent", "RGBA", "CMYK", "1"))]
    with torch.inference_mode():
        ours, theirs = (
            one.encode_image(torch.stack([one.preprocess(image) for image in images])) for one in (model, other)
        )
        return max(
            float((ours - theirs).abs().max()), float((model.encode_text(texts) - other.encode_text(texts)).abs().max())
        )


def test_a_pair_exported_from_open_clip(demo_folder: Path) -> None:
    reference = demo_model()
    model, remarks = remarked(lambda: open_onnx(demo_folder))
    assert difference(model, reference) < 1e-5
    assert model.identity.preprocess == reference.identity.preprocess
    assert model.identity.tokenizer == reference.identity.tokenizer
    assert model.embedding_dim == 128 and model.logit_scale == 100.0
    assert [remark.code for remark in remarks] == ["scale-assumed"]
    reader = capability(model, TokenReader)
    assert reader is not None and reader.context_length == 32
    assert reader.token_counts(["red " * 40]) == reference.capabilities["TokenReader"].token_counts(["red " * 40])


def test_bytes_give_equal_pixels(demo_folder: Path) -> None:
    model = open_onnx(demo_folder)
    pixels = capability(model, BytePixels)
    assert pixels is not None
    for image in pictures():
        made = pixels.from_bytes(pixels.to_bytes(image)[None])
        assert torch.equal(made[0], model.preprocess(image))


def test_every_promise_of_a_model_is_kept(demo_folder: Path) -> None:
    check_model(open_onnx(demo_folder))


def test_a_pair_of_the_hub(clip: tuple[Any, Path], clip_pair: Path) -> None:
    model, reference = open_onnx(clip_pair), open_folder(clip[1])
    assert difference(model, reference) < 1e-5
    assert model.identity.preprocess == reference.identity.preprocess
    ours, theirs = capability(model, TokenReader), capability(reference, TokenReader)
    assert ours is not None and theirs is not None and ours.context_length == theirs.context_length
    assert ours.token_counts(TEXTS * 2) == theirs.token_counts(TEXTS * 2)
    assert torch.equal(ours.tokenize(TEXTS), theirs.tokenize(TEXTS))
    with torch.inference_mode():
        alone = torch.cat([model.encode_text([text]) for text in TEXTS])  # padding changes nothing
        assert torch.allclose(alone, model.encode_text(TEXTS), atol=1e-6)
        assert model.encode_text([]).shape == (0, 24)


@pytest.mark.parametrize("shared", [False, True])
def test_one_graph_with_both_inputs(clip: tuple[Any, Path], tmp_path: Path, shared: bool) -> None:
    model, remarks = remarked(lambda: open_onnx(export_single(*clip, tmp_path / "single", shared=shared)))
    reference = open_folder(clip[1])
    assert difference(model, reference) < 1e-5
    assert model.logit_scale == pytest.approx(reference.logit_scale, rel=1e-4)  # measured from its logits
    assert model.logit_bias == 0.0 and remarks == []


def test_a_bias_of_the_logits_is_measured(siglip: tuple[Any, Path], tmp_path: Path) -> None:
    network, folder = siglip
    model = open_onnx(siglip_single(network, folder, tmp_path))
    assert model.logit_scale == pytest.approx(network.logit_scale.exp().item(), rel=1e-3)
    assert model.logit_bias == pytest.approx(network.logit_bias.item(), rel=1e-3)
    assert difference(model, open_folder(folder)) < 1e-5


class _Siglip(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Any, pixel_values: Any) -> Any:
        found = self.network(input_ids=input_ids, pixel_values=pixel_values)
        return found.logits_per_image, found.text_embeds, found.image_embeds


def siglip_single(network: Any, source: Path, folder: Path) -> Path:
    for file in source.glob("*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    free = {"input_ids": {0: "texts"}, "pixel_values": {0: "images"}, "logits_per_image": {0: "images", 1: "texts"}}
    values = [torch.ones(2, 16, dtype=torch.long), torch.randn(3, 3, 32, 32)]
    outputs = ["logits_per_image", "text_embeds", "image_embeds"]
    export(_Siglip(network), values, folder / "model.onnx", ["input_ids", "pixel_values"], outputs, free)
    return folder


def test_siglip_is_padded_to_its_full_length(siglip: tuple[Any, Path], siglip_pair: Path, tmp_path: Path) -> None:
    reference = open_folder(siglip[1])
    assert difference(open_onnx(siglip_pair), reference) < 1e-5
    masked = export_hub_pair(*siglip, tmp_path, mask=True, length=16)  # a mask that must hide nothing
    assert difference(open_onnx(masked), reference) < 1e-5


def test_ids_of_32_bits_and_names_of_other_exporters(tmp_path: Path) -> None:
    model = open_onnx(export_demo(tmp_path, ids=torch.int32))
    assert "int32" in model.text_tower.session.inputs["input"].type
    assert difference(model, demo_model()) < 1e-5


def test_half_precision(demo_folder: Path, tmp_path: Path) -> None:
    folder = copied(demo_folder, tmp_path / "half")
    for name in ("visual", "textual"):
        halve(demo_folder / f"{name}.onnx", folder / f"{name}.onnx")
    model, remarks = remarked(lambda: open_onnx(folder))
    assert "float16" in model.image_tower.session.inputs["input"].type
    assert 1e-5 < difference(model, demo_model()) < 1e-2
    assert [remark.code for remark in remarks] == ["scale-assumed"]


def test_variants(clip_pair: Path, tmp_path: Path) -> None:
    folder = copied(clip_pair, tmp_path / "several")
    for name in ("vision_model", "text_model"):
        halve(clip_pair / "onnx" / f"{name}.onnx", folder / "onnx" / f"{name}_fp16.onnx")
        quantise(clip_pair / "onnx" / f"{name}.onnx", folder / "onnx" / f"{name}_quantized.onnx")
    plain, said = remarked(lambda: open_onnx(folder, logit_scale=10))
    (remark,) = said
    assert remark.code == "several-weights" and remark.examples == ("fp16", "quantized")
    assert plain.identity.weights_sha256 == open_onnx(clip_pair).identity.weights_sha256
    assert sentences(lambda: open_onnx(folder, variant="fp32", logit_scale=10)) == []
    half = open_onnx(folder, variant="fp16")
    quantised = open_onnx(folder, variant="quantized")
    assert len({each.identity.weights_sha256 for each in (plain, half, quantised)}) == 3
    with pytest.raises(ModelError, match=r"no graphs of the variant 'q4'") as caught:
        open_onnx(folder, variant="q4")
    assert caught.value.hint == "Known: fp16, fp32, quantized."
    (folder / "onnx" / "text_model.onnx").unlink()
    with pytest.raises(ModelError, match=r"several variants of the graphs, and none is the plain one"):
        open_onnx(folder)


def test_graphs_that_options_name(clip_pair: Path, tmp_path: Path) -> None:
    folder = copied(clip_pair, tmp_path / "named")
    (folder / "onnx" / "vision_model.onnx").rename(folder / "towers.image.onnx")
    (folder / "onnx" / "text_model.onnx").rename(folder / "towers.text.onnx")
    with pytest.raises(ModelError, match=r"no graphs under the usual names; it has towers.image.onnx"):
        open_onnx(folder)
    named = {"image_graph": "towers.image.onnx", "text_graph": "towers.text.onnx"}
    model = open_onnx(folder, **named)
    assert model.identity.weights_sha256 == open_onnx(clip_pair).identity.weights_sha256
    with pytest.raises(ModelError, match=r"needs text_graph beside it"):
        open_onnx(folder, image_graph="towers.image.onnx")
    with pytest.raises(ModelError, match=r"no input takes the ids of tokens"):
        open_onnx(folder, image_graph="towers.text.onnx", text_graph="towers.image.onnx")
    with pytest.raises(ModelError, match=r"'towers.images.onnx', but .* has no such file"):
        open_onnx(folder, **{**named, "image_graph": "towers.images.onnx"})


def test_weights_in_another_file(clip_pair: Path, tmp_path: Path) -> None:
    folder = copied(clip_pair, tmp_path / "external")
    graph = folder / "onnx" / "vision_model.onnx"
    reference = open_onnx(clip_pair)
    onnx.save(onnx.load(graph), graph, save_as_external_data=True, location="vision_model.onnx_data", size_threshold=0)
    model = open_onnx(folder)
    assert difference(model, reference) < 1e-6
    assert model.identity.parameters == reference.identity.parameters
    data = graph.with_name("vision_model.onnx_data")
    first = model.identity.weights_sha256
    content = data.read_bytes()
    data.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    assert open_onnx(folder).identity.weights_sha256 != first
    data.write_bytes(content[:-4])
    with pytest.raises(ModelError, match=r"vision_model.onnx_data is truncated"):
        open_onnx(folder)
    data.unlink()
    with pytest.raises(ModelError, match=r"keeps its weights in vision_model.onnx_data, which is not beside it"):
        open_onnx(folder)


class _Patches(nn.Module):
    """The mean of the patches that are not padding, through one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3 * 16 * 16, 32))

    def forward(self, pixel_values: Tensor, pixel_attention_mask: Tensor) -> Tensor:
        kept = pixel_attention_mask.unsqueeze(-1).float()
        mean: Tensor = (pixel_values * kept).sum(dim=1) / kept.sum(dim=1)
        return mean @ self.weight


def test_images_that_are_several_tensors(siglip_pair: Path, tmp_path: Path) -> None:
    """Patches with a mask of their padding, as SigLIP 2 takes them for images of any shape."""
    folder = copied(siglip_pair, tmp_path / "naflex")
    processor = transformers.Siglip2ImageProcessor(patch_size=16, max_num_patches=12)
    processor.save_pretrained(folder)
    names = ["pixel_values", "pixel_attention_mask"]
    free = {name: {0: "batch"} for name in (*names, "image_embeds")}
    tower = _Patches()
    values = [torch.randn(2, 12, 768), torch.ones(2, 12, dtype=torch.int32)]
    export(tower, values, folder / "onnx" / "vision_model.onnx", names, ["image_embeds"], free)
    model = open_onnx(folder)
    images = [pictures()[0].resize((90, 40)), pictures()[1].resize((40, 90)), pictures()[2]]
    made = [model.preprocess(image) for image in images]
    assert all(set(each) == set(names) for each in made)
    theirs = processor(images=images, return_tensors="pt")
    with torch.inference_mode():
        ours = model.encode_image({name: torch.stack([each[name] for each in made]) for name in names})
        expected = normalize(tower(theirs["pixel_values"], theirs["pixel_attention_mask"]), dim=-1)
        assert torch.allclose(ours, expected, atol=1e-5)


def test_the_number_of_parameters(clip: tuple[Any, Path], clip_pair: Path) -> None:
    network = clip[0]
    counted = sum(parameter.numel() for parameter in network.parameters()) - 1  # the scale is in neither graph
    assert open_onnx(clip_pair).identity.parameters == pytest.approx(counted, rel=0.01)


def test_upper_case_of_a_family_that_was_trained_without(siglip_pair: Path, tmp_path: Path) -> None:
    folder = copied(siglip_pair, tmp_path / "case")
    change_json(folder / "tokenizer.json", normalizer=None)
    assert any(sentence.startswith("case-kept") for sentence in sentences(lambda: open_onnx(folder)))
    lowered = open_onnx(folder, lowercase=True)
    with torch.inference_mode():
        assert torch.equal(lowered.encode_text(["A PHOTO"]), lowered.encode_text(["a photo"]))


def test_another_precision_is_said_to_change_nothing(demo_folder: Path) -> None:
    model = open_onnx(demo_folder)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        made, said = remarked(lambda: model.encode_text(["a red circle"]))
    assert [remark.code for remark in said] == ["own-precision"]
    with torch.inference_mode():
        assert torch.equal(made, model.encode_text(["a red circle"]))
