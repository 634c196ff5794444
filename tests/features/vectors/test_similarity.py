"""Similarities of several vectors against literal loops in float64, whatever the blocks and the padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import vlmbench.features.vectors.similarity as similarity_module
from vlmbench.errors import ModelError, VlmbenchError
from vlmbench.features.vectors.flat import root_mean_square, separate
from vlmbench.features.vectors.similarity import all_similarities, block_sizes, similarities, similarities_to
from vlmbench.features.vectors.store import kept_array
from vlmbench.models.multi_vector import Similarity

CPU = torch.device("cpu")


def drawn(items: int, vectors: int, seed: int, *, padded: bool, dim: int = 6) -> Tensor:
    """(N, K, D) unit vectors; with padding, each item keeps at least one vector."""
    generator = torch.Generator().manual_seed(seed)
    found = F.normalize(torch.randn(items, vectors, dim, generator=generator), dim=-1)
    if padded:
        lengths = torch.randint(1, vectors + 1, (items, 1), generator=generator)
        found[torch.arange(vectors)[None] >= lengths] = 0.0
    return found


def present(vectors: np.ndarray) -> Iterator[np.ndarray]:
    return (vector for vector in vectors.astype(np.float64) if vector.any())


def literal(image: np.ndarray, text: np.ndarray, similarity: Similarity) -> tuple[float, float]:
    """FILIP's equations, and BLIP-2's maximum, one cosine after the other."""
    if similarity == "max over image vectors":
        best = max(float(one @ text[0].astype(np.float64)) for one in present(image))
        return best, best
    to_text = [max(float(one @ word) for word in present(text)) for one in present(image)]
    to_image = [max(float(one @ word) for one in present(image)) for word in present(text)]
    return sum(to_text) / len(to_text), sum(to_image) / len(to_image)


@given(
    st.integers(0, 10_000),
    st.integers(1, 5),
    st.integers(1, 7),
    st.integers(1, 4),
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from(["token-wise", "max over image vectors"]),
)
@settings(max_examples=60, deadline=None)
def test_similarities_are_those_of_literal_loops(
    seed: int, images: int, texts: int, vectors: int, words: int, padded: bool, similarity: Similarity
) -> None:
    words = 1 if similarity == "max over image vectors" else words
    mine, others = drawn(images, vectors, seed, padded=padded), drawn(texts, words, seed + 1, padded=padded)
    expected = np.array([[literal(a, b, similarity) for b in others.numpy()] for a in mine.numpy()])
    found = similarities(mine, others, similarity)
    assert np.abs(found.to_texts.numpy() - expected[..., 0]).max() < 1e-6
    assert np.abs(found.to_images.numpy() - expected[..., 1]).max() < 1e-6
    with pytest.MonkeyPatch.context() as patch:
        for block in (1, 7, 60):
            patch.setattr(similarity_module, "BLOCK_COSINES", block)
            patch.setattr(similarity_module, "HELD_VALUES", block)
            to_texts, to_images = all_similarities(mine.numpy(), others.numpy(), similarity, CPU)
            assert np.abs(to_texts - expected[..., 0]).max() < 1e-6
            assert np.abs(to_images - expected[..., 1]).max() < 1e-6
            assert (similarities_to(mine, others.numpy(), similarity, CPU) - found.to_texts).abs().max() < 1e-6


def test_negative_cosines_are_not_hidden_by_padding() -> None:
    image = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    text = torch.tensor([[[-1.0, 0.0], [0.0, 0.0]]])
    for similarity in ("token-wise", "max over image vectors"):
        found = similarities(image, text[:, :1] if similarity != "token-wise" else text, similarity)
        assert found.to_texts.item() == found.to_images.item() == -1.0


def test_more_padding_and_other_items_change_nothing() -> None:
    images, texts = drawn(4, 5, 1, padded=True), drawn(6, 4, 2, padded=True)
    whole = similarities(images, texts, "token-wise")
    wider = similarities(F.pad(images, (0, 0, 0, 3)), F.pad(texts, (0, 0, 0, 9)), "token-wise")
    assert torch.allclose(wider.to_texts, whole.to_texts, atol=1e-6)
    assert torch.allclose(wider.to_images, whole.to_images, atol=1e-6)
    for i in range(4):
        for t in range(6):
            alone = similarities(images[i : i + 1], texts[t : t + 1], "token-wise")
            assert abs(alone.to_texts.item() - whole.to_texts[i, t].item()) < 1e-6
            assert abs(alone.to_images.item() - whole.to_images[i, t].item()) < 1e-6


@pytest.mark.parametrize(("images", "texts", "vectors", "words"), [(30, 50, 7, 9), (1, 200, 4, 3), (90, 2, 32, 1)])
def test_no_block_is_larger_than_the_limit(
    monkeypatch: pytest.MonkeyPatch, images: int, texts: int, vectors: int, words: int
) -> None:
    """The only large thing is a block of cosines; so a limit on it is a limit on the memory."""
    largest: list[int] = []
    own = similarity_module.cosines

    def counted(mine: Tensor, others: Tensor) -> Tensor:
        found = own(mine, others)
        largest.append(found.numel())
        return found

    monkeypatch.setattr(similarity_module, "cosines", counted)
    monkeypatch.setattr(similarity_module, "BLOCK_COSINES", 1000)
    mine, others = drawn(images, vectors, 1, padded=False), drawn(texts, words, 2, padded=False)
    all_similarities(mine.numpy(), others.numpy(), "token-wise", CPU)
    assert max(largest) <= 1000
    assert sum(largest) == images * texts * vectors * words, "every pair is computed once"
    similarities_to(mine, others.numpy(), "token-wise", CPU)
    assert max(largest) <= 1000


def test_the_published_size_fits() -> None:
    """5,000 images of 49 patches and 25,000 captions of 77 words: a block is 16 MiB."""
    rows, columns = block_sizes(49, 77, 5_000)
    assert rows * 49 * 256 <= similarity_module.HELD_VALUES
    assert rows * columns * 49 * 77 <= similarity_module.BLOCK_COSINES
    assert min(rows, columns) > 16, "blocks are wide in both directions, so that their products are fast"


def test_rows_become_vectors_again() -> None:
    vectors = drawn(5, 4, 3, padded=True)
    counts = vectors.ne(0).any(dim=2).sum(dim=1)
    rows = vectors.flatten(1) / counts.sqrt()[:, None]
    assert torch.allclose(rows.norm(dim=1), torch.ones(5))
    assert torch.allclose(separate(rows, 4, list("abcde")), vectors, atol=1e-6)


def test_vectors_of_other_lengths_are_refused() -> None:
    """The whole row has unit length, but its vectors do not."""
    vectors = torch.tensor([[[1.2, 0.0], [0.0, 0.56**0.5]]])
    assert torch.allclose(vectors.square().sum(), torch.tensor(2.0))
    with pytest.raises(ModelError, match=r"of length 0\.748 to 1\.2 for 'cat\.png', not 1"):
        separate(vectors.flatten(1) / 2**0.5, 2, ["cat.png"])


def test_root_mean_square_is_clips_norm_for_one_vector() -> None:
    vectors = torch.randn(3, 1, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(vectors / root_mean_square(vectors), F.normalize(vectors, dim=-1))
    unit = drawn(3, 4, 0, padded=False)
    assert torch.allclose(root_mean_square(unit), torch.ones(3, 1, 1))


def test_a_large_array_is_in_a_file(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = kept_array((4, 5), most=80), kept_array((4, 6), most=80)
    assert type(small) is np.ndarray
    assert isinstance(large, np.memmap)
    large[:] = np.arange(24).reshape(4, 6)
    assert large[:, 3].tolist() == [3, 9, 15, 21]


def test_a_full_disk_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(VlmbenchError, match="has no room for 0 MiB of vectors: No space left on device"):
        kept_array((4, 6), most=80)
