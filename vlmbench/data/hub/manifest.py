"""The list of a repository's files, kept beside them: so that the hub's cache alone can tell what it lacks.

The client's cache has what was fetched, and does not say what else there was. So whenever a hub was asked, its answer
is kept as ``vlmbench/<commit>.json`` in the repository's folder of that cache: the client passes it over there,
and it comes along when HF_HOME is copied to a machine without network.
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
    """Keep what the hub said a commit has.

    A cache that cannot be written is no failure: it may be shared, and hold all that is needed. It is only not known
    then whether it does.
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
    """What the hub once said a commit has; None where it was never asked, or the note of it is broken."""
    path = _path(repo_id, commit)
    try:
        said = json.loads(read_bytes(path))
        if (said["version"], said["repository"], said["commit"]) != (_VERSION, repo_id, commit):
            raise ValueError("it is about something else, or of another vlmbench")
        files = tuple(RemoteFile(**file) for file in said["files"])
        if not all(lies_inside(file.path) for file in files):
            raise ValueError("it lists files outside of the repository")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        logging.getLogger(__name__).info("%s is passed over: %r", path, error)
        return None
    return files


def _path(repo_id: str, commit: str) -> Path:
    return repo_folder(repo_id) / "vlmbench" / f"{commit}.json"
