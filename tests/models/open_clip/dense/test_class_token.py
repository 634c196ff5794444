"""Patch features of timm's towers with a class token against the papers' formulas and timm's own forward pass."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from models import literal_readouts
from models.tiny_timm import CLASS_TOKEN, DIM, RELATIVE, pixels, tiny_timm
from timm.models.eva import Eva
from torch import Tensor
from torch.nn.functional import normalize

from vlmbench.models.open_clip.dense.encoder import tower_encoder
from vlmbench.models.towers.patch_readouts import READOUTS

SIZES = [(32, 24), (40, 16)]
PATCH = 8
BRANCH_ONLY = ("clearclip", "naclip")


def encoder(visual: Any) -> Any:
    found = tower_encoder("model", visual, lambda image: image)
    assert found is not None
    return found


def resized(visual: Any, size: tuple[int, int], overshoot: float = 0.0) -> Any:
    """A copy that timm itself set to the image size, with the positional embeddings of :func:`literal_readouts`."""
    other = copy.deepcopy(visual)
    trunk, old = other.trunk, tuple(visual.trunk.patch_embed.grid_size)
    new = (size[0] // PATCH, size[1] // PATCH)
    trunk.set_input_size(size)
    if getattr(trunk, "pos_embed", None) is not None:
        positions = visual.trunk.pos_embed[0]
        if trunk.no_embed_class:
            positions = torch.cat([torch.zeros_like(positions[:1]), positions])
        positions = literal_readouts.positions(positions, old, new, overshoot)
        trunk.pos_embed.data = positions[int(trunk.no_embed_class) :][None]
    return other


def rotated(heads: Tensor, rope: Tensor | None, half: bool) -> Tensor:
    """(L, heads, d): each pair of numbers of a patch turned by the angle of its place."""
    if rope is None:
        return heads
    sine, cosine = rope.chunk(2, dim=-1)
    out = heads.clone()
    d = heads.shape[-1]
    pairs = [(i, i + d // 2) for i in range(d // 2)] if half else [(i, i + 1) for i in range(0, d, 2)]
    for place in range(1, len(heads)):
        for a, b in pairs:
            x, y = heads[place, :, a], heads[place, :, b]
            s, c = sine[place - 1, a], cosine[place - 1, a]
            out[place, :, a], out[place, :, b] = x * c - y * s, y * c + x * s
    return out


def projections(attention: Any, x: Tensor) -> list[Tensor]:
    if hasattr(attention, "q_proj") and attention.qkv is None:
        return [attention.q_proj(x), attention.k_proj(x), attention.v_proj(x)]
    qkv = x @ attention.qkv.weight.T
    if getattr(attention, "q_bias", None) is not None:
        qkv = qkv + torch.cat([attention.q_bias, torch.zeros_like(attention.q_bias), attention.v_bias])
    elif attention.qkv.bias is not None:
        qkv = qkv + attention.qkv.bias
    return list(qkv.split(x.shape[1], dim=1))


def literal(visual: Any, images: Tensor, readout: str) -> Tensor:
    """timm's own tower of the image's size up to the last block; that one token by token."""
    grid = (images.shape[2] // PATCH, images.shape[3] // PATCH)
    trunk = resized(visual, tuple(images.shape[2:]), 0.1 if READOUTS[readout].overshoot else 0.0).trunk
    last, rope, rotary = trunk.blocks[-1], None, {}
    tokens = trunk.patch_embed(images)
    if type(trunk) is Eva:
        tokens, rope = trunk._pos_embed(tokens)
        rotary = {} if rope is None else {"rope": rope}
    else:
        tokens = trunk._pos_embed(tokens)
    tokens = trunk.norm_pre(tokens)
    for block in trunk.blocks[:-1]:
        tokens = block(tokens, **rotary)
    return torch.stack([_one_image(visual, last, x, grid, readout, rope) for x in tokens])


def _one_image(visual: Any, last: Any, x: Tensor, grid: tuple[int, int], readout: str, rope: Tensor | None) -> Tensor:
    attention, post = last.attn, "PostNorm" in type(last).__name__
    q, k, v = projections(attention, x if post else last.norm1(x))
    half = getattr(attention, "rotate_half", False)
    q, k = (
        rotated(norm(part.unflatten(1, (attention.num_heads, -1))), rope, half).flatten(1)
        for norm, part in ((attention.q_norm, q), (attention.k_norm, k))
    )
    first, second = (getattr(last, name, None) for name in ("gamma_1", "gamma_2"))
    branch = []
    for mixed in literal_readouts.attention(readout, (q, k, v), attention.num_heads, grid):
        out = attention.proj(attention.norm(torch.cat(mixed)))
        out = last.norm1(out) if post else last.ls1(out) if hasattr(last, "ls1") else out
        branch.append(out if first is None else first * out)
    out = torch.stack(branch)
    if readout not in BRANCH_ONLY:
        out = x + out
        more = last.norm2(last.mlp(out)) if post else last.mlp(last.norm2(out))
        more = last.ls2(more) if hasattr(last, "ls2") else more
        out = out + (more if second is None else second * more)
    trunk = visual.trunk
    features = visual.head(trunk.head(trunk.fc_norm(trunk.norm(out[1:]))))
    return normalize(features, dim=-1).T.unflatten(1, grid)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CLASS_TOKEN)
def test_readouts_are_the_papers(name, size):
    visual = tiny_timm(name)
    dense = encoder(visual)
    assert dense.readouts == tuple(READOUTS) and dense.patch_size == PATCH
    for readout in dense.readouts:
        images = pixels(*size, batch=1)
        ours, expected = dense.encode_patches(images, readout), literal(visual, images, readout)
        assert expected.shape == (1, DIM, size[0] // PATCH, size[1] // PATCH)
        # Positions are interpolated in float32.
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6, msg=lambda m, r=readout: f"{r}: {m}")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [*CLASS_TOKEN, *RELATIVE])
def test_plain_patches_are_the_librarys_tokens(name, size):
    visual = tiny_timm(name)
    trunk = resized(visual, size).trunk
    tokens = trunk.forward_features(pixels(*size))
    expected = normalize(visual.head(trunk.head(trunk.fc_norm(tokens[:, 1:]))), dim=-1)
    ours = encoder(visual).encode_patches(pixels(*size), "plain")
    torch.testing.assert_close(ours.flatten(2).transpose(1, 2), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", RELATIVE)
def test_relative_positions_stay_in_every_attention(name):
    """Queries in the place of keys, and the other way round: the papers' products, with the tower's own bias."""
    visual = tiny_timm(name)
    dense = encoder(visual)
    size = (40, 16)
    trunk = resized(visual, size).trunk
    last = trunk.blocks[-1]
    weight = copy.deepcopy(last.attn.qkv.weight)
    q, _, v = weight.chunk(3)
    bias = [None] * 3 if last.attn.qkv.bias is None else copy.deepcopy(last.attn.qkv.bias).chunk(3)
    norms = last.attn.q_norm, last.attn.k_norm

    def branch(twice: Tensor, twice_bias: Tensor | None, norm: Any) -> Tensor:
        last.attn.qkv.weight.data = torch.cat([twice, twice, v])
        if twice_bias is not None:
            last.attn.qkv.bias.data = torch.cat([twice_bias, twice_bias, bias[2]])
        last.attn.q_norm = last.attn.k_norm = norm
        x = trunk.patch_embed(pixels(*size))
        x = torch.cat([trunk.cls_token.expand(len(x), -1, -1), x], dim=1)
        shared = None if trunk.shared_rel_pos is None else trunk.shared_rel_pos.get_bias()
        for block in trunk.blocks[:-1]:
            x = block(x, shared_rel_pos=shared)
        return last.ls1(last.attn(last.norm1(x), shared_rel_pos=shared))

    expected = normalize(visual.head(trunk.head(trunk.norm(branch(q, bias[0], norms[0])[:, 1:]))), dim=-1)
    ours = dense.encode_patches(pixels(*size), "clearclip").flatten(2).transpose(1, 2)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)
    maps = [dense.encode_patches(pixels(*size), readout) for readout in dense.readouts]
    assert all((a - b).abs().max() > 1e-3 for index, a in enumerate(maps) for b in maps[:index])


@pytest.mark.parametrize("name", [*CLASS_TOKEN, *RELATIVE])
def test_towers_are_left_alone(name):
    visual = tiny_timm(name)
    dense, images = encoder(visual), pixels(32, 24)
    before, state = visual(images), {key: value.clone() for key, value in visual.state_dict().items()}
    for readout in dense.readouts:
        dense.encode_patches(pixels(16, 40), readout)
    assert torch.equal(visual(images), before)
    assert all(torch.equal(value, state[key]) for key, value in visual.state_dict().items())


def test_gates_and_shared_keys_are_not_understood():
    for change in ("gate", "global_pool", "block", "head"):
        visual = tiny_timm("eva02")
        assert tower_encoder("model", visual, lambda image: image) is not None
        if change == "gate":
            visual.trunk.blocks[-1].attn.gate = torch.nn.Linear(16, 16)
        elif change == "global_pool":
            visual.trunk.global_pool = "max"
        elif change == "block":
            known = type(visual.trunk.blocks[0])
            visual.trunk.blocks[0].__class__ = type("Other", (known,), {})
        else:
            visual.head.add_module("pool", torch.nn.Identity())
        assert tower_encoder("model", visual, lambda image: image) is None, change
