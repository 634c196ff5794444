"""Dataset repositories of a Hugging Face hub: webdatasets in CLIP_benchmark's layout, and tables."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, SourceContext, SourceInfo
from vlmbench.data.formats.shards import DEFAULT_SPLIT, shards_of_split
from vlmbench.data.hub.complete import doubts
from vlmbench.data.hub.listing import list_files
from vlmbench.data.hub.repo import Listing, Repo
from vlmbench.data.hub.transfer import fetch
from vlmbench.data.labels import listing
from vlmbench.data.location import check_options, find_local
from vlmbench.data.sources.wds import METADATA_FILES, read_shards
from vlmbench.errors import DataError, MissingDataError, VlmbenchWarning

OPTIONS = ("class_names", "name", "image_column", "label_column", "caption_column", "data_files")
CARD_FILES = ("README.md", "*.yaml", "dataset_infos.json")
"""What ``datasets`` looks at beside the data: configurations and features."""


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open a split (``test`` if the card names none) of ``org/name`` at ``spec.revision``.

    A repository with ``<split>/*.tar`` is read as :mod:`vlmbench.data.sources.wds` does; only that split is
    fetched. Others are read by ``datasets``. Of these is fetched what the option ``data_files`` lists, else
    ``<configuration or data>/<split>-*`` where there are files of that name (``push_to_hub`` writes them so),
    else everything. A location that begins with ``/``, ``~`` or ``.`` is a folder instead of a repository.

    Options: ``name`` (configuration), ``image_column`` and ``label_column`` or ``caption_column`` (found where there is
    but one candidate), ``data_files`` (patterns of the split's files), ``class_names: card``. HF_ENDPOINT, HF_HOME,
    HF_TOKEN and HF_HUB_OFFLINE hold as usual. Where the cache answers for the hub, it must have every file of the
    split; a VlmbenchWarning says where the hub could not be reached, and where nobody knows whether it has.

    Raises:
        MissingDataError: not there, not cached while offline, or no access; says which, and what to do.
        DataError: no such revision, disk full, files that fit neither layout.
        LabelError: labels missing or unreadable.
    """
    check_options(spec, OPTIONS)
    split = spec.split or DEFAULT_SPLIT
    if not is_remote(spec):
        folder = find_local(spec, context).path
        files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        info = SourceInfo(spec.kind, spec.location, split=split)
        return _open_folder(folder, info, spec, context, files)
    found, patterns = look_up(spec, offline=context.offline)
    folder = fetch(found, patterns)
    for doubt in doubts(found):
        warnings.warn(doubt, VlmbenchWarning, stacklevel=2)
    info = SourceInfo(spec.kind, spec.location, revision=folder.name, split=split)
    return _open_folder(folder, info, spec, context, found.paths)


def is_remote(spec: SourceSpec) -> bool:
    """Whether the location is a repository, not a folder."""
    return not spec.location.startswith(("/", "~", "."))


def look_up(spec: SourceSpec, *, offline: bool) -> tuple[Listing, list[str]]:
    """A repository's files, and the patterns of those that a run reads: what is fetched, is decided here alone.

    Raises:
        MissingDataError, DataError, UsageError: as :func:`open_source`.
    """
    check_options(spec, OPTIONS)
    found = list_files(Repo(spec.location, spec.revision, offline))
    return found, _patterns(found.paths, spec.split or DEFAULT_SPLIT, spec)


def _open_folder(
    folder: Path, info: SourceInfo, spec: SourceSpec, context: SourceContext, files: Sequence[str]
) -> ImageDataset:
    split = info.split or DEFAULT_SPLIT
    if _splits_in_tars(files):
        return read_shards(shards_of_split(folder, split), info, context)
    from vlmbench.data.hub.table import read_table

    return read_table(folder, info, spec, context, _split_files(files, split, spec))


def _patterns(files: Sequence[str], split: str, spec: SourceSpec) -> list[str]:
    """What to fetch of a repository with these files.

    Raises:
        MissingDataError: it has splits in tar files, but not this one.
        DataError: ``data_files`` matches nothing.
    """
    splits = _splits_in_tars(files)
    if not splits:
        wanted = _split_files(files, split, spec)
        return [*CARD_FILES, *wanted] if wanted else ["*"]
    if split not in splits:
        raise MissingDataError(
            f"hub {spec.location!r}: no split {split!r}; it has {listing(splits)}",
            hint="Name one as `split` of the card's source. Offline, only what was fetched before is known.",
        )
    return [*METADATA_FILES, f"{split}/nshards.txt", f"{split}/*.tar"]


def _splits_in_tars(files: Sequence[str]) -> list[str]:
    paths = [PurePosixPath(file) for file in files]
    return sorted({str(path.parent) for path in paths if path.suffix == ".tar" and len(path.parts) == 2})


def _split_files(files: Sequence[str], split: str, spec: SourceSpec) -> list[str]:
    """Patterns of a table's files for this split; empty where only ``datasets`` can tell them."""
    asked = spec.options.get("data_files")
    if asked is not None:
        patterns = [asked] if isinstance(asked, str) else list(asked)
        for pattern in patterns:
            if not any(fnmatch(file, pattern) for file in files):
                raise DataError(f"hub {spec.location!r}: data_files: nothing matches {pattern!r}")
        return patterns
    pushed = f"{spec.options.get('name', 'data')}/{split}-*"
    return [pushed] if any(fnmatch(file, pushed) for file in files) else []
