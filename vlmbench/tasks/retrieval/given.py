"""Answers to a retrieval that were made elsewhere: matrices of scores, scores of pairs, or ranked lists.

The plugin ranks them as it ranks the similarities of a model: equal scores count against the system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import torch

from vlmbench.data.base import ImageDataset
from vlmbench.tasks.given.base import GivenAnswers
from vlmbench.tasks.given.matrices import open_matrices
from vlmbench.tasks.given.tables import NAMES, read_table
from vlmbench.tasks.retrieval.given_matrices import CAPTION, SCORES, Places, matrices
from vlmbench.tasks.retrieval.given_pairs import read_lists, read_pairs
from vlmbench.tasks.retrieval.ranks import Ranked, ScoreRows, rank_scores

SUFFIXES = (".npz", ".npy", ".parquet", ".csv", ".tsv", ".json")
"""The files of answers. Runs write the first."""


class GivenScores(Protocol):
    """The answers of a file, for any of its images.

    Attributes:
        images: the indices of the images with an answer.
    """

    images: Places

    def rows(self, indices: Places, captions: Sequence[str]) -> tuple[ScoreRows, ScoreRows]:
        """The scores of M captions for some of the I images, (B, M), and those of the images for some captions.

        Args:
            indices: (I,) images among :attr:`images`.
            captions: M texts.

        Raises:
            ModelError: a caption has no scores, or a score is NaN or infinite.
        """


def ranked(
    answers: GivenScores, indices: Places, captions: Sequence[str], spans: Sequence[int]
) -> tuple[Ranked, Ranked]:
    """Rank all captions for each image, and all images for each caption.

    Args:
        indices: (I,) the images, all among those with an answer.
        captions: the M captions of these images, in their order.
        spans: (I + 1,) the place of each image's first caption, and M at the end.

    Raises:
        ModelError: as :meth:`GivenScores.rows`.
    """
    begins = torch.tensor(spans)
    owners = torch.repeat_interleave(torch.arange(len(indices)), begins.diff())
    of_images, of_captions = answers.rows(indices, captions)
    return (
        rank_scores(of_images, begins[:-1], begins[1:], len(captions)),
        rank_scores(of_captions, owners, owners + 1, len(indices)),
    )


def read_answers(
    given: GivenAnswers, dataset: ImageDataset, every: Iterable[int], captions_of: Callable[[int], tuple[str, ...]]
) -> GivenScores:
    """Read matrices, scores of pairs or ranked lists.

    Args:
        every: the indices of all images of the data.
        captions_of: the captions of an image that count.

    Raises:
        ModelError: the file cannot be used.
    """
    path = given.path
    flat = [caption for index in every for caption in captions_of(index)]
    if path.suffix == ".json":
        return read_lists(path, dataset, flat)
    if path.suffix in (".npz", ".npy"):
        return matrices(path, open_matrices(path), dataset, flat)
    table = read_table(path, texts=CAPTION)
    caption = table.named(CAPTION)
    if caption is None and (scores := table.named(SCORES)) is not None:
        names = table.named(NAMES)
        arrays = {"scores": table.lists(scores), **({} if names is None else {"images": table.texts(names)})}
        facts = {name: table.facts[name] for name in CAPTION if name in table.facts}
        return matrices(path, {**facts, **arrays}, dataset, flat)
    return read_pairs(table, caption, dataset, flat)
