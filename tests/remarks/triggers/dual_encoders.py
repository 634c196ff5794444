"""What dual encoders of transformers say: a family that is not known, and a scale that no file holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from remarks.trigger import Arguments, Trigger, images, model_card


def scale_assumed(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    pytest.importorskip("transformers", reason="the transformers extra is not installed")
    from models.dual_checkpoints import blip

    return (*model_card(top, "transformers", blip(top / "blip")), *images(top))


def unverified_family(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    pytest.importorskip("transformers", reason="the transformers extra is not installed")
    from models.dual_checkpoints import own_folder, own_modules

    own_modules(top / "modules", patch)
    return (*model_card(top, "transformers", own_folder(top / "own")), *images(top), "--trust-remote-code")


TRIGGERS = {
    "scale-assumed": Trigger(
        scale_assumed,
        "the checkpoint has no logit scale, so confidences use the factor 14.29, with which BLIP's training begins; "
        "rankings do not depend on it",
        "scale assumed",
    ),
    "unverified-family": Trigger(
        unverified_family,
        "vlmbench does not know the model type 'own-encoder'; it calls OwnEncoder's feature functions, pads texts to "
        "the longest (with a mask) and cuts them at 12 tokens",
        "unverified family",
    ),
}
