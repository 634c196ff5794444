"""The source ``boxes``: images with boxes, in any form that annotation tools export.

``-t boxes:PATH`` and cards with ``kind: boxes`` use it.
"""

from __future__ import annotations

from vlmbench.data.base import Source
from vlmbench.data.sources.coco import OPTIONS, open_source

SOURCE = Source(open_source, OPTIONS, other_locations=True, split=True)
"""The same as the source ``coco``, under a name that does not suggest COCO's form is the only one."""
