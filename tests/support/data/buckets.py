"""Datasets in object storage, made from folders."""

from __future__ import annotations

from pathlib import Path

from object_storage import BUCKET, ObjectStorage


def put_folder(storage: ObjectStorage, folder: Path, name: str) -> str:
    """Put the files of a folder under a name, and return their URL."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            storage.put(f"{name}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return f"s3://{BUCKET}/{name}"


def reads_of(storage: ObjectStorage, ending: str) -> list[str]:
    """The requests for the bytes of objects whose names end like this, since the last call."""
    found = [asked for asked in storage.asked if asked.startswith("GET ") and asked.endswith(ending)]
    storage.asked.clear()
    return found
