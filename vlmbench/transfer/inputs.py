"""Reads images in the form that a classifier takes them. Classification calls it for the test images.

Each form of :data:`~vlmbench.transfer.base.Reads` has a reader in :data:`READERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vlmbench.data.base import Chosen
from vlmbench.errors import TransferError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.batch import ImageBatch
from vlmbench.transfer.base import Reads, TransferMethod
from vlmbench.transfer.encoded import encoded
from vlmbench.transfer.patch_inputs import patch_batches
from vlmbench.transfer.pixels import pixel_batches
from vlmbench.transfer.two_model_inputs import two_model_batches
from vlmbench.transfer.view_inputs import view_batches

Reader = Callable[[FeatureEngine, Chosen, Mapping[str, Any]], Iterable[ImageBatch]]
"""The engine, the images and the method's settings to batches, whose ``features`` are what the classifier takes."""


def _features(engine: FeatureEngine, chosen: Chosen, settings: Mapping[str, Any]) -> Iterable[ImageBatch]:
    """(B, D) features, from memory after the first call."""
    return encoded(engine, chosen, all_of="").batches()


READERS: dict[Reads, Reader] = {
    "features": _features,
    "pixels": pixel_batches,
    "patches": patch_batches,
    "views": view_batches,
    "two-models": two_model_batches,
}

PASSES: dict[Reads, int] = {"features": 1, "pixels": 1, "patches": 2, "views": 1, "two-models": 2}
"""How many passes through an image tower one view of an image takes in each form: patches are a pass of their own,
beside the image's feature, and another model's feature is one through its tower."""


def inputs(
    engine: FeatureEngine, chosen: Chosen, method: TransferMethod, settings: Mapping[str, Any]
) -> Iterable[ImageBatch]:
    """The images as the method's classifiers take them. Each call reads them anew, or takes them from memory.

    Raises:
        TransferError: no reader is known for what the method reads.
    """
    reader = READERS.get(method.reads)
    if reader is None:
        raise TransferError(f"the transfer method {method.name} reads {method.reads}, which no task gives")
    return reader(engine, chosen, settings)
