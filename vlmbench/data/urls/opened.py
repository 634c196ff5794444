"""Opens datasets at URLs: streamed if their source can do it, otherwise from a copy on this machine.

:mod:`vlmbench.data.open` uses it for every source, so that a source needs to know nothing about URLs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Source, SourceContext
from vlmbench.data.hub.transfer import progress_bar
from vlmbench.data.location import missing
from vlmbench.data.urls.copies import WORKERS, FolderCopy, check_room, copy_files, local_place
from vlmbench.data.urls.listing import named_by_urls
from vlmbench.data.urls.wanted import folders_below_root, folders_of, url_locations, url_of
from vlmbench.errors import MissingDataError
from vlmbench.storage.base import Url
from vlmbench.storage.locations import is_object_storage


def open_at_url(source: Source, spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open the first location of an entry that has the dataset: at its URL, else on this machine.

    Raises:
        MissingDataError: it is in none of its places, or has no copy while offline.
        DataError, LabelError: it cannot be used, or cannot be copied.
        UsageError: a URL has credentials, or is not complete.
        StoreError: the storage cannot be reached.
    """
    if source.below_root is not None:
        return _open_below_root(source, spec, context)
    absent: list[MissingDataError] = []
    for location in url_locations(spec, context):
        try:
            found = _open_location(source, location, spec, context)
        except MissingDataError as error:
            absent.append(error)
        else:
            if found is not None:
                return found
    here = [location for location in (spec.location, *spec.other_locations) if not is_object_storage(location)]
    if here:
        own = spec.model_copy(update={"location": here[0], "other_locations": here[1:]})
        try:
            return source.open(own, replace(context, data_root=None))
        except MissingDataError as error:
            raise (absent or [missing(spec, context) if error.looked_for else error])[0] from None
    raise (absent or [missing(spec, context)])[0]


def _open_location(source: Source, location: str, spec: SourceSpec, context: SourceContext) -> ImageDataset | None:
    """The dataset at one location; None if there is nothing."""
    url = url_of(location, context)
    assert url is not None, "only such locations are asked for"
    if source.stream is not None:
        if context.offline:
            raise MissingDataError(
                f"{spec.kind} {location!r}: its images are read from '{url}' during a run, and --offline forbids it",
                hint="Leave out --offline, or copy the shards to this machine.",
            )
        return source.stream(url, spec.model_copy(update={"location": location, "other_locations": []}), context)
    copies = folders_of(location, spec, context)
    if not copies:
        return None
    ensure_copied(copies)
    place = local_place(url)
    own = spec.model_copy(update={"location": str(place), "other_locations": []})
    root = local_place(context.data_root) if isinstance(context.data_root, Url) else context.data_root
    with named_by_urls([(place, url), *((copy.local, copy.url) for copy in copies)]):
        dataset = source.open(own, replace(context, data_root=root))
    return _named(dataset, place, location)


def _open_below_root(source: Source, spec: SourceSpec, context: SourceContext) -> ImageDataset:
    if not isinstance(context.data_root, Url):
        return source.open(spec, context)
    ensure_copied(folders_below_root(source, spec, context))
    root = local_place(context.data_root)
    with named_by_urls([(root, context.data_root)]):
        return source.open(spec, replace(context, data_root=root))


def _named(dataset: ImageDataset, place: Path, location: str) -> ImageDataset:
    """The dataset with the location that the user wrote instead of the place of the copy."""
    info = dataset.info
    dataset.info = replace(info, location=info.location.replace(str(place), location.rstrip("/")))
    return dataset


def ensure_copied(copies: Sequence[FolderCopy]) -> None:
    """Copy what is missing of some folders.

    Raises:
        DataError: the disk is full, or a file arrives damaged.
        StoreError: the storage cannot be reached.
    """
    lacking = [(copy, copy.missing()) for copy in copies if not copy.is_current()]
    check_room(copy for copy, _ in lacking)
    for copy, files in lacking:
        with progress_bar(f"fetching {copy.url}", sum(entry.size for entry in files)) as advance:
            failed = copy_files(copy, files, workers=WORKERS, advance=advance)
        for error in failed.values():
            raise error
