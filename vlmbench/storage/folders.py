"""Opens the folder at a location, be it a path or a URL. Stores of results, leases and mirrors use it."""

from __future__ import annotations

from pathlib import Path

from vlmbench.storage.base import Folder, Location
from vlmbench.storage.disk import DiskFolder
from vlmbench.storage.remote import RemoteFolder


def open_folder(location: Location) -> Folder:
    """The folder at a location. It need not exist, and no request is made."""
    return DiskFolder(location) if isinstance(location, Path) else RemoteFolder(location)
