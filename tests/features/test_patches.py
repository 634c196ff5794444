"""Patch features through the engine are the encoder's own, checked."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from toy_dense import toy_model

from vlmbench.errors import ModelError, NonFiniteFeaturesError
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.features.patches import patch_features
from vlmbench.testing.toy_models import DIM
from vlmbench.testing.toy_parts import PATCH, ToyPatches

WINDOWS = list(torch.rand(5, 3, 2 * PATCH, 3 * PATCH, generator=torch.Generator().manual_seed(0)))


class Flawed(ToyPatches):
    def __init__(self, flaw: str) -> None:
        super().__init__()
        self.flaw = flaw

    def encode_patches(self, pixels: Tensor, readout: str) -> Tensor:
        features = super().encode_patches(pixels, readout)
        if self.flaw == "nan":
            features[-1, 0, 0, 0] = float("nan")
        return features[:, :, 1:] if self.flaw == "shape" else features


def test_batches_make_no_difference() -> None:
    encoder = ToyPatches()
    engine = FeatureEngine(toy_model(patches=encoder), EngineSettings(batch_size=2))
    features = patch_features(engine, encoder, WINDOWS, "other")
    assert [shape[0] for shape in encoder.calls] == [2, 2, 1] and features.shape == (5, DIM, 2, 3)
    torch.testing.assert_close(features, encoder.encode_patches(torch.stack(WINDOWS), "other"), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("flaw", "error", "message"),
    [
        ("shape", ModelError, r"'plain' returned shape \(5, 16, 1, 3\), not \(5, 16, 2, 3\)"),
        ("nan", NonFiniteFeaturesError, "'plain' returned patch features that are NaN"),
    ],
)
def test_what_no_patch_features_can_be_is_refused(flaw: str, error: type[Exception], message: str) -> None:
    encoder = Flawed(flaw)
    with pytest.raises(error, match=message):
        patch_features(FeatureEngine(toy_model(patches=encoder), EngineSettings()), encoder, WINDOWS, "plain")
