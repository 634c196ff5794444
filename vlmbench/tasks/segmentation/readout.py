"""Chooses what answers a segmentation task: the model's own segmentation head, or a readout of its patches.

The segmentation plugin and its scorers use it.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlmbench.models.base import DenseEncoder, Model, Segmenter, capability, lacks_encoders
from vlmbench.registry import did_you_mean
from vlmbench.tasks.segmentation.protocol import AUTO, NATIVE


@dataclass(frozen=True)
class Native:
    """The model's own segmentation head answers."""

    segmenter: Segmenter
    name: str = NATIVE


@dataclass(frozen=True)
class Patches:
    """A readout of the model's patches answers; ``name`` is the readout's name."""

    encoder: DenseEncoder
    name: str


def choose_readout(model: Model, asked: str) -> Native | Patches | None:
    """What this model answers with; None if it cannot answer (see :func:`refusal`).

    Args:
        asked: the protocol's ``readout``, see :class:`~vlmbench.tasks.segmentation.protocol.SegmentationProtocol`.
    """
    segmenter, encoder = capability(model, Segmenter), capability(model, DenseEncoder)
    if segmenter is not None and asked in (AUTO, NATIVE):
        return Native(segmenter)
    if encoder is None or not encoder.readouts or lacks_encoders(model):
        return None
    if asked == AUTO:
        return Patches(encoder, encoder.readouts[0])
    return Patches(encoder, asked) if asked in encoder.readouts else None


def refusal(model: Model, asked: str) -> str | None:
    """Why the model cannot answer, and which model or readout can; None if it can answer."""
    if choose_readout(model, asked) is not None:
        return None
    segmenter, encoder = capability(model, Segmenter), capability(model, DenseEncoder)
    readouts = list(encoder.readouts) if encoder is not None else []
    if segmenter is None and not readouts:
        return (
            "it has neither a segmentation head of its own (Segmenter) nor patch features in the space of its texts "
            "(DenseEncoder). For example, -m demo-clip has patch features, as other CLIP models with a vision "
            "transformer do. vlmbench.load_model(NAME).capabilities lists what a model has, and so do its records"
        )
    if (segmenter is None or asked in readouts) and (reason := lacks_encoders(model)):
        return reason
    known = [*([NATIVE] if segmenter is not None else []), *readouts]
    meant = did_you_mean(asked, known) or f"Known: {', '.join(known)}."
    what = "no segmentation head of its own" if asked == NATIVE else f"no readout {asked!r}"
    return f"it has {what}. {meant} Choose one with --readout NAME"
