"""The protocol of detection tasks: the source of the boxes, their features, scores and evaluation. Cards set it."""

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
        regions: whose boxes are named: the data's own; those of a results file; those that selective search computes
            here; or the model's own detector decides everything.
        proposals: for ``proposals``, the results file (JSON in COCO's form: image_id, bbox, score). The user sets it.
        max_proposals: how many proposals of each image are used, highest score first.
        region_readout: a region's feature is that of the image cut out at it, or the mean of the dense encoder's patch
            features in it.
        crop_scale: the crop's width and height as a multiple of the box's. It has the same centre and ends at the
            image's edge.
        image_size: for ``roi-align``, the longer side of the resized image, in pixels.
        roi_grid: for ``roi-align``, the number of cells on each side of a region; their mean is the feature.
        readout: how the dense encoder's patches are read out; None: its default.
        score: the softmax over classes (and background) at the model's logit scale; times the proposal's own score; or
            the square root of that product, as RegionCLIP and ViLD have it.
        background: more words in the softmax that are not classes.
        nms_iou: of boxes of one class that overlap more, only the best stays; None: all stay. Default: 0.5 for
            proposals, none otherwise.
        score_threshold: detections with a lower score are left out.
        max_detections: of each image, best first, over all classes.
        evaluator: the program whose rules are used. ``lvis`` is for data with LVIS' lists of absent and partly
            annotated classes.
        groups: names of groups of classes, for metrics like ``ap50_novel``.
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
            raise ValueError(f"`proposals: FILE` goes with `regions: proposals`, not {self.regions!r}")
        if self.score != "softmax" and self.regions != "proposals":
            raise ValueError(f"score {self.score!r} needs the scores of a proposals file, not regions {self.regions!r}")
        if self.background and self.regions == "native":
            raise ValueError("a model's own detector takes no background words")
        return self

    @property
    def by_encoder(self) -> bool:
        """Whether boxes are named by the image and text encoders."""
        return self.regions != "native"

    def settled(self, readout: str | None) -> dict[str, Any]:
        """What can change a number, for the record: without the fields that have no effect.

        Args:
            readout: the dense encoder's, as the model settles it.
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
