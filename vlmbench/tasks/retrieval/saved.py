"""Writes the scores of a retrieval, both ways, into one npz file, block by block. The plugin uses it.

Both matrices are kept, because a product of matrices and that of their transposes may differ in the last bit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from torch import Tensor

from vlmbench.features.engine import FeatureEngine
from vlmbench.tasks.retrieval.ranks import KeepBoth

IMAGE_TO_TEXT, TEXT_TO_IMAGE = "image_to_text", "text_to_image"
IMAGES, CAPTIONS = "images.json", "captions.json"
"""The members of the file with the ids of images and the captions. An array of texts would need the length of the
longest text for each."""


@contextmanager
def saved_matrices(engine: FeatureEngine, ids: Sequence[str], captions: Sequence[str]) -> Iterator[KeepBoth]:
    """Functions that write the blocks of both matrices to the place of the engine's answers; None if it has none.

    All blocks of captions for images come before the first block of images for captions.

    Args:
        ids: the ids of the I images.
        captions: the M captions.
    """
    if engine.saving is None:
        yield None, None
        return
    with engine.saving.new(".npz") as path, ZipFile(path, "w", ZIP_STORED) as archive:
        archive.writestr(IMAGES, json.dumps(list(ids)))
        archive.writestr(CAPTIONS, json.dumps(list(captions)))
        with ExitStack() as open_members:
            shape = len(ids), len(captions)
            both = (IMAGE_TO_TEXT, shape), (TEXT_TO_IMAGE, shape[::-1])
            yield tuple(_Member(archive, name, size, open_members).write for name, size in both)  # type: ignore[misc]


class _Member:
    """One matrix in an archive, opened at its first block. The archive can have one open member at a time."""

    def __init__(self, archive: ZipFile, name: str, shape: tuple[int, int], opened: ExitStack) -> None:
        self._archive, self._name, self._shape, self._opened = archive, name, shape, opened
        self._file: IO[bytes] | None = None

    def write(self, scores: Tensor) -> None:
        """Write the next rows of the matrix."""
        if self._file is None:
            self._opened.close()  # the member before
            self._file = self._archive.open(f"{self._name}.npy", "w", force_zip64=True)
            self._opened.push(self._file)
            header = {"descr": "<f4", "fortran_order": False, "shape": self._shape}
            np.lib.format.write_array_header_1_0(self._file, header)
        self._file.write(np.ascontiguousarray(scores.float().cpu().numpy(), dtype="<f4").data)
