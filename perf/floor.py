"""Counts the smallest work that a forward pass needs: tokens and FLOPs of a text tower, FLOPs of an image tower.

``text_head.py`` and ``whole_run.py`` print it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TextWork:
    """The work to encode some texts in one way.

    Attributes:
        tokens: the number of tokens that go through the tower.
        flops: the number of multiplications and additions. Each counts as one.
    """

    tokens: int
    flops: float

    def __str__(self) -> str:
        return f"{self.tokens / 1e6:.3g} M tokens, {self.flops / 1e12:.3g} TFLOP"


@dataclass(frozen=True)
class TextFloor:
    """The work to encode the same texts in three ways.

    Attributes:
        padded: every text is padded to the context length.
        trimmed: each text has its own length.
        tree: each different prefix is encoded once, which causal towers allow.
    """

    padded: TextWork
    trimmed: TextWork
    tree: TextWork

    def __str__(self) -> str:
        return f"padded {self.padded}; trimmed {self.trimmed}; as a prefix tree {self.tree}"


def text_floor(network: Any, tokenizer: Any, texts: Sequence[str]) -> TextFloor:
    """Count the work of an open_clip ``CLIP`` that reads a text's feature at the end-of-text token, the highest id."""
    tokens = tokenizer(list(texts)).numpy()
    lengths = tokens.argmax(axis=1) + 1
    width, layers = network.transformer.width, network.transformer.layers
    projection = 2.0 * width * network.text_projection.shape[1] * len(texts)

    def work(depths: Tokens) -> TextWork:
        # Each layer has matrices of width x width (3 + 1 for attention, 4 + 4 for the MLP), and keys and values.
        return TextWork(len(depths), projection + layers * float((24 * width**2 + 4 * width * depths).sum()))

    context = tokens.shape[1]
    trimmed = np.repeat(lengths, lengths)
    return TextFloor(work(np.full(tokens.size, context)), work(trimmed), work(tree_depths(tokens, lengths)))


def tree_depths(tokens: Tokens, lengths: Tokens) -> Tokens:
    """The depth (from 1) of each node of the texts' prefix tree: (N, L) ids and (N,) lengths to (nodes,).

    Texts are sorted. A text shares a prefix with the text before it, and adds the nodes after this prefix.
    """
    places = np.arange(1, tokens.shape[1] + 1)
    cut = np.where(places <= lengths[:, None], tokens, 0)
    order = np.lexsort(cut.T[::-1])
    cut, lengths = cut[order], lengths[order]
    shared = np.zeros(len(cut), dtype=np.int64)
    shared[1:] = (cut[1:] == cut[:-1]).cumprod(axis=1).sum(axis=1)
    return np.broadcast_to(places, cut.shape)[(places > shared[:, None]) & (places <= lengths[:, None])]


def image_flops(network: Any, side: int) -> float:
    """The FLOPs of an open_clip image tower for one square image, as torch counts them."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # The counter knows plain matrix products, but not the CPU's single kernel for attention.
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        network.encode_image(torch.zeros(1, 3, side, side))
    return float(counter.get_total_flops())
