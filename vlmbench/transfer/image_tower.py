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
from vlmbench.models.tunable import TunableImageTower, Update

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
        self,
        pixels: Tensor,
        *,
        prompts: Sequence[Tensor] = (),
        weights: Mapping[str, Tensor] | None = None,
        update: Callable[[int], Update] | None = None,
    ) -> Tensor:
        """Encode (B, 3, H, W), anywhere, to (B, D) on the device, unit length.

        The arguments are those of :meth:`~vlmbench.models.tunable.TunableImageTower.encode_pixels`. With gradients, a
        batch that is too large goes through the tower in pieces. The backward pass then computes each piece again, so
        that it keeps one piece in memory. ``update`` is called with the number of a piece's first image. What it gives
        must compute the same when the piece is computed again.
        """
        images = self.moved(pixels)

        def encode(start: int, stop: int) -> Tensor:
            self.passes += stop - start
            own = [prompt[start:stop] if prompt.dim() == 3 else prompt for prompt in prompts]
            change = None if update is None else update(start)
            return self.tower.encode_pixels(images[start:stop], prompts=own, weights=weights, update=change)

        if not torch.is_grad_enabled():
            return rows_of(halving(lambda rows: encode(rows[0], rows[-1] + 1), range(len(images))))
        size = self.piece or self._fitting(images, prompts, encode)
        if size >= len(images):
            return encode(0, len(images))
        parts = []
        for start in range(0, len(images), size):
            rows = start, min(start + size, len(images))
            parts.append(checkpoint(encode, *rows, use_reentrant=False, preserve_rng_state=False))
        return torch.cat(parts)

    def _fitting(self, images: Tensor, prompts: Sequence[Tensor], encode: Callable[[int, int], Tensor]) -> int:
        """How many images go through the tower at once: what two images keep more than one is measured."""
        if len(images) < 2:
            return 1
        shape = (*images.shape[1:], *(length for prompt in prompts for length in prompt.shape[-2:]))
        if shape not in self._fits:
            one, two = _kept(lambda: encode(0, 1)), _kept(lambda: encode(0, 2))
            self._fits[shape] = max(1, MOST_BYTES // max(1, two - one))
        return self._fits[shape]


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
