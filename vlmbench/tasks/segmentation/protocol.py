"""How a segmentation task is carried out: what a card's ``protocol``, or ``--set``, may say.

Published training-free numbers differ by these choices as much as by their methods: each codebase has its own size,
window, scale and background, and a number is comparable only with numbers of the same.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

AUTO, NATIVE = "auto", "native"


class SegmentationProtocol(BaseModel):
    """The choices, with what is done where a card says nothing.

    Attributes:
        readout: "native": the model's own segmentation head (:class:`~vlmbench.models.base.Segmenter`); a name: that
            readout of its patches (:class:`~vlmbench.models.base.DenseEncoder`); "auto": native where the model has it,
            since that is how its authors use it, else the first of its patch readouts.
        short_side: the image is brought to this, keeping its shape; null: its own size.
        long_side_limit: but no longer than this (mmseg's scale ``(long, short)``).
        window: side of the square windows that are encoded one by one; null: the whole image at once.
        stride: from one window to the next; where windows overlap, scores are averaged.
        remainder: where a side is no multiple of the patch size, "pad" it with zeros on both sides and cut the scores
            back (ClearCLIP), or "crop" what is over at the right and bottom and stretch the scores over all of it, as a
            convolution without padding does (SCLIP, NACLIP).
        logit_scale: what cosines are multiplied with before the softmax; null: the model's own.
        synonyms: words instead of a class's name, each prompted by itself; the best of them speaks for the class.
        background: "none": every class is prompted, and none is special; "class": class 0 is the background and is
            prompted, with its own words; "threshold": class 0 is the background and has no prompt.
        probability_threshold: pixels whose best class is less probable than this become background.
        area_threshold: a foreground class with no more than this share of the image's foreground pixels is dropped
            from it (SCLIP on VOC21).
        pamr_steps: rounds of pixel-adaptive mask refinement; 0: none.
        pamr_dilations: how far its eight neighbours are, in pixels.
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
        """``window: null`` alone asks for whole images, whatever stride a card has for its windows."""
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
            raise ValueError("pamr_dilations are pixels, 1 and up")
        if self.background == "none" and (self.probability_threshold or self.area_threshold):
            raise ValueError("thresholds make pixels background, so background must be class or threshold")
        if self.background == "threshold" and not self.probability_threshold:
            raise ValueError("background: threshold needs a probability_threshold above 0")
        if any(not words or not all(word.strip() for word in words) for words in self.synonyms.values()):
            raise ValueError("synonyms are lists of words, none of them empty")
        return self
