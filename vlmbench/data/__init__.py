"""Sources: where samples come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.registry import Registry

if TYPE_CHECKING:
    from vlmbench.data.base import Source

SOURCES: Registry[Source] = Registry(
    "data source",
    {
        "imagefolder": "vlmbench.data.sources.imagefolder:open_source",
        "captions": "vlmbench.data.sources.captions:open_source",
        "coco": "vlmbench.data.sources.coco:open_source",
        "torchvision": "vlmbench.data.sources.torchvision:open_source",
        "filelist": "vlmbench.data.sources.filelist:open_source",
        "voc": "vlmbench.data.sources.voc:open_source",
        "masks": "vlmbench.data.sources.masks:open_source",
        "frames": "vlmbench.data.sources.frames:open_source",
        "rareact": "vlmbench.data.sources.rareact:open_source",
        "wds": "vlmbench.data.sources.wds:open_source",
        "hub": "vlmbench.data.sources.hub:open_source",
        "demo": "vlmbench.data.sources.demo:open_source",
    },
    group="vlmbench.sources",
)
