"""The family of OmDet-Turbo, which finds boxes for labels and a task."""

from __future__ import annotations

from collections.abc import Mapping

from vlmbench.errors import ModelError
from vlmbench.models.base import Model
from vlmbench.models.transformers.family import Family, Parts
from vlmbench.models.transformers.grounded.omdet import MAX_LENGTH, NMS_IOU, OmDetDetector, label_reader
from vlmbench.models.transformers.heads import HeadModel


def _model(family: Family, parts: Parts) -> Model:
    config, options = parts.network.config, parts.card.options
    nms_iou = options.get("nms_iou", NMS_IOU)
    if not 0 <= nms_iou <= 1:
        raise ModelError(f"model {parts.card.name!r}: nms_iou must be from 0 to 1, not {nms_iou}")
    side = config.image_size
    wanted = (side, side) if isinstance(side, int) else tuple(side)
    size = parts.processor.to_dict().get("size") or {}
    made = (size.get("height"), size.get("width"))
    if made != wanted:
        raise ModelError(
            f"{parts.spec}: the image processor makes images of the size {size}, but the network takes "
            f"{wanted[1]} x {wanted[0]} pixels",
            hint="preprocessor_config.json and config.json belong to two checkpoints, or one of them was edited.",
        )
    return HeadModel(
        parts,
        {"Detector": OmDetDetector, "TokenReader": label_reader},
        texts=f"max_length={MAX_LENGTH}, task 'Detect label, label.'; "
        f"top_k={options.get('top_k', config.num_queries)}; nms_iou={nms_iou}",
        libraries=("timm",) if config.backbone_config.model_type == "timm_backbone" else (),
    )


FAMILIES: Mapping[str, Family] = {
    "omdet-turbo": Family(
        model=_model,
        network="OmDetTurboForObjectDetection",
        any_image_size=True,  # its config has no vision_config; _model compares the sizes
        options=frozenset({"top_k", "nms_iou"}),
    )
}
