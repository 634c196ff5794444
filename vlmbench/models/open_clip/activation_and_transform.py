"""What a spec leaves open, decided and told: the activation and the image transform of a set of weights."""

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
"""A field of open_clip's image transform, to the card's option that sets it."""

TRANSFORM_KEYS = (*TRANSFORM_OPTIONS, "fill_color")
"""What a pretrained config decides of the image transform. Its size is that of the image tower."""


def choose_activation(source: Source, configured: bool, wanted: bool | None, facts: Facts) -> bool | None:
    """Which activation to build with; what a user must know of it becomes a remark.

    What the user wrote wins (the option, then an architecture ending in ``-quickgelu``), with a warning where evidence
    contradicts it. Then evidence corrects the architecture's default. Without evidence a local file is loaded as
    written, and the note says how to change that.

    Args:
        configured: whether the architecture's own activation is QuickGELU.
        wanted: the option ``quick_gelu``.
        facts: what is known of the weights.

    Returns:
        The activation to force; None: the architecture's own.
    """
    explicit = configured if wanted is None and source.name.endswith(QUICKGELU_SUFFIX) else wanted
    if explicit is not None:
        if facts.quick_gelu is None or facts.quick_gelu == explicit:
            return explicit
        say(
            ACTIVATION_MISMATCH,
            f"the model was built with {_activation(explicit)} as asked, but by {facts.evidence} the weights were "
            f"trained with {_activation(facts.quick_gelu)}; the numbers are too low if that is so",
        )
        return explicit
    if facts.quick_gelu is None:
        if source.path is None or not has_quickgelu_twin(source.name):
            return None
        say(
            ACTIVATION_ASSUMED,
            f"the activation {_activation(configured)} was assumed, as {source.name} has it, and nothing tells which "
            f"one these weights were trained with; if it was QuickGELU, write {source.name}{QUICKGELU_SUFFIX} or set "
            "the option quick_gelu: true, and if not, set quick_gelu: false",
        )
        return None
    if facts.quick_gelu == configured:
        return None
    say(
        ACTIVATION_CORRECTED,
        f"{source.name} means the activation {_activation(configured)}, but by {facts.evidence} these weights were "
        f"trained with {_activation(facts.quick_gelu)}, which was used",
    )
    return facts.quick_gelu


def _activation(quick_gelu: bool) -> str:
    return "QuickGELU" if quick_gelu else "GELU"


def choose_transform(source: Source, options: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """The fields of the image transform to force; what a user must know of them becomes a remark.

    open_clip prepares images for a local file as OpenAI did, whatever the architecture; SigLIP's, CLIPA's and
    MobileCLIP's weights want something else, and lose accuracy without a word.
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
                "OpenAI's mean and deviation of colours were assumed, and the weights published for "
                f"{source.name} differ in theirs; set the options image_mean and image_std if these weights were "
                "trained with others",
            )
    return known | forced


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value
