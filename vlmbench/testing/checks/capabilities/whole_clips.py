"""Checks the capability of models that encode clips as a whole. :func:`vlmbench.testing.check_model` calls it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vlmbench.models.base import Model
from vlmbench.models.clip_encoder import ClipEncoder
from vlmbench.testing.checks import inputs
from vlmbench.testing.checks.features import apart
from vlmbench.testing.conformance import Inspection

CLASSES = (("a cat", "a photo of a cat"), ("red", "a photo of red"), ("a big dog", "a photo of a big dog"))
"""Three classes with two prompts each."""
_CLIPS = 3


@torch.inference_mode()
def check_clip_encoder(inspection: Inspection, model: Model, encoder: ClipEncoder, *, rounding: float) -> None:
    """Check how a model encodes clips and compares them with texts."""
    clips: list[Tensor] = []
    with inspection.promise(
        "ClipEncoder: preprocess_frame maps frames of every size to (3, H, W) float32 of one shape",
        fix="Resize each frame, and return one tensor of real numbers.",
    ):
        count = encoder.frames_per_clip
        inspection.require(isinstance(count, int) and count > 0, f"frames_per_clip is {count!r}")
        scale = encoder.logit_scale
        good = isinstance(scale, int | float) and math.isfinite(scale) and scale > 0
        inspection.require(good, f"logit_scale is {scale!r}, not a number above 0")
        frames = [encoder.preprocess_frame(picture) for picture in inputs.images(_CLIPS * count)]
        shapes = {(tuple(frame.shape), frame.dtype) for frame in frames}
        inspection.require(len(shapes) == 1, f"the shapes and types are {shapes}")
        ((shape, dtype),) = shapes
        inspection.require(len(shape) == 3 and dtype is torch.float32, f"a frame is {shape}, {dtype}")
        clips = [torch.stack(frames[start : start + count]) for start in range(0, len(frames), count)]
    if not clips:
        return
    batch = torch.stack(clips).to(model.device)
    prompts = encoder.encode_prompts([prompt for names in CLASSES for prompt in names])
    found = torch.empty(0)
    with inspection.promise(
        "ClipEncoder: similarities gives a cosine for each clip and class, (B, C) float32",
        fix="Compare features of unit length, and average the prompts of a class.",
    ):
        rows = encoder.encode_clips(batch)
        inspection.require(rows.ndim == 2 and len(rows) == _CLIPS, f"encode_clips gives the shape {tuple(rows.shape)}")
        found = encoder.similarities(rows, prompts, len(CLASSES))
        wanted = (_CLIPS, len(CLASSES))
        inspection.require(tuple(found.shape) == wanted, f"the shape is {tuple(found.shape)}, not {wanted}")
        inspection.require(found.dtype is torch.float32, f"the type is {found.dtype}")
        inspection.require(bool((found.abs() <= 1 + rounding).all()), "some are NaN, or not from -1 to 1")
    if not found.numel():
        return
    with inspection.promise(
        "ClipEncoder: a clip has the same cosines alone, in a batch, and in a second call, and beside other classes",
        fix="Let clips and classes not see each other, and switch dropout off.",
    ):
        again = encoder.similarities(encoder.encode_clips(batch), prompts, len(CLASSES))
        alone = [encoder.similarities(encoder.encode_clips(clip[None]), prompts, len(CLASSES)) for clip in batch]
        first = encoder.similarities(rows, encoder.encode_prompts(CLASSES[0]), 1)
        for others, expected in ((again, found), (torch.cat(alone), found), (first, found[:, :1])):
            difference = apart(others, expected)
            inspection.require(difference <= rounding, f"cosines differ by up to {difference:.3g}")
