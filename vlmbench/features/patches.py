"""Computes patch features of images through the engine, and checks them.

The tasks of detection and segmentation use it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.errors import ModelError, NonFiniteFeaturesError
from vlmbench.features.batches import rows_of
from vlmbench.features.engine import FeatureEngine
from vlmbench.models.base import DenseEncoder


def patch_features(engine: FeatureEngine, encoder: DenseEncoder, windows: Sequence[Tensor], readout: str) -> Tensor:
    """Encode N windows of one size (3, H, W) to patch features (N, D, h, w), float32 on the model's device.

    Raises:
        ModelError: a single window does not fit into memory, or the encoder returned a wrong shape.
        NonFiniteFeaturesError: a feature is NaN or infinite.
    """

    def encode(chosen: Sequence[Tensor]) -> Tensor:
        return encoder.encode_patches(torch.stack(list(chosen)).to(engine.device), readout)

    features = rows_of(engine.ask(encode, windows)).float()
    sides = (side // encoder.patch_size for side in windows[0].shape[1:])
    expected = (len(windows), engine.encoders.embedding_dim, *sides)
    if tuple(features.shape) != expected:
        raise ModelError(f"readout {readout!r} returned shape {tuple(features.shape)}, not {expected}")
    if not bool(torch.isfinite(features).all()):
        raise NonFiniteFeaturesError(f"readout {readout!r} returned patch features that are NaN or infinite")
    return F.normalize(features, dim=1) if engine.settings.precision != "fp32" else features
