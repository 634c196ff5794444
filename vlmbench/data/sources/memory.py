"""The source ``memory``: datasets that the caller of :func:`vlmbench.evaluate` holds in memory.

:func:`vlmbench.as_task` makes cards with it; :mod:`vlmbench.data.memory` recognises the datasets.
"""

from __future__ import annotations

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Source, SourceContext
from vlmbench.data.memory.dataset import GivenDataset
from vlmbench.errors import DataError, LabelError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import DATASET_TRANSFORM


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """The dataset of this name.

    Raises:
        DataError: the run holds none of this name.
        LabelError: the task needs class names, and neither the dataset, the card nor the user states any.
    """
    dataset = context.objects.get(spec.location)
    if dataset is None:
        raise DataError(
            f"{spec.kind} {spec.location!r}: this run holds no dataset of that name",
            hint="A dataset in memory is given in Python: vlmbench.evaluate(…, vlmbench.as_task(dataset, …)).",
        )
    if context.target in ("class", "classes") and dataset.classes is None and context.classes is None:
        raise LabelError(
            f"{spec.kind} {spec.location!r}: nothing states the names of its classes",
            hint="Give them in the order of the labels: vlmbench.as_task(dataset, classes=['cat', 'dog']).",
        )
    if isinstance(dataset, GivenDataset) and dataset.own_transform:
        say(
            DATASET_TRANSFORM,
            f"the dataset {spec.location!r} transforms its images itself ({dataset.own_transform}), before the model's "
            "own transform; set the dataset's transform to None to give the images as they are",
            brief="the dataset's own transform",
        )
    return dataset


SOURCE = Source(open_source, ("class_names",), below_root=lambda spec: ())
