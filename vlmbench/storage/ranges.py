"""Reads parts of files in object storage, and makes sure that every part is of the version that was listed.

Webdatasets that are streamed and the copies of other datasets use it.
"""

from __future__ import annotations

from typing import Any

from vlmbench.errors import StoreError
from vlmbench.storage.base import Entry, Url
from vlmbench.storage.problems import has_changed
from vlmbench.storage.remote import RemoteFolder

_S3 = ("s3", "s3a")


def read_range(folder: RemoteFolder, entry: Entry, start: int, stop: int) -> bytes:
    """The bytes of a file from one position up to another.

    S3 is asked for this version and no other in the same request (``If-Match``). Of other storage the version is asked
    for after the bytes have arrived.

    Args:
        entry: the file as the folder listed it.
        start: the position of the first byte.
        stop: the position after the last byte, at most the file's size.

    Raises:
        StoreError: the file cannot be read, has changed since it was listed, or is not there any more.
    """
    if stop <= start:
        return b""

    def ask(files: Any, path: str) -> bytes:
        if folder.url.scheme in _S3:
            data, version = _from_s3(files, path, entry, start, stop, folder.url)
        else:
            data, version = bytes(files.cat_file(path, start, stop)), folder.version(files, path)
        if version != entry.version:
            raise _changed(folder.url, entry)
        if len(data) != stop - start:
            raise ConnectionError(f"{len(data)} bytes arrived instead of {stop - start}")  # asked again
        return data

    try:
        return folder.ask("read", entry.name, ask)
    except FileNotFoundError as error:
        raise StoreError(f"'{folder.url}/{entry.name}' is not there any more", hint="Run the command again.") from error


def _from_s3(files: Any, path: str, entry: Entry, start: int, stop: int, url: Url) -> tuple[bytes, str]:
    """A part of an object of S3 and the object's version."""
    from fsspec.asyn import sync

    bucket, _, key = path.partition("/")

    async def get() -> tuple[bytes, str]:
        answer = await files._call_s3(
            "get_object", Bucket=bucket, Key=key, Range=f"bytes={start}-{stop - 1}", IfMatch=f'"{entry.version}"'
        )
        async with answer["Body"] as body:
            return await body.read(), str(answer.get("ETag", "")).strip('"')

    try:
        data, version = sync(files.loop, get)
    except Exception as error:
        if has_changed(error):
            raise _changed(url, entry) from error
        raise
    return data, version


def _changed(url: Url, entry: Entry) -> StoreError:
    return StoreError(f"'{url}/{entry.name}' has changed since it was listed", hint="Run the command again.")
