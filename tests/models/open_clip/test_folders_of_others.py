"""A model's folder that somebody else filled: a pipe or a device in it is refused, and nothing waits for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vlmbench.errors import ModelError
from vlmbench.models.open_clip.pretrained import _config_beside
from vlmbench.models.open_clip.spec import parse_spec
from vlmbench.models.towers.shards import shard_names
from vlmbench.models.transformers.checkpoint import checkpoint


@pytest.mark.parametrize("file", ["tokenizer.json", "open_clip_pytorch_model.bin", "vocab.txt"])
def test_a_pipe_or_a_device_in_a_folder(tmp_path: Path, file: str) -> None:
    for name in ("config.json", "open_clip_config.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / file).symlink_to("/dev/zero")
    for load in (lambda: checkpoint(str(tmp_path)), lambda: parse_spec(f"local-dir:{tmp_path}")):
        with pytest.raises(ModelError, match=f"{file}: it is a device, not a regular file"):
            load()


def test_files_beside_weights_that_are_pipes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "open_clip_config.json")
    os.mkfifo(tmp_path / "model.safetensors.index.json")
    assert _config_beside("ViT-B-32", tmp_path / "a.pt") is None
    with pytest.raises(ModelError, match="it is a pipe, not a regular file"):
        shard_names(tmp_path / "model.safetensors.index.json")
