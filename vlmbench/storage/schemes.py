"""Knows the kinds of storage by the beginning of their URLs: who may write there, and from where credentials come.

:mod:`vlmbench.storage.locations` and :mod:`vlmbench.storage.remote` use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Scheme:
    """What vlmbench knows of one kind of storage.

    Attributes:
        place: what the first part of the path is, for messages: a bucket, a repository.
        credentials: the usual places from which its library takes credentials.
        creates: whether it has a conditional create, which refuses an object that exists in the same request.
        login: whether a name before the host, as in ``abfs://container@account/path``, is part of the address.
    """

    place: str
    credentials: str
    creates: bool = True
    login: bool = False


_AWS = Scheme(
    "bucket",
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws, or the machine's role; for storage that is not Amazon's also "
    "AWS_ENDPOINT_URL",
)
_GOOGLE = Scheme(
    "bucket", "GOOGLE_APPLICATION_CREDENTIALS, `gcloud auth application-default login`, or the machine's role"
)
_AZURE = Scheme(
    "container",
    "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or the machine's identity",
    login=True,
)
WHOLE: Mapping[str, Scheme] = {
    "s3": _AWS,
    "s3a": _AWS,
    "gs": _GOOGLE,
    "gcs": _GOOGLE,
    "abfs": _AZURE,
    "az": _AZURE,
    "hf": Scheme("repository", "HF_TOKEN, or `hf auth login`", creates=False),
    "memory": Scheme("folder", "no credentials"),
}
"""The storage in which an object appears as a whole or not at all. vlmbench writes to no other.

How each library writes and creates was read in s3fs 2026.9, gcsfs 2026.10, adlfs 2026.8 and huggingface_hub 2.4.
HfFileSystem looks whether a file exists and then writes it, so two writers may both believe that they made it.
"""
_OTHER = Scheme("server or folder", "the places that the documentation of its fsspec package names", login=True)
NO_FOLDERS = frozenset({"http", "https", "data"})
"""These cannot list a folder."""


def scheme_of(name: str) -> Scheme:
    """What is known of a scheme, such as "s3". An unknown one gets plain words for its messages."""
    return WHOLE.get(name, _OTHER)
