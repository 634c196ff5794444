"""The source ``wds``: webdatasets (images and labels in tar shards) in the layout of LAION's CLIP_benchmark.

``-t wds:PATH`` and cards with ``kind: wds`` use it.
"""

from __future__ import annotations

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.formats.shards import find_shards
from vlmbench.data.formats.webdataset import read_shards
from vlmbench.storage.base import Url


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open ``<root>/<split>/<n>.tar`` with ``classnames.txt`` and the templates beside the splits.

    The layout is CLIP_benchmark's (its webdataset_builder.py, and ``build_wds_dataset`` in datasets/builder.py). The
    folder of a split holds ``nshards.txt`` and the shards. A sample has one image and a label: ``.cls`` (an integer);
    or ``.npy`` (a vector of 0 and 1, one number per class), if ``dataset_type.txt`` holds "multilabel"; or ``.txt``
    (one caption per line), if it holds "retrieval". Samples are in the order of the shards and of the files in them. A
    sample's id is its key; if a key occurs twice, the ids of all samples begin with the shard's name.

    Raises:
        MissingDataError: the location or the split does not exist.
        LabelError: a label is missing, cannot be read, or is of another kind than the task needs.
        DataError: shards are missing, compressed or damaged, or a sample does not have exactly one image.
    """
    shards = find_shards(spec, context)
    return read_shards(shards, SourceInfo(spec.kind, spec.location, split=shards.split), context)


def stream(url: Url, spec: SourceSpec, context: SourceContext) -> ImageDataset | None:
    """Open the webdataset at a URL, as :func:`vlmbench.data.urls.streamed.open_streamed` does."""
    from vlmbench.data.urls.streamed import open_streamed

    return open_streamed(url, spec, context)


SOURCE = Source(open_source, ("class_names",), split=True, stream=stream)
