"""Looking into checkpoint files: what is no checkpoint, and what would need code to be read."""

from __future__ import annotations

import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vlmbench.errors import ModelError
from vlmbench.models.towers.checkpoint_file import read_checkpoint
from vlmbench.models.towers.state_dicts import nested_states

STATE = {"a.weight": torch.zeros(2, 3), "b": torch.ones(())}


def test_content_of_every_format(tmp_path):
    shapes = {"a.weight": (2, 3), "b": ()}
    save_file(STATE, tmp_path / "w.safetensors")
    torch.save(STATE, tmp_path / "w.pt")
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in STATE.items()}, "epoch": 3, "name": "run"}, tmp_path / "w.bin"
    )
    for name in ("w.safetensors", "w.pt", "old.pth", "w.bin"):
        (state,) = nested_states(read_checkpoint(tmp_path / name).content)
        assert {name: tuple(value.shape) for name, value in state.tensors.items()} == shapes
    checkpoint = read_checkpoint(tmp_path / "w.bin")
    assert checkpoint.run_name == "run" and set(checkpoint.content) == {"state_dict", "epoch", "name"}


class Harmful:
    def __reduce__(self):
        return (open, ("harmful-was-run", "w"))


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_with_code_are_not_run(zipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": STATE, "args": Harmful()}, "w.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match="could run any code") as caught:
        read_checkpoint(tmp_path / "w.pt")
    assert "safetensors" in (caught.value.hint or "")
    assert not (tmp_path / "harmful-was-run").exists()


def test_torchscript_is_not_run(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "w.pt")
    with pytest.raises(ModelError, match="TorchScript") as caught:
        read_checkpoint(tmp_path / "w.pt")
    assert "safetensors" in (caught.value.hint or "")


def test_files_without_weights(tmp_path):
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ModelError, match="holds a list"):
        read_checkpoint(tmp_path / "list.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelError):
        read_checkpoint(tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as archive:
        archive.writestr("readme", "hello")
    with pytest.raises(ModelError, match="the torch checkpoint is broken"):
        read_checkpoint(tmp_path / "zip.pt")


def test_missing_files_name_the_neighbours(tmp_path):
    with pytest.raises(ModelError, match="There are no checkpoints in"):
        read_checkpoint(tmp_path / "w.pt")
    torch.save(STATE, tmp_path / "v.pt")
    with pytest.raises(ModelError, match=r"Checkpoints in .*: v\.pt"):
        read_checkpoint(tmp_path / "w.pt")
    with pytest.raises(ModelError, match="does not exist"):
        read_checkpoint(tmp_path / "absent" / "w.pt")
