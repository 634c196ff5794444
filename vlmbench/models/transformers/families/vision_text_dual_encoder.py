"""VisionTextDualEncoder, which joins any image tower and any text tower of the library by two projections."""

from __future__ import annotations

from collections.abc import Mapping

from vlmbench.models.transformers.context_length import fewest
from vlmbench.models.transformers.family import EncoderFamily
from vlmbench.models.transformers.unlisted.trial import tried_model

FAMILIES: Mapping[str, EncoderFamily] = {
    # Some towers of the library return no pooled feature, so the model is tried when it is loaded.
    "vision-text-dual-encoder": EncoderFamily(
        model=tried_model, padding="longest", attention_mask=True, context_length=fewest
    )
}
