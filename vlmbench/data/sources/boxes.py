"""Images with boxes in whatever form annotation tools export them, told apart by what lies there."""

from __future__ import annotations

from vlmbench.data.base import Source
from vlmbench.data.sources.coco import OPTIONS, open_source

SOURCE = Source(open_source, OPTIONS, other_locations=True, split=True)
"""The source ``coco`` by the name of what it has: COCO's form is one of several."""
