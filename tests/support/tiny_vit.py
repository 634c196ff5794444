"""A tiny vision transformer of open_clip with its text tower, and its library's own layers with learnt prompts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from models import tiny_weights
from models.tiny import shaken
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.models.base import LoadOptions
from vlmbench.models.open_clip.adapter import load


def tiny_model(folder: Path, architecture: str = "tiny-vit") -> Any:
    """A seeded model in float32; ``folder`` is for open_clip's files."""
    with pytest.MonkeyPatch.context() as patch:
        tiny_weights.make_known(patch, folder)
        card = ModelCard(name=architecture, adapter="open_clip", spec=architecture, options={"random_seed": 1})
        return shaken(load(card, LoadOptions(offline=True)))


def library_images(network: Any, pixels: Tensor, prompts: Sequence[Tensor]) -> Tensor:
    """(B, D): the image tower, layer by layer; ``prompts[i]``, (P, W), stand at the end before block i."""
    visual, count = network.visual, len(pixels)
    patches = visual.conv1(pixels).flatten(2).transpose(1, 2)
    x = torch.cat([visual.class_embedding.repeat(count, 1, 1), patches], dim=1) + visual.positional_embedding
    length = x.shape[1]
    for number, block in enumerate(visual.transformer.resblocks):
        if number < len(prompts):
            x = torch.cat([x[:, :length], prompts[number].repeat(count, 1, 1)], dim=1)
        x = block(visual.ln_pre(x) if number == 0 else x)
    return F.normalize(visual.ln_post(x[:, 0]) @ visual.proj, dim=-1)


def library_texts(model: Any, names: Sequence[str], words: str, context: Tensor, deep: Sequence[Tensor]) -> Tensor:
    """(C, D): "WORDS NAME." text by text. Its first words are ``context``, and ``deep[i]`` before block i + 1."""
    network, found, size = model.network, [], len(context)
    for name in names:
        ids = model._tokenizer([f"{words} {name.replace('_', ' ')}."])[0]
        x = network.token_embedding(ids)
        x = torch.cat([x[:1], context, x[1 + size :]]) + network.positional_embedding
        for number, block in enumerate(network.transformer.resblocks):
            if 0 < number <= len(deep):
                x = torch.cat([x[:1], deep[number - 1], x[1 + size :]])
            x = block(x[None], attn_mask=network.attn_mask)[0]
        found.append(F.normalize(network.ln_final(x)[int(ids.argmax())] @ network.text_projection, dim=0))
    return torch.stack(found)
