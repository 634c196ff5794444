"""Tiny architectures that open_clip knows for the time of a test, weights of them as files, and as published ones."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import open_clip
import open_clip.factory
import open_clip.pretrained
import pytest
import torch
from models.tiny import ARCHITECTURES

from vlmbench.models.open_clip import text as open_clip_text

# Reading the merges takes half a second, hashing them a fifth of one, and every model has a tokenizer.
SIMPLE_TOKENIZER = functools.cache(open_clip.SimpleTokenizer)
SIMPLE_RULES = functools.cache(open_clip_text.simple_rules_sha256)


@functools.cache
def _configs(folder: Path) -> tuple[list[Path], dict[str, Any]]:
    """What open_clip knows after it has read the tiny architectures' files; it reads all its own files again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", list(open_clip.factory._MODEL_CONFIG_PATHS))
        patch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
        folder.mkdir(parents=True, exist_ok=True)
        for name, config in ARCHITECTURES.items():
            (folder / f"{name}.json").write_text(json.dumps(config))
        open_clip.add_model_config(folder)
        return open_clip.factory._MODEL_CONFIG_PATHS, open_clip.factory._MODEL_CONFIGS


def make_known(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let open_clip know the tiny architectures, each through a config file, as it learns of a user's own."""
    paths, configs = _configs(folder)
    patch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", list(paths))
    patch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(configs))
    patch.setattr(open_clip.factory, "SimpleTokenizer", SIMPLE_TOKENIZER)
    patch.setattr(open_clip_text, "simple_rules_sha256", SIMPLE_RULES)


def write_weights(architecture: str, path: Path, /, **extra: Any) -> Path:
    """Write an architecture's seeded weights; with other entries of a training checkpoint, if there are any."""
    torch.manual_seed(7)
    network = open_clip.create_model(architecture, pretrained_text=False)
    if (decoder := getattr(network, "text_decoder", None)) is not None:
        # open_clip leaves it as the memory was, which now and then is NaN: not equal to itself.
        torch.nn.init.normal_(decoder.text_projection, std=0.1)
    state = network.state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(state, path)
    else:
        torch.save({"state_dict": state, **extra} if extra else state, path)
    return path


def publish(patch: pytest.MonkeyPatch, file: Path) -> None:
    """Two published weights of ``tiny``: "openai", trained with QuickGELU, and "laion"; both are this local file."""
    usual = {"file": str(file), "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4), "interpolation": "bilinear"}
    openai = {**usual, "quick_gelu": True, "url": "https://host.example/tiny.pt"}
    laion = {**usual, "url": "https://host.example/tiny-laion-e32.pt"}
    table = {**open_clip.pretrained._PRETRAINED, "tiny": {"openai": openai, "laion": laion}}
    patch.setattr(open_clip.pretrained, "_PRETRAINED", table | {"tiny-quickgelu": {"openai": openai}})
