"""What makes a model a dual encoder, and what a model that is none is told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from toy_adapter import toy

from vlmbench.cards import ModelCard
from vlmbench.errors import UnsupportedError
from vlmbench.models.base import ENCODERS, dual_encoder, lacks_encoders


def test_a_dual_encoder_lacks_nothing() -> None:
    model = toy()
    assert lacks_encoders(model) is None and dual_encoder(model) is model


@pytest.mark.parametrize("missing", ENCODERS)
def test_each_part_of_a_dual_encoder_is_needed(missing: str) -> None:
    whole = toy()
    parts = {name: getattr(whole, name) for name in ENCODERS if name != missing}
    model = SimpleNamespace(card=whole.card, capabilities={}, **parts)
    assert f"(it lacks {missing})" in (lacks_encoders(model) or "")  # type: ignore[arg-type]


def test_what_else_the_model_can_be_asked_is_named() -> None:
    model = SimpleNamespace(card=ModelCard(name="finder", adapter="x"), capabilities={"Detector": object()})
    with pytest.raises(UnsupportedError, match=r"finder: it does not .* can be used for boxes"):
        dual_encoder(model)  # type: ignore[arg-type]
