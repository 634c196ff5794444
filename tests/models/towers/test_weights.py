"""Hashes, counts and versions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vlmbench.models.towers.weights import count_parameters, library_versions, state_sha256


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
