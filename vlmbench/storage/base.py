"""Defines a location, which is a path or a URL, and the protocol of a folder at a location.

Every command makes locations of what users write, and the store of results, leases and mirrors use folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

_SCHEME = re.compile(r"^(?P<scheme>[a-z][a-z0-9+.-]+)://(?P<rest>.*)$", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Url:
    """A folder or file that fsspec can reach, such as ``s3://bucket/runs``.

    It holds no credentials: :func:`vlmbench.storage.locations.user_location` refuses those.

    Attributes:
        text: the URL without a slash at its end.
    """

    text: str

    @property
    def scheme(self) -> str:
        """The part before ``://``, such as "s3"."""
        return self.text.partition("://")[0]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.text.partition("://")[2].rpartition("/")[2]

    def __truediv__(self, below: str) -> Url:
        return Url(f"{self.text}/{below}")

    def __str__(self) -> str:
        return self.text


Location: TypeAlias = Path | Url
"""Where results or data are."""


def is_url(text: object) -> bool:
    """Whether a text is a URL and not a path. A drive letter of Windows, ``C:``, is no scheme."""
    return isinstance(text, str) and _SCHEME.match(text) is not None


@dataclass(frozen=True)
class Entry:
    """One file of a folder.

    Attributes:
        name: its path below the folder, with "/" between its parts.
        size: in bytes.
        version: a text that changes if the content changes, such as an ETag, or the time and size of a local file.
        written: when the storage got it, in seconds by the storage's clock; None if the storage does not tell.
    """

    name: str
    size: int
    version: str
    written: float | None = field(default=None, compare=False)


class Folder(Protocol):
    """Files below one location. Names are paths below it, with "/". Many threads may use one folder.

    Every method raises :class:`~vlmbench.errors.StoreError` if the place cannot be reached, with the reason in plain
    words and without credentials. Passing problems (a dropped connection, 429, 500, 503) are tried again first.
    """

    location: Location

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: there is no such file.
        """

    def write(self, name: str, data: bytes) -> None:
        """Write a file completely or not at all. An existing file is replaced; no reader ever sees a part of it."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a file only if it does not exist yet. Of several callers at once, exactly one gets True.

        Returns:
            Whether this call made the file.
        """

    def remove(self, name: str) -> None:
        """Remove a file. A file that does not exist is no error."""

    def entries(self, below: str = "") -> Iterator[Entry]:
        """All files below a folder of this folder, in the order of their names. A folder that does not exist has none.

        Args:
            below: a path below this folder; empty: everything.
        """
