"""Sources: where samples come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.registry import Registry

if TYPE_CHECKING:
    from vlmbench.data.base import Source

SOURCES: Registry[Source] = Registry(
    "data source",
    {
        "imagefolder": "vlmbench.data.imagefolder:open_source",
        "captions": "vlmbench.data.captions:open_source",
        "coco": "vlmbench.data.coco:open_source",
        "torchvision": "vlmbench.data.torchvision:open_source",
        "filelist": "vlmbench.data.filelist:open_source",
        "voc": "vlmbench.data.voc:open_source",
        "masks": "vlmbench.data.masks:open_source",
        "frames": "vlmbench.data.clips:open_source",
        "rareact": "vlmbench.data.rareact:open_source",
        "wds": "vlmbench.data.webdataset:open_source",
        "hub": "vlmbench.data.hub:open_source",
        "demo": "vlmbench.data.demo:open_source",
    },
    group="vlmbench.sources",
)
