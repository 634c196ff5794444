"""Runs an image tower for methods that train through it: in pieces that fit into memory, with a count of the passes.

:mod:`vlmbench.transfer.imaged` makes one for each draw, and classifiers keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from vlmbench.features.batches import halving, rows_of
from vlmbench.features.precision import forward_pass
from vlmbench.models.tunable import TunableImageTower

MOST_BYTES = 2**31
"""How much a backward pass may keep of all images before they go through the tower in pieces."""


@dataclass
class ImageTower:
    """A model's image tower on its device.

    Attributes:
        piece: how many images go through the tower at once when weights are learnt; None: as many as a measurement
            allows.
        passes: how many images went through the tower so far; those that are computed twice count twice.
    """

    tower: TunableImageTower
    device: torch.device
    piece: int | None = None
    passes: int = field(default=0, compare=False)
    _fits: dict[tuple[int, ...], int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def dtype(self) -> torch.dtype:
        """Of the parameters."""
        return next(iter(self.tower.parameters().values())).dtype

    def moved(self, numbers: Tensor) -> Tensor:
        """Floats on the tower's device, in its precision."""
        return numbers.to(self.device, self.dtype)

    def features(
        self, pixels: Tensor, *, prompts: Sequence[Tensor] = (), weights: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Encode (B, 3, H, W), anywhere, to (B, D) on the device, unit length.

        The arguments are those of :meth:`~vlmbench.models.tunable.TunableImageTower.encode_pixels`. With gradients, a
        batch that is too large goes through the tower in pieces. The backward pass then computes each piece again, so
        that it keeps one piece in memory.
        """
        images = self.moved(pixels)
        if not torch.is_grad_enabled():
            every = range(len(images))
            return rows_of(halving(lambda rows: self._encode(images[[*rows]], _rows(prompts, rows), weights), every))
        size = self._at_once(images, prompts, weights)
        if size >= len(images):
            return self._encode(images, prompts, weights)
        parts = []
        for start in range(0, len(images), size):
            rows = slice(start, start + size)
            given = images[rows], _rows(prompts, rows), weights
            parts.append(checkpoint(self._encode, *given, use_reentrant=False, preserve_rng_state=False))
        return torch.cat(parts)

    def _encode(self, images: Tensor, prompts: Sequence[Tensor], weights: Mapping[str, Tensor] | None) -> Tensor:
        self.passes += len(images)
        return self.tower.encode_pixels(images, prompts=prompts, weights=weights)

    def _at_once(self, images: Tensor, prompts: Sequence[Tensor], weights: Mapping[str, Tensor] | None) -> int:
        """How many images go through the tower at once: what two images keep more than one is measured."""
        if self.piece is not None or len(images) < 2:
            return self.piece or 1
        shape = (*images.shape[1:], *(length for prompt in prompts for length in prompt.shape[-2:]))
        if shape not in self._fits:

            def kept(count: int) -> int:
                return _kept(lambda: self._encode(images[:count], _rows(prompts, slice(count)), weights))

            self._fits[shape] = max(1, MOST_BYTES // max(1, kept(2) - kept(1)))
        return self._fits[shape]


def _rows(prompts: Sequence[Tensor], rows: slice | Sequence[int]) -> Sequence[Tensor]:
    """The prompts of some images. Prompts of (P, W) are those of every image."""
    chosen = rows if isinstance(rows, slice) else [*rows]
    return [prompt[chosen] if prompt.dim() == 3 else prompt for prompt in prompts]


def _kept(call: Callable[[], Tensor]) -> int:
    """How many bytes are kept for a backward pass. Tensors that share memory count once."""
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        found = call()  # as long as it lives, no other tensor takes the place of one that is kept
    kept = sum(sizes.values())
    del found
    return kept


@dataclass(frozen=True)
class TowerClassifier:
    """A classifier that encodes each image with a changed tower.

    Attributes:
        encode: (B, 3, H, W) pixels to (B, D) on the tower's device, unit length.
        weights: (C, D), on the tower's device.
        bias: (C,), there too; or None.
    """

    tower: ImageTower
    encode: Callable[[Tensor], Tensor]
    weights: Tensor
    scale: float
    bias: Tensor | None = None

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, C), on the CPU."""
        with forward_pass(self.tower.device, "fp32", gradients=True), torch.no_grad():
            products = self.encode(inputs) @ self.weights.T
            return (products if self.bias is None else products + self.bias).cpu()
