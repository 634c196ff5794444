"""Reads images as their own feature and the features of their patches. Methods that compare patches with texts use it.

An image passes the model's own resize and crop. If its sides are then no multiples of the patch size, as of ConSE, it
is cut around its centre to the next lower multiples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from vlmbench.data.base import Chosen, ImageDataset
from vlmbench.errors import TransferError, UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.batch import ImageBatch
from vlmbench.features.patches import patch_features
from vlmbench.models.base import DenseEncoder, capability
from vlmbench.registry import did_you_mean
from vlmbench.transfer.encoded import encoded, memory_key
from vlmbench.transfer.views import ViewDataset

AUTO = "auto"
PLAIN = "plain"
"""The readout of the published code of CALIP and PLOT: the last block as it is, at the place of each patch."""
MOST_KEPT = 2**28
"""About how many bytes of patch features are kept in memory for the next method, shots and draw."""


def settled_readout(engine: FeatureEngine, readout: str) -> str:
    """The readout of a model: the one that was asked for; "auto" is the plain one, or else the first.

    Raises:
        TransferError: the model has no patch features.
        UsageError: it has no such readout.
    """
    known = _dense(engine).readouts
    if readout == AUTO:
        return PLAIN if PLAIN in known else known[0]
    if readout not in known:
        raise UsageError(
            f"{engine.model.card.name} has no readout {readout!r} of patch features", hint=did_you_mean(readout, known)
        )
    return readout


def patch_batches(engine: FeatureEngine, chosen: Chosen, settings: Mapping[str, Any]) -> Iterable[ImageBatch]:
    """(B, 1 + P, D): the image's own feature first. Images that cannot be read are left out.

    They are kept in memory if they take less than :data:`MOST_KEPT` bytes, and computed again otherwise.
    """
    readout = settled_readout(engine, settings.get("readout", AUTO))
    whole = encoded(engine, chosen, all_of="")
    key = ("patches", *memory_key(chosen), readout)
    found = engine.memory.get(key)
    if found is not None:
        yield from found[1]
        return
    kept, size, rows = list[ImageBatch](), 0, {index: row for row, index in enumerate(whole.indices)}
    for indices, patches in _batches(engine, chosen.dataset, whole.indices, readout):
        own = whole.features[[rows[index] for index in indices]]
        features = torch.cat([own[:, None], patches], dim=1)
        batch = ImageBatch(indices, features, [whole.contents[index] for index in indices])
        size += features.nbytes
        if size <= MOST_KEPT:
            kept.append(batch)
        else:
            kept.clear()
        yield batch
    if size <= MOST_KEPT:
        engine.memory.put(key, (chosen.dataset, kept), size)  # with the dataset, so that its id stays its own


def patch_views(engine: FeatureEngine, chosen: Chosen, readout: str, *, views: int = 1) -> Tensor:
    """(V, N, 1 + P, D): V views of each of N support images, each with its own feature first.

    Args:
        readout: as :func:`settled_readout` gives it.

    Raises:
        DataError: with ``--skip-bad``, an image cannot be read.
    """
    own = encoded(engine, chosen, views=views).views
    dataset: ImageDataset = chosen.dataset
    wanted: Sequence[int] = chosen.indices
    if views > 1:
        dataset, wanted = ViewDataset(dataset, wanted, views), range(len(wanted) * views)
    rows = torch.cat([features for _, features in _batches(engine, dataset, wanted, readout)])
    patches = rows.reshape(len(chosen.indices), views, *rows.shape[1:]).transpose(0, 1)
    return torch.cat([own[:, :, None], patches], dim=2)


def _batches(
    engine: FeatureEngine, dataset: ImageDataset, wanted: Sequence[int], readout: str
) -> Iterator[tuple[list[int], Tensor]]:
    """B samples and their patches, (B, P, D) on the CPU, in order."""
    dense, size = _dense(engine), engine.settings.batch_size
    prepared = engine.prepared(dataset, wanted)
    try:
        while ready := list(islice(prepared, size)):
            windows = [_window(engine, each.pixels, dense.patch_size) for each in ready]
            features = patch_features(engine, dense, windows, readout).flatten(2).transpose(1, 2)
            yield [each.index for each in ready], features.cpu()
    finally:
        prepared.close()


def _window(engine: FeatureEngine, pixels: object, patch: int) -> Tensor:
    """The pixels of one image, cut around its centre to multiples of the patch size.

    Raises:
        TransferError: the model's transform gives something else than pixels, or too few of them.
    """
    if not isinstance(pixels, Tensor):
        raise TransferError(f"{engine.model.card.name}: its transform gives no plain pixels, so patches have no place")
    height, width = (side // patch * patch for side in pixels.shape[-2:])
    if not height or not width:
        raise TransferError(f"{engine.model.card.name}: its images are smaller than a patch of {patch} pixels")
    top, left = (pixels.shape[-2] - height) // 2, (pixels.shape[-1] - width) // 2
    return pixels[:, top : top + height, left : left + width]


def _dense(engine: FeatureEngine) -> DenseEncoder:
    dense = capability(engine.model, DenseEncoder)
    if dense is None:
        raise TransferError(f"{engine.model.card.name} does not offer DenseEncoder, which gives features of patches")
    return dense
