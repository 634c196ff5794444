"""Hashes, counts, versions, and looking into checkpoint files."""

from __future__ import annotations

import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vlmbench.errors import ModelError
from vlmbench.models.towers.weights import count_parameters, library_versions, read_header, state_sha256


class Small(nn.Module):
    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 3, dtype=dtype)
        self.tied = self.linear.weight
        self.scale = nn.Parameter(torch.tensor(2.0, dtype=dtype))
        self.register_buffer("kept", torch.arange(6).reshape(2, 3))
        self.register_buffer("empty", torch.zeros(0, 5))
        self.register_buffer("passing", torch.ones(2), persistent=False)


def test_equal_states_have_equal_hashes():
    assert state_sha256(Small()) == state_sha256(Small())
    assert len(state_sha256(Small())) == 64


def test_transposed_storage_is_the_same_state():
    one, other = Small(), Small()
    other.kept = torch.arange(6).reshape(2, 3).t().contiguous().t()
    assert not other.kept.is_contiguous()
    assert state_sha256(one) == state_sha256(other)


@pytest.mark.parametrize("change", ["value", "dtype", "shape", "name", "buffer", "sign of zero"])
def test_any_difference_changes_the_hash(change):
    before, after = Small(), Small()
    if change == "value":
        after.linear.weight.data[0, 0] += 1e-6
    elif change == "dtype":
        after = Small(torch.bfloat16)
        after.load_state_dict(before.state_dict())
    elif change == "shape":
        after.kept = after.kept.reshape(3, 2)
    elif change == "name":
        after.other, after.linear = after.linear, nn.Identity()
    elif change == "buffer":
        after.kept = after.kept + 1
    else:
        before.scale.data.fill_(0.0)
        after.scale.data.fill_(-0.0)
    assert state_sha256(before) != state_sha256(after)


def test_passing_buffers_do_not_count():
    one, other = Small(), Small()
    other.passing += 1
    assert state_sha256(one) == state_sha256(other)


def test_shared_parameters_count_once():
    assert count_parameters(Small()) == 4 * 3 + 3 + 1


def test_versions_of_what_is_installed():
    versions = library_versions("safetensors", "no-such-package")
    assert set(versions) == {"torch", "pillow", "numpy", "safetensors"}
    assert versions["torch"] == torch.__version__.split("+")[0] or versions["torch"] == torch.__version__


STATE = {"a.weight": torch.zeros(2, 3), "b": torch.ones(())}


def test_header_of_every_format(tmp_path):
    shapes = {"a.weight": (2, 3), "b": ()}
    save_file(STATE, tmp_path / "w.safetensors")
    torch.save(STATE, tmp_path / "w.pt")
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in STATE.items()}, "epoch": 3, "name": "run"}, tmp_path / "w.bin"
    )
    for name in ("w.safetensors", "w.pt", "old.pth", "w.bin"):
        assert read_header(tmp_path / name).shapes == shapes
    header = read_header(tmp_path / "w.bin")
    assert header.run_name == "run" and set(header.entries) == {"state_dict", "epoch", "name"}


class Harmful:
    def __reduce__(self):
        return (open, ("harmful-was-run", "w"))


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_with_code_are_not_run(zipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": STATE, "args": Harmful()}, "w.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match="could run any code") as caught:
        read_header(tmp_path / "w.pt")
    assert "safetensors" in (caught.value.hint or "")
    assert not (tmp_path / "harmful-was-run").exists()


def test_torchscript_is_not_run(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "w.pt")
    with pytest.raises(ModelError, match="TorchScript") as caught:
        read_header(tmp_path / "w.pt")
    assert "safetensors" in (caught.value.hint or "")


def test_files_without_weights(tmp_path):
    torch.save({"model": STATE, "epoch": 1}, tmp_path / "nested.pt")
    with pytest.raises(ModelError, match="its entries are model, epoch"):
        read_header(tmp_path / "nested.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ModelError, match="holds a list"):
        read_header(tmp_path / "list.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelError):
        read_header(tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as archive:
        archive.writestr("readme", "hello")
    with pytest.raises(ModelError, match="not a whole torch checkpoint"):
        read_header(tmp_path / "zip.pt")


def test_missing_files_name_the_neighbours(tmp_path):
    with pytest.raises(ModelError, match="There are no checkpoints in"):
        read_header(tmp_path / "w.pt")
    torch.save(STATE, tmp_path / "v.pt")
    with pytest.raises(ModelError, match=r"Checkpoints in .*: v\.pt"):
        read_header(tmp_path / "w.pt")
    with pytest.raises(ModelError, match="does not exist"):
        read_header(tmp_path / "absent" / "w.pt")
