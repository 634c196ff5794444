"""Datasets in memory as tasks: lists, torch's datasets, tables, and what is wrong with them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
import torchvision
import toy_adapter  # noqa: F401  # registers the toy
from data.layouts import image_bytes
from numpy.typing import NDArray
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset
from torchvision import transforms

import vlmbench
from vlmbench.api import EvaluationError
from vlmbench.cards import TaskCard
from vlmbench.errors import DataError, LabelError, UsageError
from vlmbench.records import Record
from vlmbench.store import ResultStore

NAMES = ["cat", "dog"]


def picture(seed: int, mode: str = "RGB") -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(image_bytes(seed))).convert(mode)


def pairs(count: int = 6) -> list[tuple[PIL.Image.Image, int]]:
    return [(picture(i), i % 2) for i in range(count)]


def array(seed: int) -> NDArray[np.uint8]:
    return np.asarray(picture(seed))


class Own(Dataset[Any]):
    """A dataset of torch that knows nothing but its items."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.items[index], Exception):
            raise self.items[index]
        return self.items[index]


def evaluated(tasks: Any, **options: Any) -> Record:
    (record,) = vlmbench.evaluate("toy:a", tasks, device="cpu", **options)
    return record


@pytest.fixture
def saved(tmp_path: Path) -> Record:
    """The record of the same pictures in a folder."""
    for image, label in (items := pairs()):
        folder = tmp_path / "images" / NAMES[label]
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{items.index((image, label))}.png")
    return evaluated(f"imagefolder:{tmp_path / 'images'}", results=tmp_path / "runs")


def forms() -> dict[str, Any]:
    images, labels = [image for image, _ in pairs()], [label for _, label in pairs()]
    arrays = np.stack([np.asarray(image) for image in images])
    tensors = torch.from_numpy(arrays).permute(0, 3, 1, 2).contiguous()
    return {
        "pairs": lambda: vlmbench.as_task(pairs(), classes=NAMES),
        "images and labels": lambda: vlmbench.as_task(images, labels, classes=NAMES),
        "arrays": lambda: vlmbench.as_task(arrays, np.array(labels), classes=NAMES),
        "tensors": lambda: vlmbench.as_task(tensors, torch.tensor(labels), classes={0: "cat", 1: "dog"}),
        "float tensors": lambda: vlmbench.as_task(tensors / 255, labels, classes={"cat": 0, "dog": 1}),
        "TensorDataset": lambda: vlmbench.as_task(TensorDataset(tensors, torch.tensor(labels)), classes=NAMES),
        "own dataset": lambda: vlmbench.as_task(Own(pairs()), classes=NAMES),
        "dicts": lambda: vlmbench.as_task(Own([{"image": i, "label": n} for i, n in pairs()]), classes=NAMES),
        "other keys": lambda: vlmbench.as_task(
            [{"id": 7, "x": i, "z": n} for i, n in pairs()], classes=NAMES, image="x", label="z"
        ),
        "other places": lambda: vlmbench.as_task([(n, "id", i) for i, n in pairs()], classes=NAMES, image=2, label=0),
        "class names as labels": lambda: vlmbench.as_task([(i, NAMES[n]) for i, n in pairs()], classes=NAMES),
        "subset": lambda: vlmbench.as_task(Subset(Own(pairs(9)), range(6)), classes=NAMES),
        "chain": lambda: vlmbench.as_task(ConcatDataset([Own(pairs()[:2]), Own(pairs()[2:])]), classes=NAMES),
    }


@pytest.mark.parametrize("form", forms())
def test_every_form_gives_the_numbers_of_the_saved_folder(form: str, saved: Record) -> None:
    record = evaluated(forms()[form]())
    assert record.metrics == saved.metrics and record.per_class == saved.per_class
    assert record.task.name.startswith("memory:") and record.task.dataset.samples == 6
    assert [remark.code for remark in record.remarks] == (["scaled-values"] if form == "float tensors" else [])


def test_the_same_content_has_the_same_fingerprint() -> None:
    first, second = (evaluated(forms()[form]()) for form in ("pairs", "arrays"))
    assert first.task.dataset.fingerprint == second.task.dataset.fingerprint
    other = evaluated(vlmbench.as_task(pairs(8), classes=NAMES))
    assert other.task.dataset.fingerprint != first.task.dataset.fingerprint


def test_an_earlier_record_is_found_by_content_alone(tmp_path: Path) -> None:
    items = pairs()
    first = evaluated(vlmbench.as_task(items, classes=NAMES), results=tmp_path)
    assert evaluated(vlmbench.as_task(pairs(), classes=NAMES), results=tmp_path) == first
    items[0] = (picture(99), 0)
    assert evaluated(vlmbench.as_task(items, classes=NAMES), results=tmp_path).id != first.id


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = evaluated(forms()["pairs"]())
    assert record.main.n == 6 and not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="pictures need a results folder"):
        evaluated(forms()["pairs"](), visuals=2)
    evaluated(forms()["pairs"](), results=tmp_path / "runs", limit=2, stratified=True, visuals=2)
    assert len(list(ResultStore(tmp_path / "runs"))) == 1 and list(tmp_path.rglob("*.visuals/*.png"))


def test_torchvision_states_its_classes_and_labels(make_folder: Callable[..., Path]) -> None:
    folder = make_folder({"cat": 3, "dog": 3})
    dataset = torchvision.datasets.ImageFolder(str(folder))
    record = evaluated(dataset)
    assert record.task.name == "memory:ImageFolder" and [each.name for each in record.per_class] == NAMES
    half = evaluated(vlmbench.as_task(Subset(dataset, [0, 1, 3, 4]), name="half"))
    assert half.main.n == 4 and [each.name for each in half.per_class] == NAMES
    dataset.target_transform = lambda label: 1 - label
    turned = vlmbench.as_task(dataset)
    assert [sample.target for sample in turned.dataset.samples] == [1, 1, 1, 0, 0, 0]
    dataset.targets = [0] * 6
    with pytest.raises(LabelError, match="list of labels has 1, but its item has 0"):
        vlmbench.as_task(Subset(dataset, [3, 4]))


def test_a_dataset_with_a_transform_says_so(make_folder: Callable[..., Path]) -> None:
    folder = str(make_folder({"cat": 3, "dog": 3}))
    record = evaluated(torchvision.datasets.ImageFolder(folder, transform=transforms.Resize(9)))
    assert [remark.code for remark in record.remarks] == ["dataset-transform"]
    with pytest.raises(EvaluationError, match="1 remark under --strict"):
        evaluated(torchvision.datasets.ImageFolder(folder, transform=transforms.Resize(9)), strict=True)
    normal = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.2] * 3)])
    with pytest.raises(DataError, match="seem to be normalised already") as caught:
        vlmbench.as_task(torchvision.datasets.ImageFolder(folder, transform=normal))
    assert "set the dataset's transform to None" in str(caught.value.hint)


def test_tables(tmp_path: Path, saved: Record) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    rows = [{"image": image, "label": label} for image, label in pairs()]
    table = datasets.Dataset.from_list(rows, features=features)
    record = evaluated(table)
    assert record.metrics == saved.metrics and [each.name for each in record.per_class] == NAMES
    mixed = table.shuffle(seed=1).with_transform(lambda batch: {"image": [None] * len(batch["image"])})
    assert evaluated(mixed).task.dataset.fingerprint == record.task.dataset.fingerprint
    with pytest.raises(UsageError, match=r"DatasetDict with the splits 'test'") as caught:
        vlmbench.as_task(datasets.DatasetDict(test=table))
    assert caught.value.hint == "Give one split: dataset['test']."
    with pytest.raises(UsageError, match="IterableDataset can only be read from start to end"):
        vlmbench.as_task(table.to_iterable_dataset())
    with pytest.raises(DataError, match="column of the label is not known; the table has image"):
        vlmbench.as_task(table.remove_columns("label"))
    texts = table.remove_columns("label").add_column("caption", [f"picture {i}" for i in range(6)])
    assert evaluated(vlmbench.as_task(texts, captions=True)).task.plugin == "retrieval"


def test_captions_are_retrieval() -> None:
    items = [(picture(i), [f"a picture {i}", f"number {i}"]) for i in range(4)]
    record = evaluated(vlmbench.as_task(items, captions=True, name="mine"))
    assert (record.task.plugin, record.task.name, record.task.dataset.samples) == ("retrieval", "mine", 4)
    with pytest.raises(LabelError, match="its captions are 3, not a text or a list of texts"):
        vlmbench.as_task([(picture(0), 3)], captions=True)
    with pytest.raises(LabelError, match="a caption without words"):
        vlmbench.as_task([(picture(0), " ")], captions=True)
    with pytest.raises(UsageError, match="no class names and no templates"):
        vlmbench.as_task(items, captions=True, classes=NAMES)


def test_several_classes_an_image() -> None:
    images = [picture(i) for i in range(4)]
    lists = vlmbench.as_task(images, [[0], [0, 1], [], [1]], classes=NAMES, multi_label=True)
    vectors = np.array([[1, 0], [1, 1], [0, 0], [0, 1]])
    arrays = vlmbench.as_task(images, vectors, classes=NAMES, multi_label=True)
    assert [s.target for s in lists.dataset.samples] == [s.target for s in arrays.dataset.samples]
    assert evaluated(lists).metrics.keys() == evaluated(arrays).metrics.keys() and lists.card.multi_label
    with pytest.raises(LabelError, match="multi_label=True"):
        vlmbench.as_task(images, vectors, classes=NAMES)
    with pytest.raises(LabelError, match="it must have 2 places, each 0 or 1"):
        vlmbench.as_task(images, vectors * 2, classes=NAMES, multi_label=True)


def test_a_card_lends_its_words() -> None:
    images = [picture(i) for i in range(10)]
    task = vlmbench.as_task(images, list(range(10)), like="cifar10", name="mine")
    card = vlmbench.load_task("cifar10")
    assert (task.card.classes, task.card.templates) == (card.classes, card.templates)
    assert evaluated(task).task.name == "mine"
    made = TaskCard.model_validate({**task.card.model_dump(), "templates": ["{}"], "name": "other"})
    assert evaluated(vlmbench.as_task(images, list(range(10)), like=made)).main.n == 10
    with pytest.raises(UsageError, match="is a card for retrieval, but this dataset has labels of another kind"):
        vlmbench.as_task(pairs(), classes=NAMES, like="demo-retrieval")


def test_a_card_made_in_code_is_asked(saved: Record) -> None:
    card = vlmbench.load_task(f"imagefolder:{saved.task.dataset.location}")
    record = evaluated(card.model_copy(update={"name": "mine", "templates": ["{}"]}), results=None)
    assert record.task.name == "mine" and record.task.protocol["templates"] == ["{}"]


@pytest.mark.parametrize("own", [True, False])
def test_a_bad_sample_is_named_or_left_out(own: bool) -> None:
    items: list[Any] = pairs()
    items[2] = ValueError("no such\nfile") if own else (b"not an image", 0)
    task = vlmbench.as_task(Own(items) if own else items, classes=NAMES)
    reason = "the dataset raised ValueError: no such file" if own else "not an image that Pillow can read"
    with pytest.raises(EvaluationError, match=reason):
        evaluated(task)
    record = evaluated(task, skip_bad=True)
    assert record.main.n == 5 and [bad.id for bad in record.bad_samples] == ["2"]
    good = vlmbench.as_task(pairs(), classes=NAMES, name="good")
    with pytest.raises(EvaluationError) as caught:
        vlmbench.evaluate("toy:a", [task, good], device="cpu")
    assert [each.task.name for each in caught.value.records] == ["good"]


WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no class names": (lambda: pairs(), EvaluationError, "nothing states the names of its classes"),
    "out of range": (lambda: vlmbench.as_task([(picture(0), 2)], classes=NAMES), LabelError, "label 2, outside"),
    "text": (lambda: vlmbench.as_task([(picture(0), "cat")]), LabelError, "its label is the text 'cat'"),
    "other text": (
        lambda: vlmbench.as_task([(picture(0), "cow")], classes=NAMES),
        LabelError,
        "'cow' is not one of the 2",
    ),
    "real number": (lambda: vlmbench.as_task([(picture(0), 1.0)], classes=NAMES), LabelError, "its label is 1.0, not"),
    "bool": (lambda: vlmbench.as_task([(picture(0), True)], classes=NAMES), LabelError, "its label is True, not"),
    "None": (lambda: vlmbench.as_task([(picture(0), None)], classes=NAMES), LabelError, "its label is None, not"),
    "empty": (lambda: vlmbench.as_task([], classes=NAMES), DataError, "it has no samples"),
    "generator": (lambda: vlmbench.as_task(iter(pairs()), classes=NAMES), UsageError, "from start to end"),
    "loader": (lambda: vlmbench.as_task(DataLoader(Own(pairs()))), UsageError, "gives batches"),
    "dict": (lambda: vlmbench.as_task({"image": [], "label": []}), UsageError, "is not a list of samples"),
    "name": (lambda: vlmbench.as_task("cifar10"), UsageError, "'cifar10' is a text"),
    "counts": (lambda: vlmbench.as_task([picture(0)], [0, 1]), DataError, "1 image and 2 labels"),
    "image alone": (lambda: vlmbench.as_task([picture(0)], classes=NAMES), DataError, "label is not known"),
    "short": (
        lambda: vlmbench.as_task([(picture(0),)], classes=NAMES),
        DataError,
        "place 1 of this tuple, which has 1 part",
    ),
    "keys": (
        lambda: vlmbench.as_task([{"a": 1}], classes=NAMES),
        DataError,
        "is not under a usual key; the item has the keys a",
    ),
    "not an image": (lambda: vlmbench.as_task([(object(), 0)], classes=NAMES), DataError, "its image is a object"),
    "shape": (lambda: vlmbench.as_task([(np.zeros((2, 9, 9)), 0)], classes=NAMES), DataError, r"the shape \(2, 9, 9\)"),
    "0 to 255": (lambda: vlmbench.as_task([(array(0) * 1.0, 0)], classes=NAMES), DataError, "not from 0 to 1"),
    "wide": (lambda: vlmbench.as_task([(array(0) * np.int64(300), 0)], classes=NAMES), DataError, "not from 0 to 255"),
    "one text": (lambda: vlmbench.as_task(pairs(), classes="cat"), UsageError, "'cat' is one text"),
    "indices": (lambda: vlmbench.as_task(pairs(), classes={1: "a", 2: "b"}), UsageError, "not 0, 1, 2"),
    "stream": (lambda: vlmbench.as_task(Stream()), UsageError, "A?Stream can only be read from start to end"),
}


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(pairs())


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_what_to_do(name: str) -> None:
    make, kind, words = WRONG[name]
    with pytest.raises(kind, match=words):
        evaluated(make())


def test_two_datasets_of_one_name_are_refused() -> None:
    tasks = [vlmbench.as_task(pairs(count), classes=NAMES) for count in (4, 6)]
    with pytest.raises(UsageError, match=r"two different tasks are named 'memory:list'") as caught:
        vlmbench.evaluate("toy:a", tasks)
    assert "as_task(…, name='…')" in str(caught.value.hint)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16", "F"])
def test_a_picture_of_any_mode_is_read_as_a_file_of_it(mode: str, tmp_path: Path) -> None:
    pictures = [picture(i, "L").convert(mode) for i in range(4)]
    suffix = "tif" if mode in ("CMYK", "F") else "png"
    for number, image in enumerate(pictures):
        (tmp_path / "images" / NAMES[number % 2]).mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / "images" / NAMES[number % 2] / f"{number}.{suffix}")
    saved = evaluated(f"imagefolder:{tmp_path / 'images'}", results=tmp_path / "runs")
    record = evaluated(vlmbench.as_task(pictures, [0, 1, 0, 1], classes=NAMES))
    assert record.metrics == saved.metrics
    assert {remark.code for remark in record.remarks} == {remark.code for remark in saved.remarks}
