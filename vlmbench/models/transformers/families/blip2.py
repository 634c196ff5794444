"""The family of BLIP-2's checkpoints for retrieval, which give an image one vector for each of the Q-Former's queries.

Only checkpoints of ``Blip2ForImageTextRetrieval`` hold the projections into the space that images and texts share. The
similarity is that of its ``forward`` without the matching head: the highest cosine of a query with the text.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlmbench.models.transformers.blip2 import blip2_model
from vlmbench.models.transformers.family import Family

FAMILIES: Mapping[str, Family] = {
    "blip-2": Family(model=blip2_model, network="Blip2ForImageTextRetrieval", saved_as_network=True),
}
