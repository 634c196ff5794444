"""What a run keeps of each image, in bytes: counted, so that no machine's noise is in it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.data.base import Sample, SourceInfo
from vlmbench.data.image_files import ImageFiles
from vlmbench.features.images.batch import ImageBatch
from vlmbench.tasks.classification.scores import Scored, prediction_table, score
from vlmbench.tasks.contents import ContentKeeper, Contents, digests
from vlmbench.transfer.base import LinearClassifier

CLASSES = 1000
SMALL, LARGE = 2_000, 20_000
TABLE_BYTES = 64 + 4 + 22 + 4 + 4 + 5 * 8 + 4
"""Of one row: a hash in hex and a name with their ends, a label, five classes and scores, a confidence."""


class Numbers:
    """Images that are only numbers."""

    info = SourceInfo("none", "nowhere")
    classes = templates = None

    def __init__(self, count: int) -> None:
        self.samples = [Sample(f"class/{place:08}.png", place % CLASSES) for place in range(count)]

    def read(self, index: int) -> bytes:
        raise NotImplementedError

    def state(self) -> str:
        return ""


def batches(count: int, size: int = 50) -> Iterator[ImageBatch]:
    generator = torch.Generator().manual_seed(0)
    for start in range(0, count, size):
        rows = list(range(start, start + size))
        features = F.normalize(torch.randn(size, 8, generator=generator), dim=-1)
        yield ImageBatch(rows, features, [sha256(str(row).encode()).hexdigest() for row in rows])


def scored(dataset: Numbers) -> Scored:
    head = F.normalize(torch.randn(CLASSES, 8, generator=torch.Generator().manual_seed(1)), dim=-1)
    count = len(dataset.samples)
    classifier = LinearClassifier(head, 100.0)
    return score(
        batches(count), classifier, dataset, most=count, num_classes=CLASSES, multi_label=False, keep_scores=False
    )


def growth(peak: Callable[[int], int]) -> float:
    """Bytes that one image more costs."""
    return (peak(LARGE) - peak(SMALL)) / (LARGE - SMALL)


def test_an_image_costs_no_more_than_its_answer() -> None:
    def peak(count: int) -> int:
        dataset = Numbers(count)
        tracemalloc.start()
        try:
            scored(dataset)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)  # what is made once is made here
    answer = 8 + 32 + 8 + 5 * 8 + 4  # index, hash, label, five classes and scores, confidence
    assert growth(peak) < 1.5 * answer, "lists of objects, or scores of every class (4,000 bytes), are kept"


def test_a_row_of_the_table_costs_no_more_than_its_values() -> None:
    def peak(count: int) -> int:
        dataset = Numbers(count)
        answers = scored(dataset)
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        try:
            table = prediction_table(answers, dataset)
            assert table.num_rows == count
            return int(tracemalloc.get_traced_memory()[1]) + int(pa.total_allocated_bytes()) - before
        finally:
            tracemalloc.stop()

    peak(100)
    assert growth(peak) < 1.5 * TABLE_BYTES


def test_a_file_costs_its_name_once() -> None:
    def held(count: int) -> int:
        tracemalloc.start()
        try:
            files = ImageFiles(
                Path("root"),
                SourceInfo("imagefolder", "root"),
                [(f"class/{n:08}.png", 0) for n in range(count)],
                ("class",),
            )
            assert len(files.samples) == count
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    held(100)
    name = 49 + len("class/00000000.png")
    assert growth(held) < name + 90, "a name is held twice, or samples have a dictionary each"


@given(st.permutations(range(12)), st.integers(1, 12))
def test_contents_are_a_mapping_in_the_datasets_order(order: list[int], size: int) -> None:
    hashes = {3 * index: sha256(str(index).encode()).hexdigest() for index in order}
    keeper = ContentKeeper(20)
    indices = list(hashes)
    for start in range(0, len(indices), size):
        part = indices[start : start + size]
        assert keeper.add(ImageBatch(part, torch.empty(0), [hashes[index] for index in part])).start == start
    contents = keeper.contents()
    assert list(contents.items()) == sorted(hashes.items())
    assert contents.column().to_pylist() == list(contents.values())
    assert 1 not in contents and 100 not in contents
    with pytest.raises(KeyError):
        contents[1]


def test_no_contents() -> None:
    empty = Contents(np.empty(0, dtype=np.int64), digests([]))
    assert len(empty) == 0 and dict(empty) == {} and empty.column().to_pylist() == []
