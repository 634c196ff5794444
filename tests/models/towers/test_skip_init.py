"""Networks that are built without drawing weights are those of the plain way, bit for bit."""

from __future__ import annotations

import pytest
import torch
from models.tiny import ARCHITECTURES
from said import remarked
from torch import Tensor, nn

from vlmbench.models.open_clip import build as open_clip_build
from vlmbench.models.open_clip.build import build
from vlmbench.models.open_clip.spec import parse_spec
from vlmbench.models.towers.skip_init import build_without_init


class Drawn(nn.Module):
    """Parameters of every way that libraries draw them, and a buffer that is computed from one."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.convolution = nn.Conv2d(2, 3, 2)
        self.attention = nn.MultiheadAttention(4, 2)
        self.embedding = nn.Embedding(5, 3)
        self.norm = nn.LayerNorm(3)
        self.table = nn.Parameter(torch.empty(2, 3))
        nn.init.trunc_normal_(tensor=self.table, std=0.02)
        self.register_buffer("doubled", 2 * self.table.detach())
        self.empty = nn.Parameter(torch.empty(0, 3).normal_())


def loaded(state: dict[str, Tensor]) -> Drawn:
    torch.manual_seed(1)
    network = Drawn()
    network.load_state_dict(state, strict=False)
    return network


def assert_same_state(ours: nn.Module, theirs: nn.Module) -> None:
    found, expected = ours.state_dict(), theirs.state_dict()
    assert found.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def full_state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return Drawn().state_dict()


def test_nothing_is_drawn_that_the_checkpoint_holds():
    state = full_state()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    network = build_without_init(lambda: loaded(state))
    assert torch.equal(torch.get_rng_state(), before)
    assert_same_state(network, loaded(state))


@pytest.mark.parametrize(
    "absent", ["linear.weight", "attention.in_proj_weight", "embedding.weight", "table", "doubled"]
)
def test_what_the_checkpoint_lacks_is_drawn_as_ever(absent):
    state = {name: value for name, value in full_state().items() if name != absent}
    network = build_without_init(lambda: loaded(state))
    assert_same_state(network, loaded(state))
    assert all(value.isfinite().all() for value in network.state_dict().values())


def test_what_is_not_a_parameter_is_drawn():
    kept: list[Tensor] = []

    def with_noise() -> nn.Module:
        kept.append(torch.empty(100).normal_())
        return nn.Identity()

    build_without_init(with_noise)
    assert len(kept) == 1 and kept[0].isfinite().all() and kept[0].std() > 0.5


def test_a_failure_is_the_builders_own_and_later_networks_are_drawn():
    with pytest.raises(RuntimeError, match="size mismatch"):
        build_without_init(lambda: loaded({"linear.weight": torch.zeros(1, 1)}))
    assert nn.Linear(3, 3).weight.std() > 0


@pytest.mark.parametrize(
    ("architecture", "file"),
    [*((name, "weights.safetensors") for name in ARCHITECTURES), ("tiny", "weights.pt"), ("tiny-coca", "weights.pt")],
)
def test_open_clips_networks_are_the_plain_ones(architecture, file, write_weights, monkeypatch):
    source = parse_spec(f"{architecture}/{write_weights(architecture, file)}")
    calls: list[int] = []
    plain = open_clip_build.open_clip.create_model

    def counted(*args: object, **kwargs: object) -> nn.Module:
        calls.append(1)
        network: nn.Module = plain(*args, **kwargs)
        return network

    monkeypatch.setattr(open_clip_build.open_clip, "create_model", counted)
    ours, said = remarked(lambda: build(source, {}, offline=True))
    assert len(calls) == 1, "the checkpoint is whole: no second building"
    monkeypatch.setattr(open_clip_build, "build_without_init", lambda create: create())
    theirs, said_there = remarked(lambda: build(source, {}, offline=True))
    assert_same_state(ours.network, theirs.network)
    buffers = dict(theirs.network.named_buffers())  # those that no checkpoint holds, too
    assert [name for name, value in ours.network.named_buffers() if not torch.equal(value, buffers[name])] == []
    assert said == said_there
