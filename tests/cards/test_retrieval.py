"""Every shipped retrieval card: complete, pinned where we could, and its local layouts open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from data.layouts import image_bytes, write_folder, write_tar

from vlmbench.card_files import shipped_root
from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.catalogue import find_tasks, task_cards
from vlmbench.data.base import SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.tasks.base import TaskOptions
from vlmbench.tasks.retrieval.plugin import PLUGIN

CARDS = {
    card.name: card for card in task_cards() if (shipped_root() / "tasks" / "retrieval" / f"{card.name}.yaml").is_file()
}
LOCAL = [(name, spec) for name, card in sorted(CARDS.items()) for spec in card.sources if spec.kind == "captions"]
CAPTIONS = ("one", "two")


@pytest.mark.parametrize("card", CARDS.values(), ids=str)
def test_a_card_is_complete(card: TaskCard) -> None:
    PLUGIN.check(card, TaskOptions())
    assert card.plugin == "retrieval" and card.main_metric == "mean_recall@1"
    assert card.title and card.description and card.samples and card.licence and card.citation and card.source_url
    (hub,) = [spec for spec in card.sources if spec.kind == "hub"]
    assert hub.revision or "not pinned" in card.notes
    assert [spec.kind for spec in card.sources] == sorted(
        (spec.kind for spec in card.sources), key=["captions", "wds", "hub"].index
    ), "data on disk comes before the hub"


def test_the_suite_begins_with_the_surveys_two() -> None:
    assert [card.name for card in find_tasks("retrieval")][:2] == ["flickr30k", "mscoco-captions"]
    assert {card.name for card in find_tasks("retrieval")} == set(CARDS)


def written(name: str) -> bytes:
    """A caption file of this name, as its authors write it."""
    if "token" in name:
        return b"a.jpg#0\tone\na.jpg#1\ttwo\nother.jpg#0\tx\n"
    if name.endswith(".txt"):
        return b"image,caption\na.jpg,one\na.jpg,two\n"
    if name.endswith(".csv"):
        return (
            b'raw,sentids,split,filename,img_id\n"[""one"", ""two""]",[0],test,a.jpg,0\n"[""x""]",[0],train,b.jpg,1\n'
        )
    if name.rpartition("/")[2].startswith("dataset_"):
        sentences = [{"raw": caption} for caption in CAPTIONS]
        other = {"filename": "b.jpg", "split": "train", "sentences": sentences}
        return json.dumps({"images": [{"filename": "a.jpg", "split": "test", "sentences": sentences}, other]}).encode()
    if name.rpartition("/")[2].startswith(("coco_test", "captions_")):
        annotations = [{"image_id": 7, "caption": caption} for caption in CAPTIONS]
        return json.dumps({"images": [{"id": 7, "file_name": "a.jpg"}], "annotations": annotations}).encode()
    return json.dumps([{"image": "a.jpg", "caption": list(CAPTIONS)}]).encode()


@pytest.mark.parametrize("pair", LOCAL, ids=lambda pair: f"{pair[0]}-{pair[1].location}")
def test_each_local_layout_opens(pair: tuple[str, SourceSpec], tmp_path: Path) -> None:
    spec = pair[1]
    named = spec.options["annotations"]
    for number, name in enumerate(named if isinstance(named, list) else [named]):
        root = tmp_path / str(number) / spec.location
        write_folder(root, {name: written(name), f"{spec.options.get('images', 'Images')}/a.jpg": image_bytes(0)})
        if "list" in spec.options:
            write_folder(root, {spec.options["list"]: b"a.jpg\n"})
        context = SourceContext(data_root=tmp_path / str(number), target="captions")
        assert [(sample.id, sample.target) for sample in open_dataset([spec], context).samples] == [("a.jpg", CAPTIONS)]


@pytest.mark.parametrize("card", CARDS.values(), ids=str)
def test_webdatasets_open(card: TaskCard, tmp_path: Path) -> None:
    (spec,) = [spec for spec in card.sources if spec.kind == "wds"]
    write_tar(tmp_path / spec.location / "test" / "0.tar", [("a.jpg", image_bytes(0)), ("a.txt", b"one\ntwo")])
    write_folder(tmp_path / spec.location, {"dataset_type.txt": b"retrieval\n", "test/nshards.txt": b"1\n"})
    dataset = open_dataset([spec], SourceContext(data_root=tmp_path, target="captions"))
    assert dataset.samples[0].target == CAPTIONS


def test_coco_val2017_on_real_images(real_data: Path) -> None:
    context = SourceContext(data_root=real_data, target="captions")
    dataset = open_dataset(CARDS["mscoco-captions2017"].sources, context)
    assert (dataset.info.kind, dataset.info.location, len(dataset.samples)) == ("captions", "coco", 79)
