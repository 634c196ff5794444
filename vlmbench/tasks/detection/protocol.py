"""The protocol of detection tasks: the source of the boxes, their features, scores and evaluation.

Cards set it with ``protocol``, and users with ``--set``. The detection plugin uses it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

USUAL_NMS_IOU = 0.5
"""RegionCLIP's zero-shot inference (``test_zeroshot_inference.sh``): per-class suppression at 0.5."""


class DetectionProtocol(BaseModel):
    """The protocol of a detection task.

    A dual encoder has no detector, so it only classifies boxes from another source. Results on the true boxes, on
    proposals and with a model's own detector answer different questions and must not be compared.

    Attributes:
        regions: the source of the boxes. ``ground-truth``: the model classifies the data's own boxes. ``proposals``: it
            classifies the boxes of a results file. ``selective-search``: it classifies boxes that selective search
            computes here. ``native``: the model's own detector finds the boxes and their classes.
        proposals: the results file for ``regions: proposals`` (JSON in COCO's form: image_id, bbox, score). The user
            sets it.
        max_proposals: the largest number of boxes of each image, for ``proposals`` (those with the highest scores) and
            ``selective-search`` (the first).
        region_readout: how a region gets its feature. ``crop``: the region is cut out and encoded like any other image.
            ``roi-align``: the feature is the mean of the dense encoder's patch features in the region.
        crop_scale: for ``crop``, the crop's width and height as a multiple of the box's. The crop has the same centre
            as the box and ends at the image's edge.
        image_size: for ``roi-align``, the longer side of the resized image, in pixels.
        roi_grid: for ``roi-align``, the number of cells on each side of a region; their mean is the feature.
        readout: for ``roi-align``, the readout of the dense encoder's patches; None: the encoder's default.
        score: the score of a box and a class. ``softmax``: the softmax over classes (and background) at the model's
            logit scale. ``softmax-times-objectness``: the softmax times the proposal's own score.
            ``sqrt-softmax-times-objectness``: the square root of that product, as in RegionCLIP and ViLD.
        background: additional words in the softmax that are not classes.
        nms_iou: the IoU of non-maximum suppression. If boxes of one class overlap by more, only the box with the
            highest score stays. None: all boxes stay. Default: 0.5 for ``proposals`` and ``selective-search``, else
            None.
        score_threshold: detections with a lower score are left out.
        max_detections: the largest number of detections of an image, over all classes. The highest scores stay.
        evaluator: the program whose rules are used. ``lvis`` is for data with LVIS' lists of absent and partly
            annotated classes.
        groups: for each group of classes, its name and the names of its classes. It adds metrics such as
            ``ap50_novel``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    regions: Literal["ground-truth", "proposals", "selective-search", "native"] = "ground-truth"
    proposals: str | None = None
    max_proposals: int = Field(default=1000, ge=1)
    region_readout: Literal["crop", "roi-align"] = "crop"
    crop_scale: float = Field(default=1.0, ge=1.0, le=10.0)
    image_size: int = Field(default=1024, ge=16)
    roi_grid: int = Field(default=1, ge=1, le=64)
    readout: str | None = None
    score: Literal["softmax", "softmax-times-objectness", "sqrt-softmax-times-objectness"] = "softmax"
    background: list[str] = []
    nms_iou: float | None = Field(default=None, gt=0, le=1)
    score_threshold: float = Field(default=0.0, ge=0)
    max_detections: int = Field(default=100, ge=1)
    evaluator: Literal["pycocotools", "faster-coco-eval", "hotcoco", "lvis"] = "pycocotools"
    groups: dict[str, list[str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _usual_suppression(cls, data: Any) -> Any:
        if (
            isinstance(data, dict)
            and "nms_iou" not in data
            and data.get("regions") in ("proposals", "selective-search")
        ):
            return {**data, "nms_iou": USUAL_NMS_IOU}
        return data

    @model_validator(mode="after")
    def _fits_together(self) -> DetectionProtocol:
        if self.proposals is not None and self.regions != "proposals":
            raise ValueError(f"`proposals: FILE` needs `regions: proposals`, but regions is {self.regions!r}")
        if self.score != "softmax" and self.regions != "proposals":
            raise ValueError(
                f"score {self.score!r} needs the scores of a proposals file, but regions is {self.regions!r}"
            )
        if self.background and self.regions == "native":
            raise ValueError("`regions: native` uses the model's own detector, which takes no `background` words")
        return self

    @property
    def by_encoder(self) -> bool:
        """Whether the image and text encoders classify the boxes."""
        return self.regions != "native"

    def settled(self, readout: str | None) -> dict[str, Any]:
        """The fields that can change a number, with their values, for the record. Fields without effect are left out.

        Args:
            readout: the readout of the dense encoder that is used with this model; None if none is used.
        """
        fields: dict[str, Any] = {"regions": self.regions}
        if self.by_encoder:
            fields |= {
                "region_readout": self.region_readout,
                "score": f"{self.score} at the model's logit scale",
                "background": list(self.background),
                "nms_iou": self.nms_iou,
            }
        if self.regions in ("proposals", "selective-search"):
            fields["max_proposals"] = self.max_proposals
        if self.by_encoder and self.region_readout == "crop":
            fields["crop_scale"] = self.crop_scale
        elif self.by_encoder:
            fields |= {
                "image_size": f"longer side {self.image_size}, bicubic, each side to a multiple of the patch",
                "roi_grid": self.roi_grid,
                "readout": readout,
            }
        return {
            **fields,
            "score_threshold": self.score_threshold,
            "max_detections": self.max_detections,
            "evaluator": self.evaluator,
            "groups": {name: sorted(classes) for name, classes in self.groups.items()},
        }
