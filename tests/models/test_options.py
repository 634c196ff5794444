"""Options of model cards."""

from __future__ import annotations

import pytest

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models.options import check_options

KNOWN = {"quick_gelu": (bool,), "image_size": (int, list)}


def card(**options: object) -> ModelCard:
    return ModelCard(name="model", adapter="open_clip", options=options)


def test_known_options_pass():
    check_options(card(quick_gelu=True, image_size=[3, 4]), KNOWN)
    check_options(card(image_size=336), KNOWN)
    check_options(card(), KNOWN)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quickgelu": True}, "Did you mean 'quick_gelu'"),
        ({"zzz": True}, "Known: image_size, quick_gelu"),
        ({"quick_gelu": 1}, "must be of type bool"),
        ({"image_size": True}, "must be of type int or list"),
        ({"image_size": None}, "must be of type int or list"),
    ],
)
def test_others_are_refused(options, message):
    with pytest.raises(ModelError, match=message):
        check_options(card(**options), KNOWN)
