"""Keeps the hub's list of a repository's files beside the cached files, so that the cache alone can tell what it lacks.

Runs and ``vlmbench fetch`` use it. The client's cache does not say which files it lacks. So the hub's answer is kept as
``vlmbench/<commit>.json`` in the repository's folder of the cache. The client ignores it there, and it is copied with
HF_HOME to a machine without a network. The client's own list (``get_cached_repo_tree``, version 2.4) has no SHA-256, so
it cannot verify files.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from threading import get_ident

from vlmbench.data.hub.repo import Listing, lies_inside, repo_folder
from vlmbench.data.remote import RemoteFile
from vlmbench.files import read_bytes

_VERSION = 1


def remember(listing: Listing) -> None:
    """Keep the hub's list of a commit's files.

    If the cache cannot be written, the list is not kept, and a message is logged. It is not an error: the cache may be
    shared, and complete.
    """
    path = _path(listing.repo.id, listing.commit)
    said = {"version": _VERSION, "repository": listing.repo.id, "commit": listing.commit}
    files = [{name: value for name, value in asdict(file).items() if value is not None} for file in listing.files]
    content = json.dumps({**said, "files": files}, indent=1, ensure_ascii=False).encode()
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}")
    try:
        if path.is_file() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        logging.getLogger(__name__).info("%s cannot be written: %s", path, error)


def recall(repo_id: str, commit: str) -> tuple[RemoteFile, ...] | None:
    """Read the kept list of a commit's files; None if no list was kept or if it is broken."""
    path = _path(repo_id, commit)
    try:
        said = json.loads(read_bytes(path))
        if (said["version"], said["repository"], said["commit"]) != (_VERSION, repo_id, commit):
            raise ValueError("it is about another commit, or another version wrote it")
        files = tuple(RemoteFile(**file) for file in said["files"])
        if not all(lies_inside(file.path) for file in files):
            raise ValueError("it lists files outside of the repository")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        logging.getLogger(__name__).info("%s is ignored: %r", path, error)
        return None
    return files


def _path(repo_id: str, commit: str) -> Path:
    return repo_folder(repo_id) / "vlmbench" / f"{commit}.json"
