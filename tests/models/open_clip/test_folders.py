"""Folders: which of several files is meant, shards, adapters, and folders of other libraries."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from models.tiny import CONFIG
from safetensors.torch import load_file, save_file

from vlmbench.errors import ModelError
from vlmbench.models.open_clip.adapter import OpenClipModel
from vlmbench.remarks.base import gathered_remarks
from vlmbench.remarks.codes import WARNING

Open = Callable[..., OpenClipModel]


@pytest.fixture
def folder(write_weights: Callable[..., Path]) -> Path:
    """A release folder with its config and one checkpoint."""
    path = write_weights("tiny", "release/open_clip_model.safetensors")
    (path.parent / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
    return path.parent


def good(folder: Path) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in load_file(folder / "open_clip_model.safetensors").items()}


def other(folder: Path) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return {name: torch.randn_like(value) for name, value in good(folder).items()}


def opened(open_model: Open, folder: Path, **options: Any) -> tuple[str, list[str]]:
    """The weights' hash, and what was said."""
    with gathered_remarks(WARNING) as gathered:
        model = open_model(f"local-dir:{folder}", **options)
    return model.identity.weights_sha256, [remark.sentence for remark in gathered.remarks]


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("index", [True, False])
def test_shards_are_read(open_model, folder, suffix, index):
    whole, _ = opened(open_model, folder)
    state = good(folder)
    (folder / "open_clip_model.safetensors").unlink()
    names = list(state)
    parts = [names[: len(names) // 2], names[len(names) // 2 :]]
    stem = "open_clip_model" if suffix == "safetensors" else "open_clip_pytorch_model"
    files = [f"{stem}-0000{number}-of-00002.{suffix}" for number in (1, 2)]
    for file, part in zip(files, parts, strict=True):
        write = save_file if suffix == "safetensors" else torch.save
        write({name: state[name] for name in part}, folder / file)
    if index:
        places = {name: file for file, part in zip(files, parts, strict=True) for name in part}
        (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    assert opened(open_model, folder) == (whole, [])
    assert open_model(f"tiny/{folder / files[1]}").identity.weights_sha256 == whole
    (folder / files[1]).unlink()
    with pytest.raises(ModelError, match=rf"1 of 2 shards is missing: {files[1]}"):
        opened(open_model, folder)


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd", "a/b.safetensors", "..\\x", ""])
def test_an_index_does_not_lead_out_of_its_folder(open_model, folder, name):
    (folder / "open_clip_model.safetensors").rename(folder.parent / "outside.safetensors")
    index = folder / "open_clip_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"logit_scale": name}}))
    with pytest.raises(ModelError, match="is not in the index's own folder"):
        opened(open_model, folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"weight_map": 3}', '{"weight_map": {}}', "null"])
def test_broken_indexes(open_model, folder, content):
    (folder / "open_clip_model.safetensors").unlink()
    (folder / "open_clip_model.safetensors.index.json").write_text(content)
    with pytest.raises(ModelError, match=r"index\.json: (not an index of shards|its weight_map names no files)"):
        opened(open_model, folder)


def test_shards_that_contradict_each_other(open_model, folder):
    state = good(folder)
    (folder / "open_clip_model.safetensors").unlink()
    save_file(state, folder / "open_clip_model-00001-of-00002.safetensors")
    save_file({"logit_scale": torch.tensor(9.0)}, folder / "open_clip_model-00002-of-00002.safetensors")
    with pytest.raises(ModelError, match="another shard has a different tensor with the name 'logit_scale'"):
        opened(open_model, folder)


@pytest.mark.parametrize("name", ["open_clip_model_ema.safetensors", "pytorch_model.bin", "best.pth", "x.safetensors"])
def test_another_file_of_other_weights_is_told(open_model, folder, name):
    alone, _ = opened(open_model, folder)
    write = save_file if name.endswith("safetensors") else torch.save
    write(other(folder), folder / name)
    weights, said = opened(open_model, folder)
    assert weights == alone
    (sentence,) = said
    assert "2 files of different weights" in sentence and "open_clip_model.safetensors was loaded" in sentence
    assert name in sentence and "weights_file" in sentence
    picked, said = opened(open_model, folder, weights_file=name)
    assert picked != alone and said == []


@pytest.mark.parametrize("name", ["epoch_32_ema.pt", "last.ckpt"])
@pytest.mark.parametrize("usual", ["open_clip_model.safetensors", "best.safetensors"])
def test_a_neighbour_that_open_clip_does_not_look_at_is_told(open_model, folder, name, usual):
    (folder / "open_clip_model.safetensors").rename(folder / "kept")
    (folder / "kept").rename(folder / usual)
    alone, _ = opened(open_model, folder)
    state = {key: value.clone() for key, value in load_file(folder / usual).items()}
    torch.save({"state_dict": state}, folder / name)
    assert opened(open_model, folder) == (alone, [])
    torch.save({"state_dict": {key: value + 1 for key, value in state.items()}}, folder / name)
    torch.save({}, folder / "x-00001-of-00002.pt")  # the second is missing, and neither is loaded
    weights, (sentence,) = opened(open_model, folder)
    assert weights == alone and f"{usual} was loaded" in sentence and name in sentence


@pytest.mark.parametrize("kind", ["copy", "half", "nested", "wrapped", "optimizer", "other names"])
def test_files_that_are_no_choice(open_model, folder, kind):
    alone, _ = opened(open_model, folder)
    state = good(folder)
    if kind == "half":
        save_file({name: value.half() for name, value in state.items()}, folder / "model.fp16.safetensors")
    elif kind == "optimizer":
        torch.save({"state": {0: torch.ones(2)}}, folder / "optimizer.bin")
    elif kind == "other names":  # the same model as transformers names it
        save_file({f"vision_model.{number}": torch.ones(2) for number in range(30)}, folder / "model.safetensors")
    else:
        content = {"nested": {"state_dict": state, "epoch": 1}, "wrapped": {f"model.{k}": v for k, v in state.items()}}
        torch.save(content.get(kind, state), folder / "open_clip_pytorch_model.bin")
    assert opened(open_model, folder) == (alone, [])


def test_files_of_which_none_is_preferred_are_refused(open_model, folder):
    save_file(other(folder), folder / "b.safetensors")
    (folder / "open_clip_model.safetensors").rename(folder / "a.safetensors")
    with pytest.raises(ModelError, match=r"2 files of different weights.*a\.safetensors and b\.saf[\s\S]*weights_file"):
        opened(open_model, folder)
    assert (
        opened(open_model, folder, weights_file="a.safetensors")[0]
        != opened(open_model, folder, weights_file="b.safetensors")[0]
    )
    for name in ("c.safetensors", "../release/a.safetensors", str(folder / "a.safetensors")):
        with pytest.raises(ModelError, match="has no such file"):
            opened(open_model, folder, weights_file=name)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors", "my-lora.safetensors"])
def test_an_adapter_beside_the_weights_is_refused(open_model, folder, name):
    alone, _ = opened(open_model, folder)
    if name.endswith("json"):
        (folder / name).write_text("{}")
    else:
        save_file({"base_model.model.visual.proj.lora_A.weight": torch.ones(2, 2)}, folder / name)
    with pytest.raises(ModelError, match=r"holds an adapter[\s\S]*merge_and_unload"):
        opened(open_model, folder)
    assert opened(open_model, folder, weights_file="open_clip_model.safetensors") == (alone, [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 600\n", "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html><head>", "a web page"),
        (b'{"error": "not found"}', "is JSON"),
        (b"\x1f\x8b\x08\x00junk", "a gzip archive"),
        (b"\xff" * 9000, "is broken"),
        (b"\x00\x00\x00\x00\x00\x00\x00\x7f{}", "is broken"),
    ],
)
@pytest.mark.parametrize("name", ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
def test_files_that_hold_no_weights(open_model, folder, content, message, name):
    (folder / "open_clip_model.safetensors").unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        opened(open_model, folder)


@pytest.mark.parametrize("size", [64, [64, 64]])
def test_a_transform_of_another_size_than_the_network(open_model, folder, size):
    config = folder / "open_clip_config.json"
    config.write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {"size": 32}}))
    opened(open_model, folder)
    config.write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {"size": size}}))
    with pytest.raises(ModelError, match=r"preprocess_cfg has the size .*64.*image_size 32"):
        opened(open_model, folder)
    assert opened(open_model, folder, image_size=32)[1] == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config.json": '{"model_type": "clip"}'}, "load it as transformers:"),
        ({"config.json": '{"model_type": "bert"}'}, "No adapter reads its model type 'bert'"),
        ({"adapter_config.json": "{}"}, "merge_and_unload"),
        ({}, "ARCH/path/to/file"),
    ],
)
def test_folders_of_other_libraries(open_model, tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=message):
        open_model(f"local-dir:{tmp_path}")


def test_a_folder_in_the_place_of_a_file(open_model, folder):
    with pytest.raises(ModelError, match=r"is a folder, not a checkpoint file[\s\S]*local-dir"):
        open_model(f"tiny/{folder}")


def test_formats_that_the_adapter_does_not_read(open_model, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"m.onnx is an ONNX graph, not a checkpoint") as caught:
        open_model(f"tiny/{tmp_path / 'm.onnx'}")
    assert str(caught.value.hint).startswith(f"Write onnx:{tmp_path} if ")
    (tmp_path / "m.gguf").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"a GGUF file of llama.cpp, and no adapter reads it"):
        open_model(f"tiny/{tmp_path / 'm.gguf'}")


@pytest.mark.parametrize("loss", [torch.tensor(0.1), 0.1])
def test_the_layout_of_pytorchs_tutorial(open_model, folder, loss):
    alone, _ = opened(open_model, folder)
    content = {"epoch": 3, "model_state_dict": good(folder), "loss": loss}
    (folder / "open_clip_model.safetensors").unlink()
    torch.save(content, folder / "open_clip_pytorch_model.bin")
    assert opened(open_model, folder) == (alone, [])


def test_a_tower_of_timm_gets_its_size_after_its_weights(open_model, tmp_path):
    """As in open_clip: the checkpoint's positional embeddings are of the tower's own size, and are stretched then."""
    import open_clip

    vision = {"timm_model_name": "test_vit", "timm_pool": "avg", "timm_proj": "linear", "image_size": 160}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {**CONFIG, "vision_cfg": vision}}))
    torch.manual_seed(0)
    network = open_clip.create_model(f"local-dir:{tmp_path}", load_weights=False)
    save_file(network.state_dict(), tmp_path / "open_clip_model.safetensors")
    library = open_clip.create_model(f"local-dir:{tmp_path}", force_image_size=192).eval()
    model = open_model(f"local-dir:{tmp_path}", image_size=192)
    assert model.network.visual.preprocess_cfg == library.visual.preprocess_cfg
    with gathered_remarks(WARNING) as gathered:
        open_model(f"local-dir:{tmp_path}", image_size=192)
    before, after = ((size // 16) ** 2 + library.visual.trunk.num_prefix_tokens for size in (160, 192))
    told = f"visual.trunk.pos_embed was interpolated from the checkpoint's {before} positions to {after}"
    assert told in [remark.text for remark in gathered.remarks]
    pixels = torch.randn(1, 3, 192, 192)
    with torch.inference_mode():
        assert torch.equal(model.network.encode_image(pixels), library.encode_image(pixels))


def test_a_picked_file_of_a_kind_that_open_clip_does_not_look_for_is_nothing_to_warn_of(open_model, folder):
    """It logs that the folder has no weights, and they are loaded here."""
    whole, _ = opened(open_model, folder)
    torch.save(good(folder), folder / "epoch_9.pt")
    (folder / "open_clip_model.safetensors").unlink()
    assert opened(open_model, folder, weights_file="epoch_9.pt") == (whole, [])
