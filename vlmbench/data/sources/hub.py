"""The source ``hub``: dataset repositories of a Hugging Face hub, as CLIP_benchmark's webdatasets or as tables.

``-t hub:REPO`` and cards with ``kind: hub`` use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.formats.shards import DEFAULT_SPLIT, shards_of_split
from vlmbench.data.formats.webdataset import read_shards
from vlmbench.data.hub.lookup import HubRemote, split_files, splits_in_tars
from vlmbench.data.hub.transfer import fetch
from vlmbench.data.location import find_local
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import HUB_NOT_ASKED

OPTIONS = ("class_names", "name", "image_column", "label_column", "caption_column", "data_files")

HUB = HubRemote()


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open a split (``test`` by default) of the repository ``org/name`` at ``spec.revision``.

    A repository with ``<split>/*.tar`` is read as :mod:`vlmbench.data.sources.wds` does, and only that split is
    downloaded. Other repositories are read by the package ``datasets``. Of these, the files that the option
    ``data_files`` lists are downloaded; without it, ``<configuration or data>/<split>-*`` if there are such files
    (``push_to_hub`` writes them); else all files. A location that begins with ``/``, ``~`` or ``.`` is a folder on the
    disk.

    Options:

    - ``name``: the configuration.
    - ``image_column``, ``label_column``, ``caption_column``: columns. Without them, a column is used if it is the only
      candidate.
    - ``data_files``: patterns of the split's files.
    - ``class_names: card``: the card renames the classes on purpose.

    The environment variables HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE have their usual meaning. If the hub is
    not asked, or cannot be reached, the cache must have every file of the split. A remark says if the hub could not be
    reached, or if it is not known whether the cache is complete.

    Raises:
        MissingDataError: the repository does not exist, is not in the cache while offline, or may not be read; the
            message says which, and what to do.
        DataError: there is no such revision, the disk is full, or the files have neither layout.
        LabelError: labels are missing or cannot be read.
    """
    split = spec.split or DEFAULT_SPLIT
    if not HUB.is_remote(spec):
        folder = find_local(spec, context).path
        files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        info = SourceInfo(spec.kind, spec.location, split=split)
        return _open_folder(folder, info, spec, context, files)
    found = HUB.look_up(spec, offline=context.offline)
    folder = fetch(found.listing, found.patterns)
    for doubt in found.notes:
        say(HUB_NOT_ASKED, doubt)
    info = SourceInfo(spec.kind, spec.location, revision=folder.name, split=split)
    return _open_folder(folder, info, spec, context, found.listing.paths)


SOURCE = Source(open_source, OPTIONS, split=True, revision=True, remote=HUB)


def _open_folder(
    folder: Path, info: SourceInfo, spec: SourceSpec, context: SourceContext, files: Sequence[str]
) -> ImageDataset:
    split = info.split or DEFAULT_SPLIT
    if splits_in_tars(files):
        return read_shards(shards_of_split(folder, split), info, context)
    from vlmbench.data.hub.table import read_table

    return read_table(folder, info, spec, context, split_files(files, split, spec))
