"""The families of SAM 3, which finds every object that a noun phrase names, with a box and a mask."""

from __future__ import annotations

from collections.abc import Mapping

from vlmbench.models.transformers.family import Family
from vlmbench.models.transformers.sam3 import sam3_model

_SAM3 = Family(model=sam3_model, network="Sam3Model", options=frozenset({"top_k"}))
FAMILIES: Mapping[str, Family] = {
    "sam3": _SAM3,
    # facebook/sam3 is published as the video model. Sam3Model takes the detector out of such a checkpoint.
    "sam3_video": _SAM3,
    "sam3_lite_text": Family(model=sam3_model, network="Sam3LiteTextModel", options=frozenset({"top_k"})),
}
