"""Texts of classes whose first words are trained vectors. Methods of :mod:`vlmbench.transfer.prompted` learn these.

A text is the start token, M context vectors, the name of the class, a full stop and the end token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from vlmbench.errors import TransferError, UsageError
from vlmbench.models.tunable import TunableTowers, Update

PLACEHOLDER = "X"
"""The word before each name if the context begins with random numbers. Source: KaiyangZhou/CoOp, trainers/coop.py."""
MOST_BYTES = 2**30
"""About how much a backward pass may keep of all classes before they go through the tower in pieces."""
_KEPT = 20
"""Floats that a block may keep for a backward pass, for each token and each unit of its width.

Measured on the demo's text tower: 10. QuickGELU and long texts keep more, so this leaves room.
"""


@dataclass
class ClassTexts:
    """The C texts of the classes, without their context; or any other texts.

    Attributes:
        embeddings: (C, L, W), on the model's device: the tokens before and after the context.
        before: how many of them come before the context.
        ends: (C,), the positions of the end tokens in ``embeddings``.
        chunk: how many classes go through the tower at once; None: as many as an estimate of memory allows.
        passes: how many texts went through the tower so far; those that are computed twice count twice.
    """

    towers: TunableTowers
    embeddings: Tensor
    before: int
    ends: Tensor
    chunk: int | None = None
    passes: int = field(default=0, compare=False)
    _fixed: tuple[Tensor, Tensor] | None = field(default=None, init=False, compare=False, repr=False)

    def __len__(self) -> int:
        """C."""
        return len(self.embeddings)

    @property
    def width(self) -> int:
        """W."""
        return self.embeddings.shape[2]

    def at_once(self, vectors: int) -> int:
        """How many classes go through the tower at once, with M context vectors."""
        if self.chunk is not None:
            return self.chunk
        tokens = self.embeddings.shape[1] + vectors
        return max(1, MOST_BYTES // (4 * _KEPT * self.towers.text_layers * tokens * self.width))

    def features(
        self,
        context: Tensor,
        *,
        deep: Sequence[Tensor] = (),
        update: Callable[[int], Update] | None = None,
    ) -> Tensor:
        """The texts' features.

        If the classes do not go through the tower at once, a backward pass computes each piece again, so that it keeps
        one piece in memory.

        Args:
            context: (M, W) for all classes, or (C, M, W).
            deep: (M, W) or (C, M, W), for the blocks after the first; see
                :meth:`~vlmbench.models.tunable.TunableTowers.encode_embeddings`.
            update: the number of a piece's first class to what changes the projections of the attention. This must
                compute the same when the piece is computed again.

        Returns:
            (C, D), unit length, on the CPU.

        Raises:
            UsageError: the longest text with its context is longer than the model reads.
        """
        tokens = int(self.ends.max()) + 1 + context.shape[-2]
        if tokens > self.towers.context_length:
            raise UsageError(
                f"{context.shape[-2]} context vectors and the longest class name are {tokens} tokens, and the model "
                f"reads {self.towers.context_length}",
                hint="Use fewer vectors, or shorter class names.",
            )
        own = context if context.dim() == 3 else context.expand(len(self), *context.shape)
        size = self.at_once(context.shape[-2])
        again = size < len(self) and torch.is_grad_enabled()
        parts = []
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            states = [each[rows] if each.dim() == 3 else each for each in deep]
            asked = own[rows], self.embeddings[rows], self.ends[rows], states, update and update(start)
            if again:
                part = checkpoint(self._encode, *asked, use_reentrant=False, preserve_rng_state=False)
            else:
                part = self._encode(*asked)
            parts.append(part)
        return torch.cat(parts)

    def fixed(self, context: Tensor) -> Tensor:
        """:meth:`features` without gradients. As long as the context is the same object, they are computed once."""
        if self._fixed is None or self._fixed[0] is not context:
            with torch.no_grad():
                self._fixed = context, self.features(context)
        return self._fixed[1]

    def _encode(
        self,
        context: Tensor,
        embeddings: Tensor,
        ends: Tensor,
        deep: Sequence[Tensor],
        update: Update | None,
    ) -> Tensor:
        self.passes += len(embeddings)
        context = context.to(embeddings.device)
        longest = int(ends.max()) + 1
        texts = torch.cat([embeddings[:, : self.before], context, embeddings[:, self.before : longest]], dim=1)
        states = [each.to(embeddings.device) for each in deep]
        ends = ends + context.shape[1]
        return self.towers.encode_embeddings(texts, ends, deep=states, update=update).cpu()


def class_texts(
    towers: TunableTowers, names: Sequence[str], words: str, *, chunk: int | None = None
) -> tuple[ClassTexts, Tensor]:
    """The texts "WORDS NAME." without their first words, and the (M, W) embeddings of these words, on the CPU.

    Args:
        words: the first words; if they are empty, the second answer has the embedding of a placeholder.

    Raises:
        TransferError: the tokens of the words differ from class to class, so that nothing can take their place.
    """
    first = words or PLACEHOLDER
    alone, empty = towers.token_embeddings([first]), towers.token_embeddings([""])
    before, end = int(empty.ends[0]), int(alone.ends[0])
    full = towers.token_embeddings([f"{first} {name.replace('_', ' ')}." for name in names])
    differing = (full.ids[:, :end] != alone.ids[:, :end]).any(dim=1)
    if bool(differing.any()):
        name = names[int(differing.int().argmax())]
        raise TransferError(
            f"the model's tokens of {first!r} are others before the class name {name!r}, so they have no place",
            hint="Use other first words, with --option words=….",
        )
    rest = torch.cat([full.embeddings[:, :before], full.embeddings[:, end:]], dim=1)
    return ClassTexts(towers, rest, before, full.ends - (end - before), chunk), alone.embeddings[0, before:end].cpu()


def whole_texts(towers: TunableTowers, texts: Sequence[str], *, chunk: int | None = None) -> tuple[ClassTexts, Tensor]:
    """N texts as they are, and (0, W): the context that :meth:`ClassTexts.features` then takes."""
    found = towers.token_embeddings(texts)
    before = int(towers.token_embeddings([""]).ends[0])
    return ClassTexts(towers, found.embeddings, before, found.ends, chunk), torch.empty(0, towers.text_width)
