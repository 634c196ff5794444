"""The content hashes of samples whose answers were made elsewhere: nothing is decoded, and images may be absent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial

import numpy as np

from vlmbench.data.base import ImageDataset, id_sha256
from vlmbench.errors import BadSampleError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.read import Bad
from vlmbench.features.workers import in_threads
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import IMAGES_ABSENT
from vlmbench.tasks.base import nothing_scored
from vlmbench.tasks.contents import Contents, digests
from vlmbench.tasks.given.base import GivenAnswers
from vlmbench.wording import counted

AHEAD = 64
"""The number of samples that are hashed before they are needed."""


def given_contents(
    engine: FeatureEngine, dataset: ImageDataset, indices: Sequence[int], given: GivenAnswers
) -> Contents:
    """The content hash of each sample, as an ordinary run computes it. If no image is there: the hash of its id.

    Makes a remark in the second case. Samples that cannot be read are left out if the settings say so.

    Raises:
        BadSampleError: a sample cannot be read, and ``skip_bad`` is off.
        DataError: no sample is left.
    """
    content = partial(id_sha256, dataset) if given.images_absent else partial(given.hashes.get, dataset)
    if given.images_absent:
        say(
            IMAGES_ABSENT,
            f"none of the {counted(len(indices), 'image')} is on this machine, so the fingerprint of the data covers "
            "ids and labels only",
            brief="images absent",
            count=len(indices),
        )

    def read(index: int) -> str | Bad:
        try:
            with engine.tally.clock.timed("hash"):
                return content(index)
        except BadSampleError as error:
            return Bad(error, None)

    kept, found = [], []
    engine.progress.start("images", len(indices))
    threads = engine.settings.decoding_threads
    with engine.timed("images"), closing(in_threads(read, indices, threads, AHEAD, engine.tally.clock)) as read_all:
        for index, read_one in zip(indices, read_all, strict=True):
            if isinstance(read_one, Bad):
                if not engine.settings.skip_bad:
                    raise read_one.error
                engine.tally.bad.append(read_one.sample())
            else:
                kept.append(index)
                found.append(read_one)
            engine.progress.advance(1)
    given.hashes.keep()
    if not kept:
        raise nothing_scored()
    return Contents(np.asarray(kept, dtype=np.int64), digests(found))
