"""Checks the encoders of models that give images and texts several vectors: the capability MultiVectorEncoder.

:func:`vlmbench.testing.check_model` calls it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar, get_args

import torch
from torch import Tensor

from vlmbench.models.base import Model
from vlmbench.models.multi_vector import Ensemble, MultiVectorEncoder, Similarity
from vlmbench.testing.checks import inputs
from vlmbench.testing.checks.encoders import check_preprocess
from vlmbench.testing.checks.features import apart, different, stacked, to_device
from vlmbench.testing.conformance import Inspection

T = TypeVar("T")
_UNIT = 1e-3
"""How far a vector's length may be from 1."""


def check_multi_vector(inspection: Inspection, model: Model, encoder: MultiVectorEncoder, *, rounding: float) -> None:
    """Check both encoders of several vectors, and what the model states of them."""
    with inspection.promise(
        "MultiVectorEncoder: it states its similarity, its ensemble, its numbers of vectors, and its scale",
        fix="See vlmbench.models.multi_vector: the similarities and ensembles have names; a scale is after exp().",
    ):
        for name, known in (("similarity", get_args(Similarity)), ("ensemble", get_args(Ensemble))):
            inspection.require(getattr(encoder, name) in known, f"{name} is {getattr(encoder, name)!r}")
        for name in ("embedding_dim", "image_vectors", "text_vectors"):
            value = getattr(encoder, name)
            inspection.require(isinstance(value, int) and value > 0, f"{name} is {value!r}")
        scale = encoder.logit_scale
        inspection.require(
            isinstance(scale, (int, float)) and math.isfinite(scale) and scale > 0, f"logit_scale is {scale!r}"
        )
        inspection.require(
            encoder.text_vectors == 1 or encoder.similarity != "max over image vectors",
            f"a text has {encoder.text_vectors} vectors, but {encoder.similarity!r} compares one",
        )
    pixels = check_preprocess(inspection, encoder, any_mode=False)

    def of_texts(some: Sequence[str]) -> Tensor:
        return encoder.encode_text_vectors(list(some))

    with torch.inference_mode():
        if pixels is not None:
            own = pixels

            def of_images(places: Sequence[int]) -> Tensor:
                return encoder.encode_image_vectors(to_device(stacked([own[place] for place in places]), model.device))

            _check(inspection, model, "image", of_images, range(len(own)), encoder.image_vectors, encoder, rounding)
        _check(inspection, model, "text", of_texts, inputs.TEXTS, encoder.text_vectors, encoder, rounding)


def _check(
    inspection: Inspection,
    model: Model,
    what: str,
    encode: Callable[[Sequence[T]], Tensor],
    items: Sequence[T],
    vectors: int,
    encoder: MultiVectorEncoder,
    rounding: float,
) -> None:
    method, found = f"MultiVectorEncoder: encode_{what}_vectors", torch.empty(0)
    with inspection.promise(
        f"{method} gives finite vectors (N, {what}_vectors, D) of unit length, or zeros for padding",
        fix="Normalise each vector in the last dimension, and fill what is missing with zeros.",
    ):
        found = encode(items)
        wanted = (len(items), vectors, encoder.embedding_dim)
        inspection.require(tuple(found.shape) == wanted, f"the shape is {tuple(found.shape)}, not {wanted}")
        inspection.require(found.device == model.device, f"they are on {found.device}, not on {model.device}")
        inspection.require(bool(torch.isfinite(found).all()), "some values are NaN or infinite")
        lengths = found.float().norm(dim=2)
        off = torch.where(lengths == 0, 0.0, (lengths - 1).abs())
        inspection.require(float(off.max()) <= _UNIT, f"lengths differ from 1 by up to {float(off.max()):.3g}")
        inspection.require(bool((lengths > 0).any(dim=1).all()), f"some {what} has no vector that is not padding")
    if found.ndim != 3 or not len(found):
        return
    with inspection.promise(
        f"{method}: each {what} has the same vectors alone, in a batch, and in a batch of another order",
        fix="Mask the padding, and compute nothing over the batch.",
    ):
        alone = torch.cat([encode([item]) for item in items])
        difference = apart(alone, found)
        inspection.require(difference <= rounding, f"alone they differ by up to {difference:.3g}")
        difference = apart(encode(list(items)[::-1]).flip(0), found)
        inspection.require(difference <= rounding, f"in another order they differ by up to {difference:.3g}")
    with inspection.promise(
        f"{method}: different {what}s have different vectors", fix="Check that weights are loaded."
    ):
        inspection.require(different(found.flatten(1), rounding) > 1, f"all {what}s have the same vectors")
