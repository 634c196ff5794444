"""The protocol of segmentation tasks: image size, windows, scores and background.

Cards set it with ``protocol``, and users with ``--set``. The segmentation plugin uses it.

These choices change the published numbers of training-free methods as much as the methods do. Each codebase has its own
size, window, scale and background. Numbers are comparable only if these choices are equal.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

AUTO, NATIVE = "auto", "native"


class SegmentationProtocol(BaseModel):
    """The protocol of a segmentation task, with the values that apply if a card sets none.

    Attributes:
        readout: what answers. "native": the model's own segmentation head
            (:class:`~vlmbench.models.base.Segmenter`). The name of a readout: that readout of the model's patches
            (:class:`~vlmbench.models.base.DenseEncoder`). "auto": the own head if the model has one, because its
            authors use the model this way; else the first readout of its patches.
        short_side: the image is resized so that its shorter side has this length, in pixels, and the ratio of its sides
            stays the same. null: the image is not resized.
        long_side_limit: if the longer side of the resized image would be longer than this, in pixels, the image is made
            smaller until it fits (mmseg's scale ``(long, short)``). null: no limit.
        window: the side of the square windows that are encoded one by one, in pixels; null: the whole image at once.
        stride: the distance from one window to the next, in pixels. If windows overlap, their scores are averaged.
        remainder: what is done if a side is not a multiple of the patch size. "pad": zeros are added on both sides, and
            the scores of the zeros are cut off (ClearCLIP). "crop": the remaining pixels at the right and bottom are
            cut off, and the scores are stretched over the whole side, as after a convolution without padding (SCLIP,
            NACLIP).
        logit_scale: the factor of the cosines before the softmax; null: the model's own.
        synonyms: words that replace the name of a class. Each word is prompted by itself, and the class has the score
            of its best word.
        background: "none": every class is prompted, and no class is the background. "class": class 0 is the background
            and is prompted with its own words. "threshold": class 0 is the background and has no prompt.
        probability_threshold: pixels become background if their best class has a lower probability.
        area_threshold: a foreground class is dropped from an image if it has no more than this share of the image's
            foreground pixels (SCLIP on VOC21).
        pamr_steps: the rounds of pixel-adaptive mask refinement (PAMR); 0: no refinement.
        pamr_dilations: the distances of the eight neighbours in PAMR, in pixels.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    readout: str = AUTO
    short_side: int | None = Field(default=336, ge=1)
    long_side_limit: int | None = Field(default=2048, ge=1)
    window: int | None = Field(default=224, ge=1)
    stride: int | None = Field(default=112, ge=1)
    remainder: Literal["pad", "crop"] = "pad"
    logit_scale: float | None = Field(default=None, gt=0)
    synonyms: dict[str, list[str]] = {}
    background: Literal["none", "class", "threshold"] = "none"
    probability_threshold: float = Field(default=0.0, ge=0, le=1)
    area_threshold: float = Field(default=0.0, ge=0, lt=1)
    pamr_steps: int = Field(default=0, ge=0)
    pamr_dilations: list[int] = Field(default=[8, 16], min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _whole_images_have_no_stride(cls, data: Any) -> Any:
        """Drop the stride if ``window`` is null: the stride of a card then has no meaning."""
        if isinstance(data, dict) and "window" in data and data["window"] is None:
            return {**data, "stride": None}
        return data

    @model_validator(mode="after")
    def _no_contradictions(self) -> SegmentationProtocol:
        if self.window is not None and self.stride is None:
            raise ValueError("windows need a stride; for whole images, set window to null")
        if self.window is not None and self.stride is not None and self.stride > self.window:
            raise ValueError(f"a stride of {self.stride} leaves gaps between windows of {self.window}")
        if self.short_side and self.long_side_limit and self.long_side_limit < self.short_side:
            raise ValueError(f"long_side_limit {self.long_side_limit} is below short_side {self.short_side}")
        if min(self.pamr_dilations) < 1:
            raise ValueError("pamr_dilations are distances in pixels: each must be at least 1")
        if self.background == "none" and (self.probability_threshold or self.area_threshold):
            raise ValueError(
                "probability_threshold and area_threshold need a background: set background to class or threshold"
            )
        if self.background == "threshold" and not self.probability_threshold:
            raise ValueError("background: threshold needs a probability_threshold above 0")
        if any(not words or not all(word.strip() for word in words) for words in self.synonyms.values()):
            raise ValueError("each class in synonyms needs a list of words, and no word may be empty")
        return self
