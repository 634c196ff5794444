"""Ranks captions for images and images for captions; equal ones are scored once. The plugin of retrieval uses it."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vlmbench.features.vectors.similarity import all_similarities
from vlmbench.features.vectors.store import Floats
from vlmbench.features.vectors.texts import TextVectors
from vlmbench.models.multi_vector import Similarity
from vlmbench.tasks.retrieval.ranks import KeepBoth, Ranked, rank, rank_scores


def both_ways(
    images: Tensor,
    texts: Tensor,
    contents: Iterable[Hashable],
    captions: Sequence[str],
    spans: Sequence[int],
    device: torch.device,
    keep: KeepBoth = (None, None),
) -> tuple[Ranked, Ranked]:
    """Rank all captions for each image, and all images for each caption.

    Args:
        images: (I, D), unit length.
        texts: (M, D), unit length; the captions of the first image come first.
        contents: I content hashes. Images with the same hash are equal.
        captions: M texts. Some may be equal.
        spans: (I + 1,) the place of each image's first caption, and M at the end.
        device: the device that computes the scores.
        keep: are given all scores: those of captions for images, and those of images for captions.
    """
    image_rows, image_columns = _distinct(contents)
    text_rows, text_columns = _distinct(captions)
    images, texts = _taken(images.to(device), image_rows), _taken(texts.to(device), text_rows)
    begins = torch.tensor(spans, device=device)
    owners = torch.repeat_interleave(torch.arange(len(spans) - 1, device=device), begins.diff())
    image_columns, text_columns = image_columns.to(device), text_columns.to(device)
    return (
        rank(_taken(images, image_columns), texts, begins[:-1], begins[1:], columns=text_columns, keep=keep[0]),
        rank(_taken(texts, text_columns), images, owners, owners + 1, columns=image_columns, keep=keep[1]),
    )


def several_both_ways(
    images: Floats,
    order: npt.NDArray[np.int64] | None,
    texts: TextVectors,
    contents: Iterable[Hashable],
    spans: Sequence[int],
    similarity: Similarity,
    device: torch.device,
    keep: KeepBoth = (None, None),
) -> tuple[Ranked, Ranked]:
    """As :func:`both_ways`, for images and captions with several vectors each.

    Args:
        images: (I, K, D), in any order.
        order: (I,) the places of the images in the order of ``contents``; None: they have this order.
        texts: the M captions.
        similarity: how the vectors are compared. Captions are ranked by the similarity of the image to them, and images
            by the similarity of the caption to them.
    """
    to_texts, to_images = all_similarities(images, texts.vectors, similarity, device)
    first, columns = _distinct(contents)
    rows = first[columns].numpy()  # equal images have the similarities of the first of them
    of_images, of_texts = rows if order is None else order[rows], texts.rows.numpy()
    begins = torch.tensor(spans, device=device)
    owners = torch.repeat_interleave(torch.arange(len(spans) - 1, device=device), begins.diff())

    caption_columns, image_columns = texts.rows.to(device), torch.from_numpy(of_images).to(device)

    def captions_of(block: slice) -> Tensor:
        scores = torch.from_numpy(np.ascontiguousarray(to_texts[of_images[block]])).to(device)
        return scores.index_select(1, caption_columns)

    def images_of(block: slice) -> Tensor:
        scores = torch.from_numpy(np.ascontiguousarray(to_images[:, of_texts[block]].T)).to(device)
        return scores.index_select(1, image_columns)

    return (
        rank_scores(captions_of, begins[:-1], begins[1:], len(of_texts), keep=keep[0]),
        rank_scores(images_of, owners, owners + 1, len(of_images), keep=keep[1]),
    )


def _distinct(names: Iterable[Hashable]) -> tuple[Tensor, Tensor]:
    """(R,) the first place of each different name, and (N,) for each of the N names, which of the R it is."""
    number: dict[Hashable, int] = {}
    first, columns = array("q"), array("q")
    for place, name in enumerate(names):
        row = number.setdefault(name, len(number))
        if row == len(first):
            first.append(place)
        columns.append(row)
    return torch.tensor(first), torch.tensor(columns)


def _taken(features: Tensor, rows: Tensor) -> Tensor:
    """Some rows of the features. If these are all rows in their order, the features themselves and no copy."""
    same = len(rows) == len(features) and bool((rows.cpu() == torch.arange(len(features))).all())
    return features if same else features[rows.to(features.device)]
