"""Data in memory whose plain reading would give a wrong number: each is read rightly, or refused with what to do."""

from __future__ import annotations

import io
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import toy_adapter  # noqa: F401  # registers the toy
from data.layouts import image_bytes
from data.memory.test_given import NAMES, Own, evaluated, pairs, picture

import vlmbench
from vlmbench.api import EvaluationError
from vlmbench.cards import TaskCard
from vlmbench.errors import DataError, LabelError, UsageError

LABELS = [label for _, label in pairs()]
IMAGES = [image for image, _ in pairs()]
FILES = [image_bytes(i) for i in range(6)]


def same(task: Any) -> bool:
    """Whether a task has the numbers of the same files and labels as lists."""
    return evaluated(task).metrics == evaluated(vlmbench.as_task(FILES, LABELS, classes=NAMES)).metrics


def test_rows_of_pandas_go_by_their_place_and_not_by_their_label() -> None:
    frame = pd.DataFrame({"image": FILES, "label": LABELS}).sample(frac=1, random_state=1)
    shuffled = vlmbench.as_task(frame["image"], frame["label"], classes=NAMES)
    assert [sample.target for sample in shuffled.dataset.samples] == list(frame["label"])
    assert [shuffled.dataset.read(i) for i in range(6)] == list(frame["image"])
    assert same(shuffled) and same(vlmbench.as_task(frame, classes=NAMES))
    part = frame[frame.label == 1]
    assert evaluated(vlmbench.as_task(part["image"], part["label"], classes=NAMES)).main.n == 3
    assert vlmbench.as_task(frame, classes=NAMES).card.name == "memory:DataFrame"


@pytest.mark.parametrize("unordered", [set(NAMES), frozenset(NAMES)])
def test_class_names_without_order_are_refused(unordered: Any) -> None:
    with pytest.raises(UsageError, match=r"class names in label order, and this is a (frozen)?set"):
        vlmbench.as_task(IMAGES, LABELS, classes=unordered)
    with pytest.raises(UsageError, match="labels must be a list, but this is a set"):
        vlmbench.as_task(IMAGES[:2], {0, 1}, classes=NAMES)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("classes", "known"),
    [
        ((name for name in NAMES), True),
        ({np.int64(0): "cat", np.int64(1): "dog"}, True),
        ({"cat": np.int64(0), "dog": np.int64(1)}, True),
        (pd.Index(NAMES), True),
        ([], False),
        (2, False),
    ],
)
def test_class_names_in_any_order_that_is_one(classes: Any, known: bool) -> None:
    if known:
        assert vlmbench.as_task(IMAGES, LABELS, classes=classes).dataset.classes == tuple(NAMES)
    else:
        with pytest.raises(UsageError, match="classes"):
            vlmbench.as_task(IMAGES, LABELS, classes=classes)


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        (np.eye(3, dtype=int)[[0, 1, 2, 0, 1, 2]].tolist(), ["a", "b", "c"], "names a class twice"),
        ([[1, 0], [0, 1]] * 3, NAMES, "every label is a list of two numbers, 0 or 1"),
        (np.eye(2)[LABELS].tolist(), NAMES, "two numbers, 0 or 1"),
    ],
)
def test_lists_of_0_and_1_are_not_taken_for_indices(labels: Any, names: list[str], message: str) -> None:
    with pytest.raises(LabelError, match=message) as error:
        vlmbench.as_task(IMAGES, labels, classes=names, multi_label=True)
    assert "numpy.array(labels)" in str(error.value)
    task = vlmbench.as_task(IMAGES, np.array(labels), classes=names, multi_label=True)
    assert task.dataset.samples[0].target == (0,) or names == NAMES


def test_indices_of_several_classes_stay() -> None:
    task = vlmbench.as_task(IMAGES, [[0], [1], [0, 1], [], [1, 0], [0]], classes=NAMES, multi_label=True)
    assert [sample.target for sample in task.dataset.samples] == [(0,), (1,), (0, 1), (), (0, 1), (0,)]


def test_labels_of_one_column_and_captions_of_an_array() -> None:
    assert same(vlmbench.as_task(FILES, np.array(LABELS)[:, None], classes=NAMES))
    task = vlmbench.as_task(IMAGES, np.array([["a", "b"]] * 6), captions=True)
    assert task.dataset.samples[0].target == ("a", "b")
    with pytest.raises(LabelError, match=r"labels\.argmax\(1\)"):
        vlmbench.as_task(IMAGES, np.eye(2)[LABELS], classes=NAMES)


@pytest.mark.parametrize("file", [io.BytesIO, lambda content: io.BufferedReader(io.BytesIO(content))])
def test_an_open_file_is_refused_and_stays_open(file: Any) -> None:
    files = [file(content) for content in FILES]
    with pytest.raises(DataError, match=r"its image is a (BytesIO|BufferedReader)") as error:
        vlmbench.as_task(files, LABELS, classes=NAMES)
    assert "file.read()" in str(error.value) and files[0].read() == FILES[0]


def test_a_missing_file_is_named() -> None:
    with pytest.raises(EvaluationError, match=r"its file '/no/such.png': cannot be read: No such file"):
        evaluated(vlmbench.as_task(["/no/such.png"], [0], classes=NAMES))


@pytest.mark.parametrize("kind", ["bytes", "path", "array"])
def test_a_table_whose_image_column_is_not_of_images(kind: str, tmp_path: Any) -> None:
    values: list[Any] = FILES
    if kind == "path":
        values = [str(tmp_path / f"{i}.png") for i in range(6)]
        for path, content in zip(values, FILES, strict=True):
            with open(path, "wb") as file:
                file.write(content)
    if kind == "array":
        values = [np.asarray(picture(i)) for i in range(6)]
    assert same(vlmbench.as_task(datasets.Dataset.from_dict({"image": values, "label": LABELS}), classes=NAMES))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": 3}, "name is 3, not a text"),
        ({"name": ""}, "name is '', not a text"),
        ({"like": 3}, "like is a task's name or card, and 3 is a int"),
        ({"captions": True, "multi_label": True}, "captions or several classes an image, not both"),
    ],
)
def test_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        vlmbench.as_task(IMAGES, LABELS, **options)


def test_what_is_a_task_already_or_pairs_with_labels() -> None:
    task = vlmbench.as_task(IMAGES, LABELS, classes=NAMES)
    for given in (task, TaskCard(name="x", plugin="classification", sources=task.card.sources)):
        with pytest.raises(UsageError, match="this is a task already"):
            vlmbench.as_task(given)
    with pytest.raises(DataError, match="give only the images"):
        vlmbench.as_task(Own(pairs()), LABELS, classes=NAMES)
