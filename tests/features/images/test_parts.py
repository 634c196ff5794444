"""Parts of a pair's images: any worker may encode them, the features and the counts are those of one worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_adapter import toy

from vlmbench.cards import TaskCard
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.features.cache.rows import FeatureRows, keep_rows, rows_of_space
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.parts import add_part, encode_part
from vlmbench.features.run_cache import RunCache
from vlmbench.features.settings import EngineSettings
from vlmbench.testing.toy_models import ToyModel

MODEL = toy()


@pytest.fixture
def dataset(make_folder: Callable[..., Path]) -> ImageDataset:
    folder = make_folder({"cat": 9, "dog": 8})
    (folder / "dog" / "again.png").write_bytes(next((folder / "cat").iterdir()).read_bytes())
    card = TaskCard.model_validate({"name": "t", "sources": [{"kind": "imagefolder", "location": str(folder)}]})
    return open_dataset(card.sources, SourceContext())


def engine(cache: RunCache | None, model: ToyModel = MODEL) -> FeatureEngine:
    return FeatureEngine(model, EngineSettings(batch_size=4), cache)


def features(working: FeatureEngine, dataset: ImageDataset) -> dict[int, torch.Tensor]:
    found = {}
    for batch in working.images(dataset, range(len(dataset.samples))):
        found |= dict(zip(batch.indices, batch.features, strict=True))
    return found


@pytest.mark.parametrize("carry", [False, True])
def test_parts_give_the_features_and_counts_of_one_worker(
    dataset: ImageDataset, carry: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With ``carry``, each worker has a cache of its own, as on another machine."""
    count = len(dataset.samples)
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / "alone"))
    alone = engine(RunCache(True, "fp32"))
    expected = features(alone, dataset)

    parts = []
    for number, (start, stop) in enumerate(((0, 8), (8, count))):
        monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / (f"worker{number}" if carry else "shared")))
        cache = RunCache(True, "fp32")
        parts.append(encode_part(engine(cache), dataset, range(start, stop), carry=carry))
        cache.finish()
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / ("last" if carry else "shared")))
    last = engine(RunCache(True, "fp32"))
    for part in parts:
        assert part is not None and (part.rows is not None) == carry
        if part.rows is not None:
            keep_rows(last.image_space(), part.rows)
        add_part(last, part.counts)
    forward = last.tally.forward_seconds
    found = features(last, dataset)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[index], expected[index]) for index in expected)
    assert last.tally.forward_seconds == forward  # nothing was encoded again
    use = last.cache_use()
    assert use.image_hits + use.image_misses == count
    assert last.tally.from_earlier == 0 and last.seconds["images"] > 0
    assert use.image_misses == count - 1  # the image that occurs twice, in two parts, counts once


def test_features_of_an_earlier_run_count_as_such(dataset: ImageDataset) -> None:
    first = RunCache(True, "fp32")
    features(engine(first), dataset)
    first.finish()
    part = encode_part(engine(RunCache(True, "fp32")), dataset, range(8), carry=False)
    assert part is not None and part.counts.encoded == 0
    last = engine(RunCache(True, "fp32"))
    add_part(last, part.counts)
    features(last, dataset)
    assert last.cache_use().image_hits == len(dataset.samples) and last.tally.from_earlier > 0


def test_without_a_cache_there_are_no_parts(dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    assert encode_part(engine(None), dataset, range(4), carry=True) is None
    monkeypatch.setenv("VLMBENCH_CACHE_GIB", "1e-9")  # as full as a full disk
    with pytest.warns(match="at its limit"):
        assert encode_part(engine(RunCache(True, "fp32")), dataset, range(4), carry=True) is None


def test_rows_keep_their_notes_and_lost_rows_are_left_out() -> None:
    cache = RunCache(True, "fp32")
    space = engine(cache).text_space()
    assert space is not None
    width = np.eye(2, MODEL.embedding_dim, dtype=np.float32)
    keys = [b"a" * 32, b"b" * 32]
    keep_rows(space, FeatureRows(keys, width, {keys[1]: "cut"}))
    rows = rows_of_space(space, [*keys, keys[0], b"c" * 32])
    assert rows.keys == keys and np.array_equal(rows.vectors, width) and rows.notes == {keys[1]: "cut"}
    keep_rows(None, rows)
    assert rows_of_space(space, [b"c" * 32]).vectors.shape == (0, 0)


def test_new_texts_are_handed_out_once() -> None:
    cache = RunCache(True, "fp32")
    cache.notes_texts = True
    working = engine(cache)
    assert cache.new_texts() is None
    encoded = working.texts(["a cat", "a dog", "a cat"])
    rows = cache.new_texts()
    assert rows is not None and len(rows.keys) == 2
    assert {tuple(row) for row in rows.vectors.tolist()} == {tuple(row) for row in encoded.tolist()}
    assert cache.new_texts() is None
    working.texts(["a cat"])  # from the cache
    assert cache.new_texts() is None
