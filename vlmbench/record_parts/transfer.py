"""Defines the part of a record that says how a model was adapted. Classification makes it, and tables read it."""

from __future__ import annotations

from typing import Any

from vlmbench.record_parts.base import Count, Part


class TransferCost(Part):
    """What it cost to adapt a model."""

    fit_seconds: float
    """Wall-clock seconds to learn, without reading and encoding images and prompts, which all methods share. Draws that
    are learnt together share the time equally."""
    drawn_together: Count = 1
    """How many draws were learnt together."""
    parameters: Count = 0
    """How many numbers were trained."""
    peak_bytes: Count | None = None
    """The largest memory in use while it learnt: of tensors on a CUDA device, otherwise of the whole process, with the
    model and the libraries. Draws learnt together have one number. None: it was not measured."""
    image_passes: Count = 0
    """How many images the method sends through the image tower to learn, whether their features were cached or not."""
    text_passes: Count = 0
    """How many texts it sends through the text tower, prompts included, whether they were cached or not."""
    test_image_passes: Count = 1
    """How many images go through the image tower for each test image."""
    test_text_passes: Count = 0
    """How many texts go through the text tower for each test image."""
    other_models: list[str] = []
    """Other models that it used."""


class TransferInfo(Part):
    """How the model was adapted before it answered."""

    method: str
    """The name of the transfer method."""
    version: Count
    """The version of the method. Numbers of two versions are not comparable."""
    track: str
    """Which images chose the settings: "no-validation", "cut-validation", "few-shot-validation", "full-validation", or
    "leaky" (the test images)."""
    shots: Count
    """K, the number of support images of each class."""
    draw: Count
    """The seed of the support set and of everything that the method draws."""
    setting: str = "all-classes"
    """Which classes were learnt: "all-classes", or "base-to-new" (the first half in label order)."""
    source: str | None = None
    """The task whose train data and classes were learnt; None: the record's own task."""
    options: dict[str, Any] = {}
    """Every setting of the method with which the test images were scored."""
    chosen: dict[str, Any] = {}
    """The settings that validation chose."""
    tried: Count = 1
    """How many combinations of settings were compared."""
    zero_shot: dict[str, float | None] = {}
    """Each metric of the same prompts and test images without the method: where the gain starts."""
    last_step: dict[str, float | None] | None = None
    """Each metric with the same settings after the last step; None: that step was chosen, or there are no steps."""
    step: Count | None = None
    """The step that validation chose, from 1; None: the last one."""
    steps: Count = 0
    """How many steps were taken; 0: the method takes none."""
    other_weights: dict[str, str] = {}
    """The hash of the weights of each other model that it used."""
    cost: TransferCost
    """What it cost."""

    @property
    def learnt(self) -> str:
        """Which classes were learnt, in words: "base-to-new" or "learnt from TASK"; empty: all of the task itself."""
        return f"learnt from {self.source}" if self.source else "" if self.setting == "all-classes" else self.setting
