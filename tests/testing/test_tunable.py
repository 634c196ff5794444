"""The checks of capabilities with gradients find towers that break their promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from models import tiny_weights
from models.tiny import shaken
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.models.base import LoadOptions, capability
from vlmbench.models.open_clip.adapter import load
from vlmbench.models.tunable import TunableImageTower, TunableTowers
from vlmbench.testing.checks.capabilities.tunable import check_tunable, check_tunable_image
from vlmbench.testing.conformance import Inspection

LOADED: dict[str, Any] = {}


@pytest.fixture(params=["tiny-vit", "tiny-resnet"])
def model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    tiny_weights.make_known(monkeypatch, tmp_path / "configs")
    name = request.param
    if name not in LOADED:
        card = ModelCard(name=name, adapter="open_clip", spec=name, options={"random_seed": 0})
        LOADED[name] = shaken(load(card, LoadOptions(offline=True)))
        LOADED[name].network.requires_grad_(True)
    return LOADED[name]


def broken(model: Any, found: Any) -> list[str]:
    inspection = Inspection("a tower")
    check = check_tunable_image if hasattr(found, "image_width") else check_tunable
    check(inspection, model, found, rounding=1e-4)
    assert inspection.kept or inspection.broken
    return [f"{each.promise} | {each.found}" for each in inspection.broken]


class Tower:
    """A tower with a flaw in what it passes on, or gives."""

    def __init__(self, tower: Any, flaw: str, network: Any = None) -> None:
        self._tower, self._flaw, self._network = tower, flaw, network

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tower, name)

    def _called(self, name: str, *inputs: Tensor, **given: Any) -> Tensor:
        if self._flaw == "unknown weights" and given.get("weights"):
            given["weights"] = {n: value for n, value in given["weights"].items() if "." in n}
        given |= {name: () for name in ("prompts", "deep") if self._flaw == "no prompts" and name in given}
        if self._flaw in ("weights", "update") and self._flaw in given:
            given[self._flaw] = None
        found: Tensor = getattr(self._tower, name)(*inputs, **given)
        if self._flaw == "detached":
            return found.detach()
        if self._flaw == "own gradient":
            return found + 0 * next(self._network.parameters()).sum()
        return found.flip(-1) if self._flaw == "other features" else found

    def encode_pixels(self, *inputs: Tensor, **given: Any) -> Tensor:
        return self._called("encode_pixels", *inputs, **given)

    def encode_embeddings(self, *inputs: Tensor, **given: Any) -> Tensor:
        return self._called("encode_embeddings", *inputs, **given)


def test_towers_of_open_clip_keep_the_promises(model: Any) -> None:
    assert broken(model, capability(model, TunableTowers)) == []
    assert broken(model, capability(model, TunableImageTower)) == []


FLAWS = {
    "other features": "they differ by up to",
    "detached": "the features give no gradients",
    "own gradient": "a parameter of the model has a gradient",
    "update": "the update is not called|an update is accepted",
    "no prompts": "the gradient of a state|blocks are accepted",
}
OF_IMAGES = {
    "weights": "no weight gets a gradient|the features give no gradients",
    "unknown weights": "unknown name is accepted",
}


@pytest.mark.parametrize(
    ("kind", "flaw", "found"),
    [
        *((TunableTowers, *each) for each in FLAWS.items()),
        *((TunableImageTower, *each) for each in {**FLAWS, **OF_IMAGES}.items()),
    ],
)
def test_a_broken_tower_is_caught(model: Any, kind: type, flaw: str, found: str) -> None:
    said = broken(model, Tower(capability(model, kind), flaw, model.network))
    assert any(any(part in each for part in found.split("|")) for each in said), said
