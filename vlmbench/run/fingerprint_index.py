"""Keeps datasets' content fingerprints from earlier runs, so that unchanged data is not read again. Runs use it."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from vlmbench.data.base import ImageDataset, content_sha256, fingerprint
from vlmbench.files import read_text

_HEX_SHA256 = 64


class FingerprintIndex:
    """Keeps the content fingerprint of each state of a dataset.

    A state is a hash of names, sizes and times, and is cheap. A content fingerprint needs every byte. A run reads every
    byte anyway and stores the fingerprint here, so that a later run of the same command finds its records at once. Like
    ``make`` and ``git``, the index assumes that a file with the same size and time is the same file; ``--force`` does
    not. Features are never looked up in this way, only by content.

    Args:
        folder: the folder of the index; None: there is no index, and every fingerprint is computed.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, str] = {}

    def get(self, dataset: ImageDataset, indices: Sequence[int], skipped: frozenset[str]) -> str:
        """The fingerprint of these samples, from the index or by reading them.

        Args:
            skipped: the ids of samples that were left out as bad.

        Raises:
            BadSampleError: a sample cannot be read.
        """
        kept = [index for index in indices if dataset.samples[index].id not in skipped]
        key = self._key(dataset, kept)
        if key not in self._known:
            stored = self._stored(key) if dataset.state() else None
            self._known[key] = stored or fingerprint(
                (content_sha256(dataset, index), dataset.samples[index].target) for index in kept
            )
        return self._known[key]

    def put(self, dataset: ImageDataset, state: str, indices: Sequence[int], content_fingerprint: str) -> None:
        """Store the fingerprint of the data that a run has read, unless files changed during the run.

        Args:
            state: the state before the data was read.
        """
        if dataset.state() != state:
            return
        key = self._key(dataset, indices)
        self._known[key] = content_fingerprint
        if self._folder is None or not state:  # without a state, a later run could not recognise the data
            return
        temporary = self._folder / f".{key}.{socket.gethostname()}.{os.getpid()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(content_fingerprint, encoding="ascii")
            temporary.replace(self._folder / key)
        except OSError:  # no harm: the next run reads the bytes again
            with suppress(OSError):  # if nothing can be written, there is nothing to remove
                temporary.unlink(missing_ok=True)

    def _stored(self, key: str) -> str | None:
        if self._folder is None:
            return None
        try:
            stored = read_text(self._folder / key, most=_HEX_SHA256)
        except (OSError, UnicodeDecodeError):  # missing or unreadable: computed again
            return None
        return stored if len(stored) == _HEX_SHA256 else None

    @staticmethod
    def _key(dataset: ImageDataset, indices: Sequence[int]) -> str:
        state = dataset.state() or f"object {id(dataset)}"  # a run keeps its datasets: ids are unique
        digest = sha256(f"{dataset.info.kind} {dataset.info.location} {state}\n".encode())
        for index in indices:  # the same files may be read with other labels, for example captions instead of classes
            digest.update(f"{index} {dataset.samples[index].target!r}\n".encode())
        return digest.hexdigest()
