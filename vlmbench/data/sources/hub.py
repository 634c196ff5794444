"""Dataset repositories of a Hugging Face hub: webdatasets in CLIP_benchmark's layout, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.formats.shards import DEFAULT_SPLIT, shards_of_split
from vlmbench.data.hub.lookup import HubRemote, split_files, splits_in_tars
from vlmbench.data.hub.transfer import fetch
from vlmbench.data.location import find_local
from vlmbench.data.sources.wds import read_shards
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import HUB_NOT_ASKED

OPTIONS = ("class_names", "name", "image_column", "label_column", "caption_column", "data_files")

HUB = HubRemote()


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open a split (``test`` if the card names none) of ``org/name`` at ``spec.revision``.

    A repository with ``<split>/*.tar`` is read as :mod:`vlmbench.data.sources.wds` does; only that split is
    fetched. Others are read by ``datasets``. Of these is fetched what the option ``data_files`` lists, else
    ``<configuration or data>/<split>-*`` where there are files of that name (``push_to_hub`` writes them so),
    else everything. A location that begins with ``/``, ``~`` or ``.`` is a folder instead of a repository.

    Options: ``name`` (configuration), ``image_column`` and ``label_column`` or ``caption_column`` (found where there is
    but one candidate), ``data_files`` (patterns of the split's files), ``class_names: card``. HF_ENDPOINT, HF_HOME,
    HF_TOKEN and HF_HUB_OFFLINE hold as usual. Where the cache answers for the hub, it must have every file of the
    split; a remark says if the hub could not be reached, and if it is unknown whether the cache is complete.

    Raises:
        MissingDataError: not there, not cached while offline, or no access; says which, and what to do.
        DataError: no such revision, disk full, files that fit neither layout.
        LabelError: labels missing or unreadable.
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
