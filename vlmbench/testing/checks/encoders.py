"""Checks of the two encoders of a dual encoder; :func:`vlmbench.testing.check_model` calls them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from vlmbench.models.base import Model, Pixels, VisionLanguageModel
from vlmbench.models.multi_vector import MultiVectorEncoder
from vlmbench.rgb import as_rgb
from vlmbench.testing.checks import inputs
from vlmbench.testing.checks.features import (
    LOW_PRECISION,
    apart,
    different,
    require_features,
    same_pixels,
    shapes,
    stacked,
    to_device,
)
from vlmbench.testing.conformance import Inspection
from vlmbench.wording import listed

_THREADS = 4
_FEW = 2
"""Different features that are too few of the images; of the texts, a model that knows few words may have no more."""


def check_encoders(
    inspection: Inspection,
    model: VisionLanguageModel,
    *,
    again: Callable[[], Model] | None,
    more_texts: Sequence[str],
    any_mode: bool,
    rounding: float,
) -> None:
    """Check the image transform, both encoders, and embedding_dim, logit_scale and logit_bias.

    Args:
        again: a function that loads the model once more; None if this is not possible.
        more_texts: texts to encode besides the usual ones; see :func:`vlmbench.testing.check_model`.
        any_mode: whether the transform gets images of every mode, or only RGB.
        rounding: how much features may differ that should be equal.
    """
    _check_numbers(inspection, model)
    pixels = check_preprocess(inspection, model, any_mode=any_mode)
    with torch.inference_mode():
        images = _check_images(inspection, model, pixels, rounding) if pixels is not None else None
        asked = [*inputs.TEXTS, *more_texts]
        texts = _check_texts(inspection, model, asked, rounding)
        _check_autocast(inspection, model, pixels)
        promise = "Loaded twice, it gives the same features"
        if again is None or pixels is None or images is None or texts is None:
            inspection.skip(
                promise, "the model was given already loaded" if again is None else "its features are broken"
            )
            return
        with inspection.promise(promise, fix="Set a seed for everything that is random while the model is loaded."):
            second: VisionLanguageModel = again()  # type: ignore[assignment]
            for first, other in (
                (images, second.encode_image(to_device(stacked(pixels), model.device))),
                (texts, second.encode_text(asked)),
            ):
                difference = apart(first, other)
                inspection.require(difference <= rounding, f"features differ by up to {difference:.3g}")


def _check_numbers(inspection: Inspection, model: VisionLanguageModel) -> None:
    with inspection.promise(
        "embedding_dim, logit_scale and logit_bias are numbers, and the scale is above 0",
        fix="Give the scale after exp(). If the model has no scale, write 1.0. If it has no bias, write 0.0.",
    ):
        dim, scale, bias = model.embedding_dim, model.logit_scale, model.logit_bias
        inspection.require(isinstance(dim, int) and dim > 0, f"embedding_dim is {dim!r}")
        inspection.require(_finite(scale) and scale > 0, f"logit_scale is {scale!r}")
        inspection.require(_finite(bias), f"logit_bias is {bias!r}")


def check_preprocess(
    inspection: Inspection, model: VisionLanguageModel | MultiVectorEncoder, *, any_mode: bool
) -> list[Pixels] | None:
    """Check the image transform. Returns the pixels of the images; None if it is broken."""
    pixels: list[Pixels] = []
    before = len(inspection.broken)
    with inspection.promise(
        "preprocess takes an RGB image of any size and returns (3, H, W) float32, or several tensors by name",
        fix="Apply the model's own transform. Resize, crop and normalise, so that images can be stacked.",
    ):
        pixels = [model.preprocess(image) for image in inputs.images()]
        first = pixels[0]
        if isinstance(first, Mapping):
            inspection.require(
                first and all(isinstance(each, Tensor) for each in first.values()), f"it gives {shapes_or_type(first)}"
            )
        else:
            inspection.require(isinstance(first, Tensor), f"it gives a {type(first).__name__}")
            inspection.require(
                first.ndim == 3 and first.shape[0] == 3 and first.dtype == torch.float32,
                f"it gives {first.dtype} of shape {tuple(first.shape)}",
            )
        seen = {repr(shapes(each)) for each in pixels}
        inspection.require(len(seen) == 1, f"images of different sizes give {listed(sorted(seen), most=2)}")
    if len(inspection.broken) > before:
        return None
    with inspection.promise(
        "preprocess gives the same pixels for the same image, and does not change the image",
        fix="Remove random crops, flips and jitter from the transform, and work on a copy of the image.",
    ):
        images = inputs.images()
        copies = [image.copy() for image in images]
        inspection.require(
            all(same_pixels(model.preprocess(image), first) for image, first in zip(images, pixels, strict=True)),
            "the second call gives other pixels",
        )
        inspection.require(
            all(image == copy for image, copy in zip(images, copies, strict=True)),
            "the given image has changed",
        )
    with inspection.promise(
        "preprocess gives the same pixels if several threads call it at once",
        fix="Do not store anything about an image in the transform's attributes.",
    ):
        with ThreadPoolExecutor(_THREADS) as pool:
            found = list(pool.map(model.preprocess, inputs.images() * 4))
        inspection.require(
            all(same_pixels(each, pixels[place % len(pixels)]) for place, each in enumerate(found)),
            f"{_THREADS} threads give other pixels than one thread",
        )
    promise = "preprocess takes images of every mode as vlmbench converts them"
    if not any_mode:
        inspection.skip(promise, "the protocol promises only RGB; any_mode=True checks all modes")
        return pixels
    with inspection.promise(promise, fix="Call vlmbench.rgb.as_rgb first: it leaves RGB as it is."):
        for mode in inputs.MODES:
            image = inputs.image_of_mode(mode)
            inspection.require(
                same_pixels(model.preprocess(image), model.preprocess(as_rgb(image))), f"mode {mode} gives other pixels"
            )
    return pixels


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def shapes_or_type(pixels: Mapping[str, object]) -> str:
    """The names and types in a mapping, in words."""
    return ", ".join(f"{name!r}: {type(value).__name__}" for name, value in pixels.items()) or "an empty mapping"


def _check_images(
    inspection: Inspection, model: VisionLanguageModel, pixels: list[Pixels], rounding: float
) -> Tensor | None:
    count, features = len(pixels), torch.empty(0)
    with inspection.promise(
        "encode_image gives finite features (B, D) of unit length on the model's device",
        fix="Return torch.nn.functional.normalize(features, dim=-1), and embedding_dim values a row.",
    ):
        batch = to_device(stacked(pixels), model.device)
        features = require_features(inspection, model.encode_image(batch), (count, model.embedding_dim), model.device)
    if not len(features):
        return None
    with inspection.promise(
        "encode_image is deterministic and does not change its input",
        fix="Switch dropout and other noise off, and do not write to the given tensor.",
    ):
        batch = to_device(stacked(pixels), model.device)
        difference = apart(model.encode_image(batch), features)
        inspection.require(difference <= rounding, f"the second call differs by up to {difference:.3g}")
        inspection.require(same_pixels(batch, to_device(stacked(pixels), model.device)), "the pixels have changed")
    with inspection.promise(
        "An image has the same features alone, in a batch, and in a batch of another order",
        fix="Compute each image on its own: no batch norm in training mode, no statistics over the batch.",
    ):
        alone = torch.cat([model.encode_image(to_device(stacked([each]), model.device)) for each in pixels])
        difference = apart(alone, features)
        inspection.require(difference <= rounding, f"alone they differ by up to {difference:.3g}")
        backwards = model.encode_image(to_device(stacked(pixels[::-1]), model.device)).flip(0)
        difference = apart(backwards, features)
        inspection.require(difference <= rounding, f"in another order they differ by up to {difference:.3g}")
    with inspection.promise(
        "Different images have different features", fix="Use the pixels, and check that the weights are loaded."
    ):
        count = different(features, rounding)
        found = "all images have the same features" if count == 1 else f"only {count} of {len(features)} do"
        inspection.require(count > _FEW, found)
    return features


def _check_texts(
    inspection: Inspection, model: VisionLanguageModel, texts: list[str], rounding: float
) -> Tensor | None:
    features, count = torch.empty(0), 0
    with inspection.promise(
        "encode_text gives finite features (N, D) of unit length for texts of every kind",
        fix="Accept empty texts, texts longer than the context, and any script. Cut texts that are too long.",
    ):
        features = require_features(
            inspection, model.encode_text(texts), (len(texts), model.embedding_dim), model.device
        )
    with inspection.promise(
        "encode_text gives (0, D) for an empty list", fix="Return torch.empty(0, embedding_dim) for an empty list."
    ):
        require_features(inspection, model.encode_text([]), (0, model.embedding_dim), model.device)
    if not len(features):
        return None
    with inspection.promise(
        "A text has the same features alone, in a list, and in a list of another order",
        fix="Mask the padding, so that the longest text of a batch does not change the others; switch dropout off.",
    ):
        alone = torch.cat([model.encode_text([text]) for text in texts])
        difference = apart(alone, features)
        inspection.require(difference <= rounding, f"alone they differ by up to {difference:.3g}")
        difference = apart(model.encode_text(texts[::-1]).flip(0), features)
        inspection.require(difference <= rounding, f"in another order they differ by up to {difference:.3g}")
    with inspection.promise("Different texts have different features", fix="Use the text, and check the tokenizer."):
        count = different(features, rounding)
        inspection.require(count > 1, "all texts have the same features")
    if 1 < count <= _FEW:
        why = f"{count} of {len(features)} do; give texts that the model knows: check_model(…, texts=[…])"
        inspection.skip("More than two texts have different features", why)
    return features


def _check_autocast(inspection: Inspection, model: VisionLanguageModel, pixels: list[Pixels] | None) -> None:
    with (
        inspection.promise(
            "Both encoders work under autocast to bfloat16",
            fix="Normalise in the type that autocast gives, and do not convert types yourself.",
        ),
        torch.autocast(torch.device(model.device).type, torch.bfloat16),
    ):
        found = [model.encode_text(inputs.TEXTS)]
        if pixels is not None:
            found.append(model.encode_image(to_device(stacked(pixels), model.device)))
        for features in found:
            inspection.require(bool(torch.isfinite(features).all()), "some values are NaN or infinite")
            furthest = float((features.float().norm(dim=-1) - 1).abs().max())
            inspection.require(furthest <= LOW_PRECISION, f"lengths differ from 1 by up to {furthest:.3g}")
