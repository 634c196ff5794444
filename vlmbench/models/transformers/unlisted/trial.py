"""Tries a dual encoder on one image and two texts when it is loaded, if its family does not fix what its towers return.

The families of any towers and of unknown types make their models with it.
"""

from __future__ import annotations

from collections.abc import Mapping

import PIL.Image
import torch

from vlmbench.errors import UnsupportedError, first_line
from vlmbench.models.base import Pixels
from vlmbench.models.transformers.family import EncoderFamily, Parts
from vlmbench.models.transformers.model import TransformersDualEncoder

_TEXTS = ("a", "a photo of a cat that is much longer than the other text")
_ROUNDING = 1e-3
"""Features of unit length may differ by so much because a batch has another size."""


def tried_model(family: EncoderFamily, parts: Parts) -> TransformersDualEncoder:
    """Make the model, and check that its features are usable.

    Raises:
        UnsupportedError: the library cannot encode, or returns no vectors of one length, or a text's features depend on
            the texts beside it.
    """
    try:
        model = TransformersDualEncoder(family, parts)
        with torch.inference_mode():
            texts = model.encode_text(_TEXTS)
            alone = model.encode_text(_TEXTS[:1])
            images = model.encode_image(_on(model, model.preprocess(PIL.Image.new("RGB", (96, 64), (90, 120, 150)))))
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, RuntimeError) as error:
        said = f": {first_line(str(error))}" if str(error).strip() else ""
        reason = f"it cannot be called like a dual encoder: {type(error).__name__}{said}"
        raise refusal(parts, reason) from error
    if images.ndim != 2 or texts.ndim != 2 or images.shape[1] != texts.shape[1]:
        raise refusal(
            parts,
            f"its features of an image have the shape {tuple(images.shape)} and those of two texts "
            f"{tuple(texts.shape)}, so they are not vectors in one space",
        )
    if not (torch.isfinite(images).all() and torch.isfinite(texts).all()):
        raise refusal(parts, "its features of a plain image or of a short text are not finite")
    apart = float((texts[:1] - alone).abs().max())
    if apart > _ROUNDING:
        raise refusal(
            parts, f"the features of a text change by up to {apart:.2g} with the length of the texts beside it"
        )
    return model


def _on(model: TransformersDualEncoder, pixels: Pixels) -> Pixels:
    """A batch of one image, on the model's device."""
    if isinstance(pixels, Mapping):
        return {name: tensor[None].to(model.device) for name, tensor in pixels.items()}
    return pixels[None].to(model.device)


def refusal(parts: Parts, reason: str) -> UnsupportedError:
    """The error for a network that cannot be used as a dual encoder, with the reason as a sentence."""
    return UnsupportedError(
        f"{parts.spec or parts.card.name}: vlmbench cannot use {type(parts.network).__name__} as a dual encoder: "
        f"{reason}",
        hint="Write an adapter that calls it as its authors do (docs: extend/model), or give its two encoders as "
        "functions to vlmbench.as_model.",
    )
