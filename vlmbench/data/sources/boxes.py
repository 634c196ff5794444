"""The source ``boxes``: images with boxes, in any form that annotation tools export.

``-t boxes:PATH`` and cards with ``kind: boxes`` use it.
"""

from __future__ import annotations

from vlmbench.data.base import Source
from vlmbench.data.sources.coco import OPTIONS, open_source

SOURCE = Source(open_source, OPTIONS, other_locations=True, split=True)
"""The source ``coco`` under another name, because it reads more forms than COCO's."""
