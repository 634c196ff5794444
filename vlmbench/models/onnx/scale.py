"""Finds the factor of the logits, which graphs do not state. The adapter uses it.

config.json has only the value with which training began (``logit_scale_init_value``), so it is not used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vlmbench.errors import ModelError
from vlmbench.models.onnx.ports import LOGITS
from vlmbench.models.onnx.session import Session
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import SCALE_ASSUMED

SCALE, BIAS = "logit_scale", "logit_bias"
"""Model options."""
USUAL = 100.0
"""The largest factor that CLIP's training allows (Radford et al. 2021, section 2.5); trained models are near it."""
_STRAY = 0.01
"""The largest error of the line through the logits, as a share of their spread."""


def logit_scale(options: Mapping[str, Any], measured: tuple[float, float] | None) -> tuple[float, float]:
    """The factor and the bias of the logits: from the model options, else measured, else the usual ones with a remark.

    Raises:
        ModelError: the factor is not a positive number, or the bias is not a number.
    """
    if not math.isfinite(options.get(BIAS, 0.0)):
        raise ModelError(f"the model option {BIAS} is {options[BIAS]!r}, but must be a number")
    if SCALE in options:
        scale, bias = float(options[SCALE]), float(options.get(BIAS, 0.0))
        if not (0 < scale < float("inf")):
            raise ModelError(f"the model option {SCALE} is {options[SCALE]!r}, but must be a positive number")
        return scale, bias
    if measured is not None:
        return measured[0], float(options.get(BIAS, measured[1]))
    say(
        SCALE_ASSUMED,
        f"the graphs do not state the factor of the logits, so {USUAL:.0f} was assumed; the model option "
        f"{SCALE} sets it",
        brief=f"logit scale {USUAL:.0f} assumed",
    )
    return USUAL, float(options.get(BIAS, 0.0))


def measured_scale(session: Session, feeds: Mapping[str, Tensor], cosines: Tensor) -> tuple[float, float] | None:
    """Measure the factor and the bias from the logits of a graph with both inputs.

    Args:
        feeds: every input of the graph: N images and M texts.
        cosines: (N, M), of the features of the same images and texts.

    Returns:
        The line through all points (cosine, logit); None if the graph has no logits, or they are not on a line.
    """
    if LOGITS not in session.outputs:
        return None
    logits = session.run(LOGITS, feeds)
    if logits.shape != cosines.shape or not logits.isfinite().all():
        return None
    x, y = cosines.double().flatten(), logits.double().flatten()
    if float(x.std()) == 0.0 or float(y.std()) == 0.0:
        return None
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    offset = float(y.mean() - slope * x.mean())
    stray = float((torch.abs(slope * x + offset - y)).amax())
    if slope <= 0 or stray > _STRAY * float(y.max() - y.min()):
        return None
    # Without a bias, what remains is the rounding of the graph.
    return (slope, 0.0) if abs(offset) <= max(_STRAY * float(y.abs().amax()), stray) else (slope, offset)
