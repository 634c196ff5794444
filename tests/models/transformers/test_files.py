"""Weights of a local transformers folder: layouts, choices, adapters, shards, and folders of other libraries."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from safetensors.torch import load_file, save_file

from vlmbench.errors import ModelError, UnsupportedError
from vlmbench.remarks.base import gathered_remarks
from vlmbench.remarks.codes import WARNING

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models.checkpoints import (  # noqa: E402  (after the skip)
    clip_processor,
    open_folder,
)


@pytest.fixture
def folder(small_clip: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_clip, tmp_path / "clip"))


def good(folder: Path) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in load_file(folder / "model.safetensors").items()}


def other(folder: Path) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return {name: torch.randn_like(value) for name, value in good(folder).items()}


def opened(folder: Path, **options: Any) -> tuple[str, list[str]]:
    """The weights' hash, and what was said."""
    with gathered_remarks(WARNING) as gathered:
        model = open_folder(folder, **options)
    return model.identity.weights_sha256, [remark.sentence for remark in gathered.remarks]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model_ema.safetensors", "pytorch_model_ema.bin"])
def test_another_file_of_other_weights_is_told(folder, name):
    alone, said = opened(folder)
    assert said == []
    (save_file if name.endswith("safetensors") else torch.save)(other(folder), folder / name)
    weights, said = opened(folder)
    assert weights == alone
    (sentence,) = said
    assert "model.safetensors was loaded" in sentence and name in sentence
    picked, said = opened(folder, weights_file=name)
    assert picked not in ("", alone) and said == []
    assert opened(folder, weights_file="model.safetensors")[0] == alone


def test_copies_are_no_choice(folder):
    alone, _ = opened(folder)
    torch.save(good(folder), folder / "pytorch_model.bin")
    save_file({name: value.half() for name, value in good(folder).items()}, folder / "model.fp16.safetensors")
    torch.save(other(folder), folder / "optimizer.bin")
    save_file({"visual.proj": torch.ones(2)}, folder / "open_clip_model.safetensors")
    assert opened(folder) == (alone, [])


def test_a_folder_without_a_usual_name(folder):
    alone, _ = opened(folder)
    (folder / "model.safetensors").rename(folder / "best.safetensors")
    with pytest.raises(ModelError, match=r"weights cannot be loaded.*it has best\.safetensors\n.*weights_file"):
        opened(folder)
    assert opened(folder, weights_file="best.safetensors") == (alone, [])


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "_orig_mod.module."])
@pytest.mark.parametrize("keys", [(), ("model_state_dict",), ("checkpoint", "state_dict")])
def test_nesting_and_prefixes(folder, prefix, keys):
    alone, _ = opened(folder)
    content: dict[str, Any] = {prefix + name: value for name, value in good(folder).items()}
    for key in keys:
        content = {key: content, "loss": torch.tensor(0.1)}
    (folder / "model.safetensors").unlink()
    torch.save(content, folder / "pytorch_model.bin")
    assert opened(folder) == (alone, [])


def test_averaged_weights_in_one_file(folder):
    alone, _ = opened(folder)
    torch.save({"model": good(folder), "model_ema": other(folder)}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"2 different state dicts that fit: 'model' and 'model_ema'\n.*: model"):
        opened(folder)
    assert opened(folder, state_dict="model") == (alone, [])
    assert opened(folder, state_dict="model_ema")[0] != alone
    with pytest.raises(ModelError, match=r"no state dict 'ema' that fits the model\nIt has model and model_ema"):
        opened(folder, state_dict="ema")


def test_averaged_weights_among_the_plain_ones(folder):
    alone, _ = opened(folder)
    averaged = {f"ema.{name}": value for name, value in other(folder).items()}
    torch.save({"state_dict": {**good(folder), **averaged}}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"2 different state dicts that fit: 'state_dict' and 'state_dict\.ema'"):
        opened(folder)
    assert opened(folder, state_dict="state_dict") == (alone, [])
    assert opened(folder, state_dict="state_dict.ema")[0] != alone


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapter_beside_the_weights_is_refused(folder, name):
    alone, _ = opened(folder)
    (folder / name).write_text("{}")
    with pytest.raises(ModelError, match=r"holds an adapter[\s\S]*merge_and_unload"):
        opened(folder)
    if name.endswith("safetensors"):  # beside an adapter's config, the library itself would look for the adapter
        assert opened(folder, weights_file="model.safetensors") == (alone, [])


def test_lora_weights_in_the_file_are_refused(folder):
    state = {**good(folder), "text_projection.lora_A.weight": torch.ones(2, 2)}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"text_projection\.lora_A\.weight[\s\S]*merge_and_unload"):
        opened(folder)


def test_shards(folder):
    alone, _ = opened(folder)
    model = transformers.CLIPModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="40KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert opened(folder) == (alone, [])
    shards[1].unlink()
    with pytest.raises(ModelError, match=rf"1 of {len(shards)} shards is missing: {shards[1].name}"):
        opened(folder)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_shards_without_an_index(folder, suffix):
    alone, _ = opened(folder)
    state = good(folder)
    (folder / "model.safetensors").unlink()
    stem, write = ("model", save_file) if suffix == "safetensors" else ("pytorch_model", torch.save)
    for number, names in enumerate((list(state)[:10], list(state)[10:]), 1):
        write({name: state[name] for name in names}, folder / f"{stem}-0000{number}-of-00002.{suffix}")
    assert opened(folder) == (alone, [])
    write({}, folder / f"{stem}-00001-of-00002.{suffix}")
    with pytest.raises(ModelError, match=r"the checkpoint lacks 10 of the model's weights"):
        opened(folder)


@pytest.mark.parametrize("dtype", [True, False])
@pytest.mark.parametrize("content", ["state_dict", "beside", "epoch first", "top level and epoch", "top level and ema"])
def test_nested_files_with_and_without_a_type_in_the_config(folder, content, dtype):
    alone, _ = opened(folder)
    state = good(folder)
    (folder / "model.safetensors").unlink()
    if not dtype:
        config = json.loads((folder / "config.json").read_text())
        without = {name: value for name, value in config.items() if name not in ("dtype", "torch_dtype")}
        (folder / "config.json").write_text(json.dumps(without))
    whole = {
        "state_dict": {"state_dict": state},
        "beside": {"model": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}, "epoch": 3},
        "epoch first": {"epoch": 3, "loss": torch.tensor(0.1), "state_dict": state},
        "top level and epoch": {"epoch": 3, **state},
        "top level and ema": {**state, "ema": {name: value + 1 for name, value in state.items()}},
    }[content]
    torch.save(whole, folder / "pytorch_model.bin")
    if content == "top level and ema":
        with pytest.raises(ModelError, match=r"2 different state dicts that fit: '\.' and 'ema'"):
            opened(folder)
        assert opened(folder, state_dict=".") == (alone, [])
    else:
        assert opened(folder) == (alone, [])


@pytest.mark.parametrize("way", ["library", "nested", "shards"])
@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.int32])
def test_quantised_weights_are_refused(folder, way, kind):
    name = "vision_model.encoder.layers.0.mlp.fc1.weight"
    state = good(folder)
    assert name in state
    state[name] = (state[name] * 100).to(kind)
    (folder / "model.safetensors").unlink()
    if way == "library":
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    elif way == "nested":
        torch.save({"model": state}, folder / "pytorch_model.bin")
    else:
        save_file(state, folder / "model-00001-of-00001.safetensors")
    with pytest.raises(ModelError, match=r"1 weight is quantised to integers .*fc1"):
        opened(folder)


def test_a_list_of_averaged_weights_is_told(folder):
    alone, _ = opened(folder)
    network = transformers.CLIPModel.from_pretrained(folder)
    averaged = [value.detach() + 1 for value in network.parameters()]
    torch.save({"model": good(folder), "ema": {"shadow_params": averaged}}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    weights, (sentence,) = opened(folder)
    assert weights == alone and f"a list of {len(averaged)} tensors under 'ema.shadow_params'" in sentence


def test_a_neighbour_that_the_library_does_not_look_at_is_told(folder):
    alone, _ = opened(folder)
    torch.save(other(folder), folder / "ema.pt")
    weights, (sentence,) = opened(folder)
    assert weights == alone and "ema.pt" in sentence


def test_an_index_does_not_lead_out_of_its_folder(folder):
    (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
    content = {"metadata": {}, "weight_map": {"logit_scale": "../model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="is not in the index's own folder"):
        opened(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"<html>", "a web page"),
        (None, "may be truncated"),
    ],
)
def test_files_that_hold_no_weights(folder, content, message):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000] if content is None else content)
    with pytest.raises(ModelError, match=rf"weights cannot be loaded[\s\S]*{message}"):
        opened(folder)


def test_nan_is_refused(folder):
    state = good(folder)
    state["text_projection.weight"][0, 0] = float("nan")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 weight holds NaN .*text_projection\.weight"):
        opened(folder)


def test_a_processor_of_another_size(folder):
    clip_processor(64).save_pretrained(folder)
    with pytest.raises(ModelError, match="makes images of 64 x 64 pixels, but the network takes 32 x 32"):
        opened(folder)
    transformers.CLIPImageProcessor(size={"shortest_edge": 32}, do_center_crop=False).save_pretrained(folder)
    with pytest.raises(ModelError, match="makes images of 41 x 32 pixels"):
        opened(folder)


def test_a_processor_that_resizes_before_it_crops(folder):
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    assert open_folder(folder).preprocess(PIL.Image.new("RGB", (90, 50))).shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"open_clip_config.json": "{}"}, "load it as open_clip:local-dir:"),
        ({"adapter_config.json": "{}"}, "merge_and_unload"),
        ({"modules.json": "[]"}, "sentence-transformers"),
        ({"model_index.json": "{}"}, "diffusers"),
        ({}, "save_pretrained"),
    ],
)
def test_folders_of_other_libraries(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=rf"has no config\.json\n.*{message}"):
        open_folder(tmp_path)


@pytest.mark.parametrize(("config", "pointed"), [("open_clip_config.json", True), ("other.json", False)])
def test_an_unknown_family_points_to_open_clip_only_if_that_is_true(tmp_path, config, pointed):
    transformers.BertConfig().save_pretrained(tmp_path)
    (tmp_path / config).write_text("{}")
    with pytest.raises(UnsupportedError, match="the model type 'bert' is a model of text alone") as caught:
        open_folder(tmp_path)
    assert ("open_clip" in (caught.value.hint or "")) is pointed


def test_a_model_type_that_the_library_lacks(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "my_model"}')
    with pytest.raises(ModelError, match=r"has the model type 'my_model', which transformers") as caught:
        open_folder(tmp_path)
    assert len(str(caught.value)) < 400 and "a newer version of transformers" in (caught.value.hint or "")
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"does not know\nIt has an open_clip_config\.json"):
        open_folder(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [(["visual.proj", "logit_scale", "token_embedding.weight"], "open_clip:ARCH/FILE"), (["x"], "save_pretrained")],
)
def test_a_file_in_the_place_of_a_folder(tmp_path, names, message):
    torch.save({name: torch.ones(2) for name in names}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=rf"is a file, but the transformers adapter loads folders\n.*{message}"):
        open_folder(tmp_path / "w.pt")


def test_options_of_folders_are_not_for_the_hub():
    with pytest.raises(ModelError, match="weights_file and state_dict need a local folder"):
        open_folder("no-org/no-repo", weights_file="x")
