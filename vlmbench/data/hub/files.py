"""Files in the hub client's cache: whether they are there, and whether they are what the hub says they are."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vlmbench.data.hub.repo import Listing, RemoteFile, repo_folder

_CHUNK_BYTES = 1 << 20


def cached_path(listing: Listing, file: RemoteFile) -> Path | None:
    """Where the cache has the file, in its whole length; None where it has not.

    It may be there under another commit or name: then it only needs to be linked.
    """
    return in_snapshot(listing, file) or _whole(_blob(listing, file), file)


def in_snapshot(listing: Listing, file: RemoteFile) -> Path | None:
    """Where the commit's snapshot has the file, in its whole length; None where it has not."""
    return _whole(repo_folder(listing.repo.id) / "snapshots" / listing.commit / file.path, file)


def partial_bytes(listing: Listing, file: RemoteFile) -> int:
    """How much of the file an earlier download left behind."""
    blob = _blob(listing, file)
    partial = blob and partial_path(blob)
    return partial.stat().st_size if partial and partial.is_file() else 0


def partial_path(blob: Path) -> Path:
    """The unfinished download of a blob; clients before version 2 name theirs so too, and leave them."""
    return blob.with_name(f"{blob.name}.incomplete")


def mismatch(path: Path, file: RemoteFile) -> str | None:
    """What is wrong with a file's content, in words; None where it is as the hub says, or the hub says nothing."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"it has {size:,} bytes instead of {file.size:,}"
    if file.sha256:
        digest, expected = hashlib.sha256(), file.sha256
    elif file.git_sha1:
        digest, expected = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False), file.git_sha1
    else:
        return None
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    found = digest.hexdigest()
    return None if found == expected else f"its checksum is {found[:12]}… instead of {expected[:12]}…"


def discard(path: Path) -> None:
    """Remove a cached file: the link in the snapshot, and what it leads to."""
    while path.is_symlink():
        target = path.parent / path.readlink()
        path.unlink()
        path = target
    path.unlink(missing_ok=True)


def _blob(listing: Listing, file: RemoteFile) -> Path | None:
    """The hub's client names a blob by its hash."""
    name = file.sha256 or file.git_sha1
    return repo_folder(listing.repo.id) / "blobs" / name if name else None


def _whole(path: Path | None, file: RemoteFile) -> Path | None:
    return path if path and path.is_file() and file.size in (None, path.stat().st_size) else None
