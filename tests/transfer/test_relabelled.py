"""A dataset whose classes have another order: the same images, with the labels of the test data."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_pictures import pictures

from vlmbench.cards import Role, SourceSpec
from vlmbench.catalogue import make_task
from vlmbench.data.base import Chosen, ImageDataset, content_sha256
from vlmbench.data.contents import ContentHashes
from vlmbench.errors import LabelError
from vlmbench.tasks.classification.support import SupportData, support_data
from vlmbench.testing.toy_data import ToyImages
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.relabelled import RelabelledDataset

TRAIN = {"dog": range(10, 14), "bird": range(20, 22), "cat": range(3)}
TEST = {"cat": [100], "dog": [110], "bird": [120]}


def test_labels_move_and_images_stay() -> None:
    own = pictures(TRAIN)
    found = RelabelledDataset(own, {0: 1, 2: 0}, ("cat", "dog"))
    assert found.classes == ("cat", "dog") and (found.info, found.templates) == (own.info, own.templates)
    assert [sample.id for sample in found.samples] == [sample.id for sample in own.samples]
    expected = {"cat": 0, "dog": 1, "bird": None}
    assert [sample.target for sample in found.samples] == [
        expected[sample.id.partition("/")[0]] for sample in own.samples
    ]
    assert all(found.read(index) == own.read(index) for index in range(len(own.samples)))
    assert found.state() == own.state() and own.samples[0].target == 2, "the dataset itself is unchanged"


def test_what_is_not_one_class_has_no_label() -> None:
    own = pictures(TRAIN)
    own.samples = [replace(sample, target=(0, 1)) for sample in own.samples]
    assert {sample.target for sample in RelabelledDataset(own, {0: 0, 1: 1, 2: 2}, ("a", "b", "c")).samples} == {None}


def data_of(train: ToyImages, test: ToyImages) -> SupportData:
    """What support sets are drawn from, for three classes in the order of the test data."""
    card = make_task("t", "classification", SourceSpec(kind="imagefolder", location="x"))
    datasets: dict[Role, ImageDataset] = {"test": test, "train": train}
    scored = Chosen(test, range(3))
    return support_data(card, datasets, ("cat", "dog", "bird"), scored, ContentHashes(), order=test.classes)


def test_train_data_in_another_order_is_drawn_in_the_order_of_the_test_data() -> None:
    train, test = pictures(TRAIN), pictures(TEST)
    data = data_of(train, test)
    found = data.draw(TransferAsked("knn", 2)).support.train
    assert found is not None
    names = [found.dataset.samples[index].id.partition("/")[0] for index in found.indices]
    labels = [found.dataset.samples[index].target for index in found.indices]
    assert names == ["cat", "cat", "dog", "dog", "bird", "bird"] and labels == [0, 0, 1, 1, 2, 2]
    assert {data.content(found.dataset, index) for index in found.indices} <= {
        content_sha256(train, index) for index in range(len(train.samples))
    }


def test_a_class_that_the_test_data_lacks_is_refused() -> None:
    train, test = pictures({**TRAIN, "fish": [30]}), pictures(TEST)
    with pytest.raises(LabelError, match="the train data has 1 class that the test data does not have: fish"):
        data_of(train, test)
