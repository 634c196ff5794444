"""Lists the files of a dataset in object storage, and says which of its names cannot be files on a disk.

Streamed webdatasets and copies of other datasets use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vlmbench.data.labels import listing
from vlmbench.errors import DataError, VlmbenchError
from vlmbench.storage.base import Entry, Url
from vlmbench.storage.remote import RemoteFolder
from vlmbench.wording import counted


def files_below(folder: RemoteFolder, below: str = "") -> list[Entry]:
    """All files below a folder, by name, without the empty objects by which some programs mark folders.

    Raises:
        DataError: some names cannot be paths on a disk.
        StoreError: they cannot be listed.
    """
    found = list(folder.entries(below))
    folders = {parent for entry in found for parent in _parents(entry.name)}
    clashing = [entry.name for entry in found if entry.name in folders and entry.size]
    odd = [entry.name for entry in found if not _is_plain(entry.name)]
    if wrong := [*clashing, *odd]:
        raise DataError(
            f"'{folder.url}' has {counted(len(wrong), 'name')} that cannot be a file on a disk: {listing(wrong)}",
            hint="Rename them, or move them elsewhere. A file and a folder cannot have the same name.",
        )
    return [entry for entry in found if entry.name not in folders]


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _is_plain(name: str) -> bool:
    parts = name.split("/")
    letters_are_text = not any("\ud800" <= letter <= "\udfff" for letter in name)
    return letters_are_text and "\0" not in name and not any(part in ("", ".", "..") for part in parts)


@contextmanager
def named_by_urls(places: Iterable[tuple[Path, Url | str]]) -> Iterator[None]:
    """Name URLs in the errors of the block instead of the folders of this machine that stand for them."""
    try:
        yield
    except VlmbenchError as error:
        for place, url in places:
            error.message = error.message.replace(str(place), str(url))
            error.hint = error.hint.replace(str(place), str(url)) if error.hint else None
        error.args = (error.message,)
        raise
