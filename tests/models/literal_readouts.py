"""The papers' formulas, written out token by token and head by head: slow, and as like the printed ones as can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def cubic(distance: float, a: float = -0.75) -> float:
    """The cubic convolution kernel (Keys 1981) with the parameter that torch has."""
    x = abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def taps(index: int, new: int, old: int, overshoot: float) -> list[tuple[int, float]]:
    """Which of the old places make up a new one, each with its weight; the border repeats."""
    source = (index + 0.5) * old / (new + overshoot) - 0.5
    first = math.floor(source) - 1
    return [(min(max(place, 0), old - 1), cubic(source - place)) for place in range(first, first + 4)]


def positions(trained: Tensor, old: tuple[int, int], new: tuple[int, int], overshoot: float) -> Tensor:
    """(1 + h*w, width) positional embeddings of the new grid."""
    if old == new:
        return trained
    rows = [trained[0]]
    for i in range(new[0]):
        for j in range(new[1]):
            rows.append(
                sum(
                    down * across * trained[1 + y * old[1] + x]
                    for y, down in taps(i, new[0], old[0], overshoot)
                    for x, across in taps(j, new[1], old[1], overshoot)
                )
            )
    return torch.stack(rows)


def weights(readout: str, q: Tensor, k: Tensor, token: int, grid: tuple[int, int]) -> Tensor:
    """(L,) how much of each token's value this token takes, in one head; q and k are (L, d), class token first."""
    length, width = q.shape

    def softmax_of(scores: Sequence[Tensor]) -> Tensor:
        powers = torch.stack([score.exp() for score in scores])
        return powers / powers.sum()

    def place(index: int) -> tuple[int, int]:
        return divmod(index - 1, grid[1])

    def nearness(other: int) -> float:
        if token == 0 or other == 0:
            return 0.0
        (i, j), (m, n) = place(token), place(other)
        return math.exp(-((i - m) ** 2 + (j - n) ** 2) / (2 * 5.0**2))

    def products(a: Tensor, b: Tensor) -> list[Tensor]:
        return [a[token] @ b[other] / math.sqrt(width) for other in range(length)]

    if readout == "plain":
        return softmax_of(products(q, k))
    if readout == "maskclip":
        return torch.eye(length)[token]
    if readout == "sclip":
        return softmax_of(products(q, q)) + softmax_of(products(k, k))
    if readout == "clearclip":
        return softmax_of(products(q, q))
    assert readout == "naclip"
    return softmax_of([score + nearness(other) for other, score in enumerate(products(k, k))])


def attention(readout: str, qkv: Sequence[Tensor], heads: int, grid: tuple[int, int]) -> list[list[Tensor]]:
    """For each token, each head's mixed value. ``qkv`` are (L, width) each."""
    q, k, v = (part.unflatten(1, (heads, -1)) for part in qkv)
    mixed = []
    for token in range(len(q)):
        row = []
        for head in range(heads):
            share = weights(readout, q[:, head], k[:, head], token, grid)
            row.append(sum(share[other] * v[other, head] for other in range(len(v))))
        mixed.append(row)
    return mixed


def open_clip_patches(visual: Any, pixels: Tensor, readout: str) -> Tensor:
    """(B, 3, H, W) to (B, D, h, w), unit length, of open_clip's VisionTransformer."""
    size = visual.patch_size[0]
    grid = (pixels.shape[2] // size, pixels.shape[3] // size)
    overshoot = 0.1 if readout in ("sclip", "clearclip", "naclip") else 0.0
    places = positions(visual.positional_embedding, visual.grid_size, grid, overshoot)
    return torch.stack([_one_image(visual, image, places, grid, readout) for image in pixels])


def _one_image(visual: Any, image: Tensor, places: Tensor, grid: tuple[int, int], readout: str) -> Tensor:
    size, kernel = visual.patch_size[0], visual.conv1.weight
    tokens = [visual.class_embedding]
    for i in range(grid[0]):
        for j in range(grid[1]):
            patch = image[:, i * size : (i + 1) * size, j * size : (j + 1) * size]
            tokens.append((kernel * patch).sum(dim=(1, 2, 3)))
    x = visual.ln_pre(torch.stack(tokens) + places)
    for block in visual.transformer.resblocks[:-1]:
        x = block(x[None])[0]
    x = _last_block(visual.transformer.resblocks[-1], x, grid, readout)[1:]
    x = torch.stack([visual.proj.T @ visual.ln_post(token) for token in x])
    return torch.stack([token / token.norm() for token in x]).T.unflatten(1, grid)


def _last_block(block: Any, x: Tensor, grid: tuple[int, int], readout: str) -> Tensor:
    attn = block.attn
    custom = hasattr(attn, "ln_inner")
    qkv = list((block.ln_1(x) @ attn.in_proj_weight.T + attn.in_proj_bias).split(x.shape[1], dim=1))
    if custom:
        for which, norm in enumerate((attn.ln_q, attn.ln_k)):
            qkv[which] = norm(qkv[which].unflatten(1, (attn.num_heads, -1))).flatten(1)
    branch = []
    for heads in attention(readout, qkv, attn.num_heads, grid):
        if custom and attn.head_scale is not None:
            heads = [scale.squeeze() * head for scale, head in zip(attn.head_scale, heads, strict=True)]
        joined = torch.cat(heads)
        joined = attn.ln_inner(joined) if custom else joined
        joined = attn.out_proj.weight @ joined + attn.out_proj.bias
        branch.append(block.ls_1(block.ln_attn(joined) if custom else joined))
    attended = torch.stack(branch)
    if readout in ("clearclip", "naclip"):
        return attended
    x = x + attended
    return torch.stack([token + block.ls_2(block.mlp(block.ln_2(token))) for token in x])
