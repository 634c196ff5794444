"""Compares several vectors of an image with several vectors of a text, in blocks of bounded memory.

Classification and retrieval use it. :mod:`vlmbench.models.multi_vector` says what the similarities mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vlmbench.features.vectors.flat import padding_of
from vlmbench.features.vectors.store import Floats, kept_array
from vlmbench.models.multi_vector import Similarity

BLOCK_COSINES = 2**22
"""The number of cosines between vectors in memory at once: 16 MiB. A single pair may need more."""
HELD_VALUES = 2**23
"""The number of values of images that stay on the device while the texts pass: 32 MiB."""


@dataclass(frozen=True)
class Similarities:
    """The similarities of a images and b texts.

    Attributes:
        to_texts: (a, b) of each image to each text.
        to_images: (a, b) of each text to each image. The same array if the similarity has no direction.
    """

    to_texts: Tensor
    to_images: Tensor


def cosines(images: Tensor, texts: Tensor) -> Tensor:
    """(a, K, D) and (b, L, D) to (a, K, b, L)."""
    a, k, d = images.shape
    b, words, _ = texts.shape
    return (images.reshape(a * k, d) @ texts.reshape(b * words, d).T).reshape(a, k, b, words)


def similarities(images: Tensor, texts: Tensor, similarity: Similarity) -> Similarities:
    """Compare every image with every text, all at once.

    Args:
        images: (a, K, D), unit length or zeros.
        texts: (b, L, D) on the same device; L is 1 for ``max over image vectors``.
    """
    return _compared(images, padding_of(images), texts, padding_of(texts), similarity)


def _compared(
    images: Tensor, no_image: Tensor | None, texts: Tensor, no_text: Tensor | None, similarity: Similarity
) -> Similarities:
    found = cosines(images, texts)
    if no_image is not None:
        found.masked_fill_(no_image[:, :, None, None], -torch.inf)
    if similarity == "max over image vectors":
        best = found.amax(dim=1)[..., 0]
        return Similarities(best, best)
    if no_text is not None:
        found.masked_fill_(no_text[None, None], -torch.inf)
    to_texts = _mean(found.amax(dim=3), None if no_image is None else no_image[:, :, None], dim=1)
    to_images = _mean(found.amax(dim=1), None if no_text is None else no_text[None], dim=2)
    return Similarities(to_texts, to_images)


def _mean(values: Tensor, padding: Tensor | None, *, dim: int) -> Tensor:
    """The mean along a dimension, over what is not padding."""
    if padding is None:
        return values.mean(dim=dim)
    return values.masked_fill(padding, 0.0).sum(dim=dim) / (~padding).sum(dim=dim)


def block_sizes(image_vectors: int, text_vectors: int, images: int) -> tuple[int, int]:
    """The number of images and of texts in a block of at most :data:`BLOCK_COSINES` cosines."""
    pairs = max(1, BLOCK_COSINES // (image_vectors * text_vectors))
    rows = min(images, max(1, int(pairs**0.5)))
    return rows, max(1, pairs // rows)


def pieces(count: int, size: int) -> Iterator[slice]:
    """Cut ``count`` rows into pieces of at most ``size``."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


@torch.inference_mode()
def similarities_to(images: Tensor, texts: Floats, similarity: Similarity, device: torch.device) -> Tensor:
    """Compare each image with each text: (B, K, D) and (R, L, D) to (B, R) on the CPU, of the images to the texts."""
    found = torch.empty(len(images), len(texts))
    for rows, columns, part in _parts(images.numpy(), texts, similarity, device):
        found[rows, columns] = part.to_texts.cpu()
    return found


@torch.inference_mode()
def all_similarities(
    images: Floats, texts: Floats, similarity: Similarity, device: torch.device
) -> tuple[Floats, Floats]:
    """Compare every image with every text, in both directions.

    Args:
        images: (I, K, D).
        texts: (M, L, D).

    Returns:
        (I, M) of each image to each text, and (I, M) of each text to each image: one array if the similarity has no
        direction. Large ones are in temporary files.
    """
    to_texts = kept_array((len(images), len(texts)))
    symmetric = similarity == "max over image vectors"
    to_images = to_texts if symmetric else kept_array((len(images), len(texts)))
    for rows, columns, part in _parts(images, texts, similarity, device):
        to_texts[rows, columns] = part.to_texts.cpu().numpy()
        if not symmetric:
            to_images[rows, columns] = part.to_images.cpu().numpy()
    return to_texts, to_images


def _parts(
    images: Floats, texts: Floats, similarity: Similarity, device: torch.device
) -> Iterator[tuple[slice, slice, Similarities]]:
    """The similarities of some rows and columns, until all are done.

    Many images stay on the device while the texts pass, so that the texts are read a few times and not once a block.
    """
    rows, columns = block_sizes(images.shape[1], texts.shape[1], len(images))
    held = max(rows, HELD_VALUES // (images.shape[1] * images.shape[2]))
    for some in pieces(len(images), held):
        mine, no_image = _on(images[some], device)
        for others in pieces(len(texts), columns):
            theirs, no_text = _on(texts[others], device)
            parts = [
                _compared(mine[block], None if no_image is None else no_image[block], theirs, no_text, similarity)
                for block in pieces(len(mine), rows)
            ]
            to_texts = torch.cat([part.to_texts for part in parts])
            symmetric = similarity == "max over image vectors"
            to_images = to_texts if symmetric else torch.cat([part.to_images for part in parts])
            yield some, others, Similarities(to_texts, to_images)


def _on(rows: Floats, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """Vectors on a device, and which of them are padding."""
    vectors = torch.from_numpy(np.array(rows)).to(device)
    return vectors, padding_of(vectors)
