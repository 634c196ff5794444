"""Reads images as the features of several views. Methods that adapt to each test image use it.

The first view is the image itself; the others are random parts, see :mod:`.views`. Their features are cached as those
of any image, and only some images are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

import torch
from torch import Tensor

from vlmbench.data.base import Chosen
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.batch import ImageBatch
from vlmbench.records import BadSample
from vlmbench.transfer.encoded import Encoded, encoded
from vlmbench.transfer.views import SMALLEST_AREA, ViewDataset

_AT_ONCE = 1024
"""Images whose views are listed at once."""


def view_batches(engine: FeatureEngine, chosen: Chosen, settings: Mapping[str, Any]) -> Iterable[ImageBatch]:
    """(B, V, D) with the V ``views`` of the settings. Images that cannot be read are left out."""
    views, smallest = int(settings["views"]), float(settings.get("smallest_area", SMALLEST_AREA))
    whole = encoded(engine, chosen, all_of="")
    for start in range(0, len(whole.indices), _AT_ONCE):
        some = whole.indices[start : start + _AT_ONCE]
        dataset = ViewDataset(chosen.dataset, some, views, smallest_area=smallest)
        waiting: dict[int, dict[int, Tensor]] = {}
        told = len(engine.tally.bad)
        with closing(engine.images(dataset, range(len(some) * views))) as batches:
            for batch in batches:
                for place, feature in zip(batch.indices, batch.features, strict=True):
                    waiting.setdefault(place // views, {})[place % views] = feature
                complete = [image for image, found in waiting.items() if len(found) == views]
                if complete:
                    parts = [waiting.pop(image) for image in complete]
                    features = torch.stack([torch.stack([part[view] for view in range(views)]) for part in parts])
                    indices = [some[image] for image in complete]
                    yield ImageBatch(indices, features, [whole.contents[index] for index in indices])
        _tell_once(engine, told, dataset, whole)


def _tell_once(engine: FeatureEngine, told: int, views: ViewDataset, whole: Encoded) -> None:
    """Name the images of which a view cannot be read, each once, in the place of the views.

    Args:
        told: how many bad samples were known before these views were read.
    """
    images = {view.id: index for view, index in views.images_of_views()}
    found = engine.tally.bad[told:]
    del engine.tally.bad[told:]
    known = {bad.id for bad in engine.tally.bad}
    for bad in found:
        index = images.get(bad.id)
        named = bad if index is None else _of_image(bad, index, whole)
        if named.id not in known:
            known.add(named.id)
            engine.tally.bad.append(named)


def _of_image(bad: BadSample, index: int, whole: Encoded) -> BadSample:
    """The sample of a view."""
    return BadSample(
        id=whole.dataset.samples[index].id, reason=f"{bad.id}: {bad.reason}", content=whole.contents[index]
    )
