"""Folders of captioned images in the layouts that people have, and retrieval sets in shards and tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from data.hub_layouts import tree
from data.hub_server import Hub
from data.layouts import contents, image_bytes, write_folder, write_tar
from said import remarked, sentences

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.errors import BadSampleError, DataError, LabelError, MissingDataError, VlmbenchWarning

CAPTIONS = SourceContext(target="captions")
IMAGES = {"1.png": image_bytes(1), "2.png": image_bytes(2), "3.png": image_bytes(3)}
TABLE = b"image,caption\n1.png,one\n2.png,two\n1.png,uno\n3.png,three\n"
EXPECTED = [
    ("1.png", ("one", "uno"), image_bytes(1)),
    ("2.png", ("two",), image_bytes(2)),
    ("3.png", ("three",), image_bytes(3)),
]


def opened(location: Path, *, kind: str = "captions", split: str | None = None, **options: object) -> ImageDataset:
    spec = SourceSpec(kind=kind, location=str(location), split=split, options=options)
    return open_dataset([spec], CAPTIONS)


def test_cocos_folder_of_captions(tmp_path: Path) -> None:
    said = {
        "images": [{"id": 1, "file_name": "1.png"}],
        "annotations": [{"id": 1, "image_id": 1, "caption": "one"}],
    }
    write_folder(tmp_path / "a set", {f"val/{name}": content for name, content in IMAGES.items()})
    for name in ("captions_train.json", "captions_val.json"):
        write_folder(tmp_path / "a set" / "annotations", {name: json.dumps(said).encode()})
    with pytest.raises(DataError, match="has several files that may be the captions") as raised:
        opened(tmp_path / "a set")
    file = tmp_path / "a set" / "annotations" / "captions_val.json"
    assert f"-t 'captions:{file}'" in (raised.value.hint or "")
    assert contents(opened(file)) == [("1.png", ("one",), image_bytes(1))]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_tables_of_windows_editors(encoding: str, tmp_path: Path) -> None:
    write_folder(tmp_path, {**IMAGES, "captions.txt": TABLE.decode().replace("\n", "\r\n").encode(encoding)})
    assert contents(opened(tmp_path)) == EXPECTED


def test_a_table_of_another_encoding_is_refused_with_the_way_out(tmp_path: Path) -> None:
    write_folder(tmp_path, {**IMAGES, "captions.txt": TABLE + "1.png,café\n".encode("cp1252")})
    with pytest.raises(DataError, match="Save it as UTF-8 text"):
        opened(tmp_path)


@pytest.mark.parametrize("place", ["", "Images/", "flickr30k_images/flickr30k_images/"])
def test_images_are_found_beside_or_below_the_captions(place: str, tmp_path: Path) -> None:
    write_folder(tmp_path, {f"{place}{name}": content for name, content in IMAGES.items()} | {"captions.txt": TABLE})
    assert contents(opened(tmp_path)) == EXPECTED
    assert contents(opened(tmp_path / "captions.txt")) == EXPECTED


def test_cocos_own_layout(tmp_path: Path) -> None:
    data = {
        "images": [{"id": int(name[0]), "file_name": name} for name in IMAGES],
        "annotations": [
            {"image_id": int(name[0]), "caption": caption} for name, captions, _ in EXPECTED for caption in captions
        ],
    }
    files = {f"val2017/{name}": content for name, content in IMAGES.items()}
    write_folder(tmp_path, {**files, "annotations/captions_val2017.json": json.dumps(data).encode()})
    assert contents(opened(tmp_path)) == EXPECTED
    asked = opened(tmp_path, annotations=["x.json", "annotations/captions_val2017.json"], images="val2017")
    assert contents(asked) == EXPECTED


def test_a_list_chooses_and_orders_the_images(tmp_path: Path) -> None:
    write_folder(tmp_path, {**IMAGES, "captions.txt": TABLE, "test.txt": b"3.png\n1\n"})
    assert contents(opened(tmp_path, list="test.txt")) == [EXPECTED[2], EXPECTED[0]]
    (tmp_path / "test.txt").write_text("3.png\n4.png\n")
    with pytest.raises(DataError, match=r"1 listed image has no captions .*: 4.png"):
        opened(tmp_path, list="test.txt")
    with pytest.raises(MissingDataError):
        opened(tmp_path, list="none.txt")


def test_what_is_not_there_lets_the_next_source_answer(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", {**IMAGES, "captions.txt": TABLE})
    specs = [
        SourceSpec(kind="captions", location="none"),
        SourceSpec(kind="captions", location="set", options={"annotations": "other.json"}),
        SourceSpec(kind="captions", location="set"),
    ]
    context = SourceContext(target="captions", data_root=tmp_path)
    assert contents(open_dataset(specs, context)) == EXPECTED
    with pytest.raises(MissingDataError, match=r"none[\s\S]*other.json"):
        open_dataset(specs[:2], context)


def test_what_cannot_be_guessed_is_asked(tmp_path: Path) -> None:
    write_folder(tmp_path, {**IMAGES, "captions.txt": TABLE, "captions.csv": TABLE, "copy/1.png": b"x"})
    with pytest.raises(DataError, match=r"several .* the captions: captions.txt and captions.csv\n.*annotations"):
        opened(tmp_path)
    with pytest.raises(DataError, match=r"several folders hold images .*\n.*images"):
        opened(tmp_path / "captions.txt")
    assert contents(opened(tmp_path, annotations="captions.txt", images=".")) == EXPECTED
    with pytest.raises(DataError, match="no file of captions"):
        opened(tmp_path / "copy")


def test_captions_without_their_images_are_said(tmp_path: Path) -> None:
    write_folder(tmp_path, {"captions.txt": TABLE})
    with pytest.raises(
        DataError, match=r"lists 3 images, but the first ones, such as '1.png', were not found\nLooked in"
    ):
        opened(tmp_path)
    (tmp_path / "2.png").write_bytes(image_bytes(2))
    with pytest.warns(VlmbenchWarning, match=r"2 of the 3 images .*captions.txt lists .*: 1.png, 3.png$"):
        opened(tmp_path)
    dataset = opened(tmp_path)  # one of several is missing: a bad sample, which --skip-bad may leave out
    with pytest.raises(BadSampleError, match=r"'1\.png': cannot be read: No such file"):
        dataset.read(0)


def test_captions_stand_beside_archives(tmp_path: Path) -> None:
    write_folder(tmp_path, {**IMAGES, "captions.txt": TABLE, "archive/images.tar": b"x"})
    assert contents(opened(tmp_path)) == EXPECTED


def test_a_list_that_may_mean_two_images_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a.png": b"x", "a.jpg": b"y", "captions.txt": b"a.png,one\na.jpg,two\n"})
    (tmp_path / "test.txt").write_text("a\n")
    with pytest.raises(DataError, match=r"1 name may mean several images .*: a"):
        opened(tmp_path, list="test.txt")
    (tmp_path / "test.txt").write_text("a.png\na.png\n")
    assert contents(opened(tmp_path, list="test.txt")) == [("a.png", ("one",), b"x")]


SPLITS = b"image,caption,split\n1.png,one,train\n2.png,two,test\n3.png,three,train\n1.png,uno,train\n"


def test_the_printed_ways_to_name_a_split_work(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", {**IMAGES, "captions.csv": SPLITS})
    with pytest.raises(DataError, match=r"of several splits: test \(1 image\) and train \(2 images\)") as raised:
        opened(tmp_path / "set")
    assert raised.value.hint == (
        f"Name one: -t captions:{tmp_path / 'set'}/test. In a card's source, it is `split: test`. "
        f"For every image, use -t captions:{tmp_path / 'set'}/all."
    )
    for place in (tmp_path / "set", tmp_path / "set" / "captions.csv"):
        behind = opened(place / "test")
        assert contents(behind) == contents(opened(place, split="test")) == [EXPECTED[1]]
        assert (behind.info.location, behind.info.split) == (str(place), "test")
        assert contents(opened(place / "all")) == EXPECTED
        with pytest.raises(DataError, match="no split 'val'; it has test and train"):
            opened(place / "val")


def test_what_names_no_splits_is_not_there_under_one(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", {**IMAGES, "captions.txt": TABLE})
    for place in ("set/test", "none/test", "set/1.png/test"):
        with pytest.raises(MissingDataError, match="not found at"):
            opened(tmp_path / place)


def test_karpathys_file_names_splits(tmp_path: Path) -> None:
    images = [
        {"filename": name, "split": split, "sentences": [{"raw": caption} for caption in captions]}
        for (name, captions, _), split in zip(EXPECTED, ("train", "test", "val"), strict=True)
    ]
    write_folder(tmp_path, {**IMAGES, "dataset_flickr30k.json": json.dumps({"images": images}).encode()})
    with pytest.raises(DataError, match=r"several splits: test \(1 image\), train .* and val .*\n.*/test"):
        opened(tmp_path)
    assert contents(opened(tmp_path / "test")) == [EXPECTED[1]]


def said(location: Path, **options: object) -> list[str]:
    return sentences(lambda: opened(location, **options))  # type: ignore[arg-type]


NAMES = [
    ("upper case", ["1.PNG", "2.PNG", "3.PNG"], 3),
    ("one in upper case", ["1.png", "2.Png", "3.png"], 1),
    ("without a suffix", ["1", "2", "3"], 3),
    ("another suffix", ["1.jpg", "2.png", "3.png"], 1),
    ("a folder that is not there", ["train/1.png", "2.png", "3.png"], 1),
    ("the folder itself", ["images/1.png", "2.png", "3.png"], 0),
    ("dots", ["./1.png", "2.png", ".//3.png"], 0),
]


@pytest.mark.parametrize(("names", "other"), [names[1:] for names in NAMES], ids=[names[0] for names in NAMES])
def test_images_are_found_under_names_of_their_kind(names: list[str], other: int, tmp_path: Path) -> None:
    lines = [f"{names[int(own[0]) - 1]},{caption}" for own, captions, _ in EXPECTED for caption in captions]
    pictures = {f"images/{name}": content for name, content in IMAGES.items()}
    write_folder(tmp_path, {**pictures, "captions.csv": "\n".join(["image,caption", *lines]).encode()})
    dataset, remarks = remarked(lambda: opened(tmp_path))
    assert [(Path(path).name, *rest) for path, *rest in contents(dataset)] == EXPECTED
    assert [(remark.code, remark.count) for remark in remarks] == ([("image-names", other)] if other else [])


def test_one_image_under_two_names_is_one(tmp_path: Path) -> None:
    table = b"image,caption\n1.png,one\n./1.png,uno\n2.PNG,two\nold/2.png,zwei\nimages/2.png,deux\n"
    write_folder(tmp_path, {"images/1.png": b"x", "images/2.png": b"y", "captions.csv": table})
    dataset, remarks = remarked(lambda: opened(tmp_path))
    assert contents(dataset) == [
        ("images/1.png", ("one", "uno"), b"x"),
        ("images/2.png", ("two", "zwei", "deux"), b"y"),
    ]
    assert [remark.sentence for remark in remarks] == [
        f"2 images of {tmp_path / 'captions.csv'} were found under other names than those in the file: "
        "2.PNG (2.png), old/2.png (2.png)"
    ]


def test_a_name_that_may_be_two_images_is_missing(tmp_path: Path) -> None:
    files = {
        "a.png": b"x",
        "a.jpg": b"y",
        "b.png": b"z",
        "B.PNG": b"w",
        "c.png": b"c",
        "notes/a.txt": b"",
        "x/d.txt": b"",
    }
    write_folder(tmp_path, {**files, "captions.csv": b"image,caption\na,one\nB.png,two\nc.png,three\nd,four\n"})
    (said_once,) = said(tmp_path)
    assert said_once.startswith("missing-images: 3 of the 4 images") and said_once.endswith(": B.png, a, d")


def test_images_in_several_folders_are_all_found(tmp_path: Path) -> None:
    files = {"train2014/1.png": image_bytes(1), "val2014/2.png": image_bytes(2), "val2014/3.png": image_bytes(3)}
    write_folder(tmp_path, {**files, "captions.txt": TABLE})
    dataset, remarks = remarked(lambda: opened(tmp_path))
    assert [(Path(path).name, *rest) for path, *rest in contents(dataset)] == EXPECTED and not remarks


def test_a_mask_beside_is_no_missing_image(tmp_path: Path) -> None:
    files = {f"images/{name}": content for name, content in IMAGES.items() if name != "2.png"}
    write_folder(tmp_path, {**files, "masks/2.tif": b"mask", "captions.txt": TABLE})
    assert [line.partition(":")[0] for line in said(tmp_path)] == ["missing-images"]


@pytest.mark.parametrize(
    "name", ["metadata.csv", "metadata.jsonl", "Captions.TXT", "results.CSV", "labels.csv", "x.tsv"]
)
def test_captions_are_found_under_usual_names(name: str, tmp_path: Path) -> None:
    text = TABLE
    if name.endswith("jsonl"):
        rows = [{"file_name": own, "text": caption} for own, captions, _ in EXPECTED for caption in captions]
        text = "\n".join(map(json.dumps, rows)).encode()
    write_folder(tmp_path, {**IMAGES, name: text, "._captions.txt": b"\0\5", "README.md": b"x"})
    assert contents(opened(tmp_path)) == EXPECTED and said(tmp_path) == []


def test_columns_may_be_named(tmp_path: Path) -> None:
    write_folder(
        tmp_path, {**IMAGES, "captions.csv": b"image,caption,text\n1.png,one,uno\n2.png,two,due\n3.png,three,tre\n"}
    )
    with pytest.raises(
        DataError, match=r"several columns may hold the captions[\s\S]*options: \{caption_column: caption\}"
    ):
        opened(tmp_path)
    assert [target for _, target, _ in contents(opened(tmp_path, caption_column="text"))] == [
        ("uno",),
        ("due",),
        ("tre",),
    ]
    both = opened(tmp_path, caption_column=["text", "caption"], image_column="image")
    assert both.samples[0].target == ("uno", "one")


def test_state_follows_images_captions_and_list(tmp_path: Path) -> None:
    write_folder(tmp_path, {**IMAGES, "captions.txt": TABLE, "test.txt": b"1.png\n"})
    states = {opened(tmp_path, list="test.txt").state()}
    for name, content in (
        ("1.png", b"longer than before"),
        ("captions.txt", TABLE + b"1.png,more\n"),
        ("test.txt", b"1\n"),
    ):
        (tmp_path / name).write_bytes(content)
        states.add(opened(tmp_path, list="test.txt").state())
    assert len(states) == 4


def test_a_task_of_classes_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, {**IMAGES, "captions.txt": TABLE})
    with pytest.raises(LabelError, match="has captions, but the task needs one class per image"):
        open_dataset([SourceSpec(kind="captions", location=str(tmp_path))], SourceContext())
    with pytest.raises(LabelError, match="one class, but the task needs captions"):
        opened(tmp_path, kind="imagefolder")


def retrieval_shards(root: Path) -> Path:
    members = [
        member
        for name, captions, content in EXPECTED
        for member in ((name, content), (f"{name[0]}.txt", ("\n".join(captions) + "\n").encode()))
    ]
    write_tar(root / "test" / "0.tar", members)
    write_folder(root, {"test/nshards.txt": b"1\n", "dataset_type.txt": b"retrieval\n"})
    return root


@pytest.mark.parametrize("kind", ["wds", "captions"])
def test_retrieval_shards(kind: str, tmp_path: Path) -> None:
    dataset = opened(retrieval_shards(tmp_path), kind=kind)
    assert contents(dataset) == [(name[0], captions, content) for name, captions, content in EXPECTED]


def test_shards_of_the_other_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a retrieval set has captions, not classes"):
        open_dataset([SourceSpec(kind="wds", location=str(retrieval_shards(tmp_path)))], SourceContext())
    write_tar(tmp_path / "classes" / "test" / "0.tar", [("a.png", b"x"), ("a.cls", b"0")])
    with pytest.raises(LabelError, match=r"no label \(.txt\)\n.*single-label set"):
        opened(tmp_path / "classes", kind="wds")
    (tmp_path / "classes" / "dataset_type.txt").write_text("multilabel")
    with pytest.raises(LabelError, match="a multilabel set has classes"):
        opened(tmp_path / "classes", kind="wds")


@pytest.mark.parametrize(("text", "message"), [(b"\n \n", "no caption"), (b"\xff\xff", "not UTF-8")])
def test_shards_with_unreadable_captions_are_refused(text: bytes, message: str, tmp_path: Path) -> None:
    write_tar(tmp_path / "test" / "0.tar", [("a.png", b"x"), ("a.txt", text)])
    with pytest.raises(LabelError, match=message):
        opened(tmp_path, kind="wds")


def test_newlines_in_captions_are_as_in_cocos_json(tmp_path: Path) -> None:
    """COCO's "A cat.\\n" is the line "A cat.\\\\n" in CLIP_benchmark's shards."""
    write_tar(tmp_path / "test" / "0.tar", [("a.png", b"x"), ("a.txt", rb"A cat.\n" + b"\n\nA dog." + b"\r\n")])
    data = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": []}
    data["annotations"] = [{"image_id": 1, "caption": caption} for caption in ("A cat.\n", "A dog.")]
    write_folder(tmp_path / "coco", {"a.png": b"x", "captions.json": json.dumps(data).encode()})
    targets = [opened(tmp_path, kind="wds").samples[0].target, opened(tmp_path / "coco").samples[0].target]
    assert targets == [("A cat.", "A dog.")] * 2


def test_the_same_captions_through_a_hub(hub: Hub, tmp_path: Path) -> None:
    hub.repo("org/captions").commit(tree(retrieval_shards(tmp_path)))
    dataset = open_dataset([SourceSpec(kind="hub", location="org/captions")], CAPTIONS)
    assert contents(dataset) == [(name[0], captions, content) for name, captions, content in EXPECTED]


@pytest.mark.usefixtures("hub_caches")
def test_a_table_of_captions(tmp_path: Path) -> None:
    import datasets

    cells = [{"bytes": content, "path": None} for content in IMAGES.values()]
    several = datasets.Features({"image": datasets.Image(), "caption": datasets.Sequence(datasets.Value("string"))})
    columns = {"image": cells, "caption": [list(captions) for _, captions, _ in EXPECTED]}
    datasets.Dataset.from_dict(columns, features=several).to_parquet(str(tmp_path / "many" / "test.parquet"))
    found = [(sample.target, dataset.read(i)) for dataset in [opened(tmp_path / "many", kind="hub", split="test")]
             for i, sample in enumerate(dataset.samples)]  # fmt: skip
    assert found == [(captions, content) for _, captions, content in EXPECTED]

    one = datasets.Features(
        {"image": datasets.Image(), "text": datasets.Value("string"), "caption": datasets.Value("string")}
    )
    columns = {"image": cells, "text": ["a", "b", "c"], "caption": ["x", None, "z"]}
    datasets.Dataset.from_dict(columns, features=one).to_parquet(str(tmp_path / "one" / "test.parquet"))
    with pytest.raises(LabelError, match=r"which is the caption_column\? several fit: caption and text"):
        opened(tmp_path / "one", kind="hub", split="test")
    dataset = opened(tmp_path / "one", kind="hub", split="test", caption_column="text")
    assert [sample.target for sample in dataset.samples] == [("a",), ("b",), ("c",)]
    with pytest.raises(LabelError, match="row 1: its 'caption' is None"):
        opened(tmp_path / "one", kind="hub", split="test", caption_column="caption")


def test_real_flickr8k_and_coco(real_data: Path) -> None:
    flickr = opened(real_data / "flickr8k")
    assert len(flickr.samples) == 200 and all(len(sample.target) == 5 for sample in flickr.samples)  # type: ignore[arg-type]
    assert not any('"' in caption[:1] for sample in flickr.samples for caption in sample.target)  # type: ignore[union-attr, index]
    coco = opened(real_data / "coco")
    assert len(coco.samples) == 79 and sum(len(sample.target) for sample in coco.samples) == 395  # type: ignore[arg-type]
    assert coco.read(0)[:2] == b"\xff\xd8"


def test_a_folder_that_wraps_the_captions_is_named(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "unpacked", {"flickr/captions.txt": b"image,caption\n1.png,a dog\n"})
    with pytest.raises(DataError, match="but a folder in it has: flickr") as raised:
        open_dataset([SourceSpec(kind="captions", location=str(root))], SourceContext(target="captions"))
    assert f"-t captions:{root}/flickr" in str(raised.value.hint)
