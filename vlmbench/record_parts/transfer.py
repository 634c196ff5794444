"""Defines the part of a record that says how a model was adapted. Classification makes it, and tables read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import Self

from vlmbench.record_parts.base import Count, FiniteNumber, Part

USUAL_TRACK = "no-validation"
"""The track of a record whose settings were fixed. It is the default of ``--track``."""
USUAL_SETTING = "all-classes"
"""The setting of a record whose model learnt all classes. It is the default of ``--setting``."""


class TransferCost(Part):
    """What it cost to adapt a model."""

    fit_seconds: FiniteNumber
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


class TransferQuestion(Part):
    """How a model is to be adapted before it answers. It is a part of the question."""

    method: str
    """The name of the transfer method."""
    shots: Count
    """K, the number of support images of each class."""
    draw: Count
    """The seed of the support set and of everything that the method draws."""
    track: str
    """Which images chose the settings: "no-validation", "cut-validation", "few-shot-validation", "full-validation", or
    "leaky" (the test images)."""
    setting: str = USUAL_SETTING
    """Which classes were learnt: "all-classes", or "base-to-new" (the first half in label order)."""
    source: str | None = None
    """The task whose train data and classes were learnt; None: the record's own task."""

    @classmethod
    def of(cls, protocol: Mapping[str, Any]) -> Self:
        """The question that the protocol of a record or a request states.

        Raises:
            ValidationError: a part of it is missing, or is not what it must be.
        """
        return cls.model_validate({**protocol, "method": protocol.get("transfer")}, strict=True)

    @property
    def brief(self) -> str:
        """It in a few words, for tables. A track is named unless it is the usual one, which chooses nothing."""
        track = "" if self.track == USUAL_TRACK else f", {self.track}"
        return f"transfer {self.method}{self._shots}{track}{self._learnt}"

    def named(self, task: str) -> str:
        """The name of the whole question: the task, with the method, shots, draw, track and setting."""
        return f"{task} with {self.method}{self._shots}, {self.track}{self._learnt}"

    @property
    def _shots(self) -> str:
        return f", {self.shots}-shot, draw {self.draw}" if self.shots else ""

    @property
    def _learnt(self) -> str:
        return f", {self.learnt}" if self.learnt else ""

    @property
    def learnt(self) -> str:
        """Which classes were learnt, in words: "base-to-new" or "learnt from TASK"; empty: all of the task itself."""
        return f"learnt from {self.source}" if self.source else "" if self.setting == USUAL_SETTING else self.setting


class TransferInfo(TransferQuestion):
    """How the model was adapted before it answered."""

    version: Count
    """The version of the method. Numbers of two versions are not comparable."""
    options: dict[str, Any] = {}
    """Every setting of the method with which the test images were scored."""
    chosen: dict[str, Any] = {}
    """The settings that validation chose."""
    tried: Count = 1
    """How many combinations of settings were compared."""
    zero_shot: dict[str, FiniteNumber | None] = {}
    """Each metric of the same prompts and test images without the method: where the gain starts."""
    last_step: dict[str, FiniteNumber | None] | None = None
    """Each metric with the same settings after the last step; None: that step was chosen, or there are no steps."""
    step: Count | None = None
    """The step that validation chose, from 1; None: the last one."""
    steps: Count = 0
    """How many steps were taken; 0: the method takes none."""
    other_weights: dict[str, str] = {}
    """The hash of the weights of each other model that it used."""
    cost: TransferCost
    """What it cost."""
