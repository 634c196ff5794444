"""Scores of pairs of an image and a caption, and ranked lists, that were made elsewhere.

:mod:`.given` reads files with it. Pairs without a score rank behind all others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlmbench.class_names import listing
from vlmbench.data.base import ImageDataset
from vlmbench.errors import ModelError
from vlmbench.files import decoded_text, read_bytes
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import PAIRS_UNSCORED
from vlmbench.tasks.given.matching import Matcher
from vlmbench.tasks.given.tables import NAMES, GivenTable
from vlmbench.tasks.retrieval.given_matrices import Places, tell_of_captions
from vlmbench.tasks.retrieval.ranks import ScoreRows
from vlmbench.tasks.retrieval.saved import IMAGE_TO_TEXT, TEXT_TO_IMAGE

_SCORE = ("score", "similarity", "scores", "logit", "probability")
Scored = tuple[Places, Places, NDArray[np.float64]]
"""The images, the numbers of captions, and the scores of some pairs."""


@dataclass
class Pairs:
    """Scores of some pairs of an image and a caption. The other pairs rank behind them.

    Attributes:
        where: the file, for messages.
        number: the number of each caption text that occurs in the data.
        by_image: for pairs that rank captions for images, the images, the numbers of captions, and the scores.
        by_caption: the same for pairs that rank images for captions.
    """

    where: str
    number: Mapping[str, int]
    by_image: Scored
    by_caption: Scored

    def __post_init__(self) -> None:
        self.images = np.unique(self.by_image[0])

    def rows(self, indices: Places, captions: Sequence[str]) -> tuple[ScoreRows, ScoreRows]:
        numbers = np.array([self.number[caption] for caption in captions])
        return (
            self._dense(self.by_image, indices, numbers, "captions for images"),
            self._dense(
                (self.by_caption[1], self.by_caption[0], self.by_caption[2]), numbers, indices, "images for captions"
            ),
        )

    def _dense(self, pairs: Scored, queries: Places, candidates: Places, what: str) -> ScoreRows:
        """A function to rows of scores in full, with -inf for pairs that are not there."""
        order = np.lexsort((pairs[1], pairs[0]))
        firsts, seconds, scores = pairs[0][order], pairs[1][order], pairs[2][order]
        kinds, column = np.unique(candidates, return_inverse=True)
        begins, ends = np.searchsorted(firsts, queries), np.searchsorted(firsts, queries, side="right")
        known = np.isin(seconds, kinds)
        counts = np.bincount(column)  # a caption's text may be several candidates
        total = np.concatenate([[0], np.cumsum(np.where(known, counts[_places(kinds, seconds)], 0))])
        absent = len(queries) * len(candidates) - int((total[ends] - total[begins]).sum())
        if absent:
            say(
                PAIRS_UNSCORED,
                f"{absent:,} of {len(queries) * len(candidates):,} pairs have no score in {self.where}, when it ranks "
                f"{what}, and rank behind all others",
                brief="pairs without a score",
                count=absent,
            )

        def rows(block: slice) -> Tensor:
            sparse = np.full((block.stop - block.start, len(kinds)), -np.inf)
            for row, query in enumerate(range(block.start, block.stop)):
                own = slice(begins[query], ends[query])
                kept = known[own]
                sparse[row, _places(kinds, seconds[own][kept])] = scores[own][kept]
            return torch.from_numpy(sparse[:, column])

        return rows


def _places(sorted_values: Places, values: Places) -> Places:
    """The place of each value among sorted ones; any place for a value that is not among them."""
    return np.searchsorted(sorted_values, values).clip(max=len(sorted_values) - 1)


def read_pairs(table: GivenTable, caption: str | None, dataset: ImageDataset, flat: Sequence[str]) -> Pairs:
    """Scores of pairs, one row a pair. With ranks, each row also says which of the two is ranked for the other.

    Args:
        caption: the column of captions; None if it has no such column.
        flat: all captions of the data that count.

    Raises:
        ModelError: the table lacks a column, or has a pair twice.
    """
    names, score, rank = table.named(NAMES), table.named(_SCORE), table.named(("rank",))
    if names is None or caption is None or (score is None and rank is None):
        raise ModelError(
            f"{table.where}: scores of pairs need the columns 'image', 'caption' and 'score'; it has "
            f"{listing(map(repr, table.columns))}"
        )
    scores = table.numbers(score) if score is not None else -table.numbers(str(rank))
    pairs = _Numbered(table.where, dataset, flat).pairs(table.texts(names), table.texts(caption), scores)
    ways = table.named(("direction",))
    if ways is None:
        if score is None:
            raise ModelError(
                f"{table.where}: ranks need a column 'direction' with {IMAGE_TO_TEXT!r} or {TEXT_TO_IMAGE!r}"
            )
        pairs.check_once(np.ones(len(scores), dtype=bool))
        return Pairs(table.where, pairs.number, pairs.some(None), pairs.some(None))
    way = np.array(table.texts(ways))
    if odd := sorted(set(way.tolist()) - {IMAGE_TO_TEXT, TEXT_TO_IMAGE}):
        raise ModelError(f"{table.where}: the direction {odd[0]!r} is neither {IMAGE_TO_TEXT!r} nor {TEXT_TO_IMAGE!r}")
    for name in (IMAGE_TO_TEXT, TEXT_TO_IMAGE):
        if not (way == name).any():
            raise ModelError(f"{table.where}: no row has the direction {name!r}; both are needed")
        pairs.check_once(way == name)
    return Pairs(table.where, pairs.number, pairs.some(way == IMAGE_TO_TEXT), pairs.some(way == TEXT_TO_IMAGE))


def read_lists(path: Path, dataset: ImageDataset, flat: Sequence[str]) -> Pairs:
    """Ranked lists: ``{"image_to_text": {IMAGE: [CAPTION, …]}, "text_to_image": {CAPTION: [IMAGE, …]}}``.

    Raises:
        ModelError: the file has another form, or a list has something twice.
    """
    try:
        data = json.loads(decoded_text(read_bytes(path)), object_pairs_hook=_once)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ModelError(f"{path}: cannot be read as JSON: {reason}") from error
    both = []
    for name in (IMAGE_TO_TEXT, TEXT_TO_IMAGE):
        lists = data.get(name) if isinstance(data, dict) else None
        sound = isinstance(lists, dict) and all(
            isinstance(found, list) and all(isinstance(each, str) for each in found) for found in lists.values()
        )
        if not sound or not lists:
            raise ModelError(
                f"{path}: {name!r} must map each {'image' if name == IMAGE_TO_TEXT else 'caption'} to its list, the "
                "best first",
                hint='Write {"image_to_text": {"1.jpg": ["a cat", …]}, "text_to_image": {"a cat": ["1.jpg", …]}}.',
            )
        queries = [query for query, found in lists.items() for _ in found]
        found = [each for own in lists.values() for each in own]
        if not found:
            raise ModelError(f"{path}: all lists of {name!r} are empty")
        places = np.array([-place for own in lists.values() for place in range(len(own))], dtype=np.float64)
        images, captions = (queries, found) if name == IMAGE_TO_TEXT else (found, queries)
        numbered = _Numbered(str(path), dataset, flat).pairs(images, captions, places)
        numbered.check_once(np.ones(len(places), dtype=bool))
        both.append(numbered)
    return Pairs(str(path), both[0].number, both[0].some(None), both[1].some(None))


def _once(entries: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a JSON file. A name that it has twice is an error: only the last one would count."""
    found: dict[str, Any] = {}
    for name, value in entries:
        if name in found:
            raise ValueError(f"{name!r} has two lists")
        found[name] = value
    return found


@dataclass(frozen=True)
class _NumberedPairs:
    where: str
    number: Mapping[str, int]
    images: Places
    captions: Places
    scores: NDArray[np.float64]
    rows: Places

    def some(self, chosen: NDArray[np.bool_] | None) -> Scored:
        """The pairs of the chosen rows of the file; None: of all."""
        kept = slice(None) if chosen is None else chosen[self.rows]
        return self.images[kept], self.captions[kept], self.scores[kept]

    def check_once(self, chosen: NDArray[np.bool_]) -> None:
        """Refuse a pair that the chosen rows have twice."""
        kept = chosen[self.rows]
        keys = self.images[kept] * max(len(self.number), 1) + self.captions[kept]
        order = np.argsort(keys, kind="stable")
        again = np.flatnonzero(np.diff(keys[order]) == 0)
        if len(again):
            first, second = self.rows[kept][order[again[0]]] + 1, self.rows[kept][order[again[0] + 1]] + 1
            raise ModelError(
                f"{self.where}: pairs {first:,} and {second:,} are of the same image and caption",
                hint="Keep one of them.",
            )


@dataclass(frozen=True)
class _Numbered:
    """Turns names of images and texts of captions into numbers."""

    where: str
    dataset: ImageDataset
    flat: Sequence[str]

    def pairs(self, images: Sequence[str], captions: Sequence[str], scores: NDArray[np.float64]) -> _NumberedPairs:
        """The pairs whose image and caption are in the data; others are remarks."""
        number: dict[str, int] = {}
        for caption in self.flat:
            number.setdefault(caption, len(number))
        known = list(dict.fromkeys(images))
        row_of = Matcher(self.dataset, self.where).rows(known)
        sample_of = {known[row]: sample for sample, row in enumerate(row_of.tolist()) if row >= 0}
        firsts = np.array([sample_of.get(image, -1) for image in images], dtype=np.int64)
        seconds = np.array([number.get(caption, -1) for caption in captions], dtype=np.int64)
        tell_of_captions({text for text in captions if text not in number}, Path(self.where))
        kept = (firsts >= 0) & (seconds >= 0)
        if not kept.any():
            raise ModelError(
                f"{self.where}: none of its captions is in the data, such as {captions[0]!r}",
                hint="Write the captions as they are in the data, each as a whole.",
            )
        return _NumberedPairs(self.where, number, firsts[kept], seconds[kept], scores[kept], np.flatnonzero(kept))
