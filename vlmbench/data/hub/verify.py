"""Whether cached files are still what the hub says they are: hashed, and nothing touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlmbench.data.hub.files import cached_path, mismatch
from vlmbench.data.hub.repo import Listing, RemoteFile
from vlmbench.errors import DataError


@dataclass(frozen=True)
class Verified:
    """What the hashes of some cached files told.

    Attributes:
        damaged: the files that are not what they should be.
        good: how many are.
        unknown: of how many nobody knows a hash.
    """

    damaged: tuple[RemoteFile, ...]
    good: int
    unknown: int


def verify_cached(listing: Listing, files: Sequence[RemoteFile]) -> Verified:
    """Take the hash of every one of the files that is cached.

    It is compared with what the hub says; where the cache answers for it, with what the hub once said, or with the
    name under which the client keeps the file, which is its hash.

    Raises:
        DataError: of none of the cached files anybody knows a hash.
    """
    cached = [(file, path) for file in files if (path := cached_path(listing, file))]
    known = [(file, path) for file, path in cached if file.sha256 or file.git_sha1]
    if cached and not known:
        raise DataError(
            f"hub {listing.repo.id!r}: its {len(cached)} cached files cannot be verified: nobody knows their hashes",
            hint="Use --verify where the hub can be reached, or leave it out.",
        )
    damaged = tuple(file for file, path in known if mismatch(path, file) is not None)
    return Verified(damaged, len(known) - len(damaged), len(cached) - len(known))
