"""What a dataset holds, known without a second pass where it can be: the content fingerprints of earlier runs."""

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
    """Remembers each dataset state's content fingerprint.

    A state is a hash of names, sizes and times, which costs nothing, and labels are in memory; a content fingerprint
    needs every byte. A run reads every byte anyway and leaves the answer here, so that a later run of the same command
    finds its records at once. Like ``make`` and ``git``, it trusts that a file of the same size and time is the same
    file; ``--force`` does not. Features are never looked up this way: they go by content alone.

    Args:
        folder: where the index is kept; None: nowhere, and every answer is computed.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, str] = {}

    def get(self, dataset: ImageDataset, indices: Sequence[int], skipped: frozenset[str]) -> str:
        """The fingerprint of these samples, from the index or by reading them.

        Args:
            skipped: ids left out as bad.

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
        """Remember what a run has read, unless files changed while it ran.

        Args:
            state: its state before it was read.
        """
        if dataset.state() != state:
            return
        key = self._key(dataset, indices)
        self._known[key] = content_fingerprint
        if self._folder is None or not state:  # without a state, a later run could not tell that it is the same data
            return
        temporary = self._folder / f".{key}.{socket.gethostname()}.{os.getpid()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(content_fingerprint, encoding="ascii")
            temporary.replace(self._folder / key)
        except OSError:  # only a convenience is lost: the next run reads the bytes again
            with suppress(OSError):  # where nothing can be written, there is nothing to remove
                temporary.unlink(missing_ok=True)

    def _stored(self, key: str) -> str | None:
        if self._folder is None:
            return None
        try:
            stored = read_text(self._folder / key, most=_HEX_SHA256)
        except (OSError, UnicodeDecodeError):  # not there, or not to be read: computed again
            return None
        return stored if len(stored) == _HEX_SHA256 else None

    @staticmethod
    def _key(dataset: ImageDataset, indices: Sequence[int]) -> str:
        state = dataset.state() or f"object {id(dataset)}"  # a run holds its datasets, so the number is of one alone
        digest = sha256(f"{dataset.info.kind} {dataset.info.location} {state}\n".encode())
        for index in indices:  # the same files may be read for other labels: captions instead of classes, say
            digest.update(f"{index} {dataset.samples[index].target!r}\n".encode())
        return digest.hexdigest()
