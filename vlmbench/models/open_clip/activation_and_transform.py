"""Chooses the activation and the image transform that a spec leaves open, with remarks. The adapter uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import open_clip
from open_clip.transform import PreprocessCfg

from vlmbench.models.open_clip.pretrained import QUICKGELU_SUFFIX, Facts, has_quickgelu_twin
from vlmbench.models.open_clip.spec import Source
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import (
    ACTIVATION_ASSUMED,
    ACTIVATION_CORRECTED,
    ACTIVATION_MISMATCH,
    TRANSFORM_ASSUMED,
    TRANSFORM_TAKEN,
)

TRANSFORM_OPTIONS = {
    "mean": "image_mean",
    "std": "image_std",
    "interpolation": "image_interpolation",
    "resize_mode": "image_resize_mode",
}
"""Maps a field of open_clip's image transform to the card's option that sets it."""

TRANSFORM_KEYS = (*TRANSFORM_OPTIONS, "fill_color")
"""The fields of the image transform that a pretrained config sets. The image tower sets the size."""


def choose_activation(source: Source, configured: bool, wanted: bool | None, facts: Facts) -> bool | None:
    """Choose the activation of the network. Remarks tell the user about corrections and assumptions.

    The user's choice comes first: the option, or else an architecture that ends in ``-quickgelu``. A remark warns if
    evidence contradicts it. Next, evidence corrects the architecture's default. Without evidence a local file gets the
    architecture's default, and a remark says how to change that.

    Args:
        configured: whether the architecture's own activation is QuickGELU.
        wanted: the option ``quick_gelu``.
        facts: the evidence about the weights.

    Returns:
        Whether to force QuickGELU; None: the architecture's own activation.
    """
    explicit = configured if wanted is None and source.name.endswith(QUICKGELU_SUFFIX) else wanted
    if explicit is not None:
        if facts.quick_gelu is None or facts.quick_gelu == explicit:
            return explicit
        say(
            ACTIVATION_MISMATCH,
            f"the model was built with {_activation(explicit)} as you asked, but {facts.evidence} says that the "
            f"weights were trained with {_activation(facts.quick_gelu)}. If so, the numbers are too low",
        )
        return explicit
    if facts.quick_gelu is None:
        if source.path is None or not has_quickgelu_twin(source.name):
            return None
        say(
            ACTIVATION_ASSUMED,
            f"the activation {_activation(configured)} of {source.name} was assumed, because nothing shows with which "
            f"one these weights were trained. If it was QuickGELU, write {source.name}{QUICKGELU_SUFFIX} or set the "
            "option quick_gelu: true; if not, set quick_gelu: false",
        )
        return None
    if facts.quick_gelu == configured:
        return None
    say(
        ACTIVATION_CORRECTED,
        f"{source.name} has the activation {_activation(configured)}, but {facts.evidence} says that these weights "
        f"were trained with {_activation(facts.quick_gelu)}. That activation was used",
    )
    return facts.quick_gelu


def _activation(quick_gelu: bool) -> str:
    return "QuickGELU" if quick_gelu else "GELU"


def choose_transform(source: Source, options: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Choose the fields of the image transform to force. Remarks tell the user about assumptions.

    For a local file open_clip uses OpenAI's transform for every architecture. The weights of SigLIP, CLIPA and
    MobileCLIP need other transforms, and would lose accuracy without a warning.
    """
    forced = {key: options[name] for key, name in TRANSFORM_OPTIONS.items() if options.get(name) is not None}
    known = {key: facts.preprocess[key] for key in TRANSFORM_KEYS if facts.preprocess.get(key) is not None}
    if source.path is not None:
        usual = asdict(PreprocessCfg())
        if any(_plain(value) != _plain(usual[key]) for key, value in known.items() if key not in forced):
            say(
                TRANSFORM_TAKEN,
                f"the image transform was taken from {facts.preprocess_evidence} and is not open_clip's default",
            )
        elif not known and not forced and open_clip.list_pretrained_tags_by_model(source.name):
            say(
                TRANSFORM_ASSUMED,
                "OpenAI's mean and deviation of colours were assumed, because the published weights of "
                f"{source.name} use different ones. If these weights were trained with others, set the options "
                "image_mean and image_std",
            )
    return known | forced


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value
