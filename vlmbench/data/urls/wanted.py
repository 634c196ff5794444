"""Says which folders of object storage an entry of a card means.

Datasets at URLs are opened by it, and ``vlmbench fetch`` plans their copies by it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from itertools import chain

from vlmbench.cards import SourceSpec
from vlmbench.data.base import Source, SourceContext
from vlmbench.data.urls.copies import FolderCopy, list_folder
from vlmbench.errors import MissingDataError
from vlmbench.paths import user_path
from vlmbench.storage.base import Url, is_url
from vlmbench.storage.locations import is_object_storage, user_location

_OPTIONS = ("images", "masks", "annotations", "list")
"""Options that name files or folders. A card may write them relative to the location, to the folder above, or to the
data root."""


def url_of(location: str, context: SourceContext) -> Url | None:
    """The URL that a location means; None if it means a path of this machine.

    If the data root is a URL, a relative location is below it. The data root itself is never meant, because it may hold
    all datasets of a team.

    Raises:
        UsageError: the URL has credentials, or is not complete.
        MissingDependencyError: the package for this kind of URL is not installed.
    """
    if is_object_storage(location):
        found = user_location(location)
        return found if isinstance(found, Url) else None
    if not isinstance(context.data_root, Url) or is_url(location) or user_path(location).is_absolute():
        return None
    below = posixpath.normpath(location)
    return None if below == "." or below.startswith("..") else context.data_root / below


def folders_of(location: str, spec: SourceSpec, context: SourceContext) -> list[FolderCopy]:
    """The folders that one location of an entry means: its own and those that options name. Empty if it has none.

    Raises:
        MissingDataError: there is no complete copy while offline.
        UsageError, DataError, StoreError: as :func:`url_of` and :func:`~vlmbench.data.urls.copies.list_folder`.
    """
    url = url_of(location, context)
    own = list_folder(url, offline=context.offline) if url is not None else None
    if own is None:
        return []
    found = [own]
    bucket = own.url.text.partition("://")[2].partition("/")[0]
    for text in dict.fromkeys(_named_by_options(own.url, spec, context)):
        other = Url(text)
        inside = any(other.text == copy.url.text or other.text.startswith(f"{copy.url}/") for copy in found)
        above = any(copy.url.text.startswith(f"{other}/") for copy in found)
        same_bucket = other.text.startswith(f"{own.url.scheme}://{bucket}/")
        if inside or above or not same_bucket or other == context.data_root:
            continue
        if (copy := _other(other, offline=context.offline)) is not None and copy.url != context.data_root:
            found.append(copy)
    return found


def _other(url: Url, *, offline: bool) -> FolderCopy | None:
    try:
        return list_folder(url, offline=offline)
    except MissingDataError:  # offline, it is not known whether it exists
        return None


def _named_by_options(own: Url, spec: SourceSpec, context: SourceContext) -> Iterator[str]:
    scheme, _, path = own.text.partition("://")
    for option in _OPTIONS:
        asked = spec.options.get(option)
        for name in asked if isinstance(asked, list) else [asked]:
            if isinstance(name, str) and name and not posixpath.isabs(name):
                for base in (path, posixpath.dirname(path)):
                    yield f"{scheme}://{posixpath.normpath(posixpath.join(base, name))}"
                if isinstance(context.data_root, Url):
                    root = context.data_root.text.partition("://")[2]
                    yield f"{scheme}://{posixpath.normpath(posixpath.join(root, name))}"


def folders_below_root(source: Source, spec: SourceSpec, context: SourceContext) -> list[FolderCopy]:
    """The folders below the data root that an entry may mean whose source looks for its files itself.

    Raises:
        MissingDataError: offline, none of them has a complete copy.
    """
    assert source.below_root is not None, "only for such sources"
    found: dict[str, FolderCopy] = {}
    absent: MissingDataError | None = None
    for name in source.below_root(spec):
        try:
            url = url_of(name, context)
            copy = list_folder(url, offline=context.offline) if url is not None else None
            if copy is not None and copy.url != context.data_root:
                found[copy.url.text] = copy
        except MissingDataError as error:
            absent = absent or error
    if not found and absent is not None:
        raise absent
    return list(found.values())


def url_locations(spec: SourceSpec, context: SourceContext) -> list[str]:
    """The locations of an entry that mean URLs, in order."""
    every = chain([spec.location], spec.other_locations)
    return [location for location in every if url_of(location, context) is not None]
