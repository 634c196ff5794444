"""Texts with a context, encoded by the library's own modules, so that tests share no code with a tower's capability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def literal_texts(model: Any, names: Sequence[str], contexts: Tensor) -> Tensor:
    """(C, D): the texts "CONTEXT NAME." of an open_clip model, with the contexts (C, M, W), class by class."""
    network, found = model.network, []
    for name, context in zip(names, contexts, strict=True):
        ids = model._tokenizer([f"a photo of a {name.replace('_', ' ')}."])[0]
        words = int(model._tokenizer(["a photo of a"])[0].argmax()) - 1
        x = network.token_embedding(ids)
        x = torch.cat([x[:1], context, x[1 + words :]])[: len(ids)]
        end = int(ids.argmax()) - words + len(context)
        x = x + network.positional_embedding[: len(x)]
        x = network.ln_final(network.transformer(x[None], attn_mask=network.attn_mask[: len(x), : len(x)]))
        found.append(F.normalize(x[0, end] @ network.text_projection, dim=0))
    return torch.stack(found)
