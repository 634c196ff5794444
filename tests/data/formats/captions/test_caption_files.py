"""Every format of caption files gives the same images and captions; damaged ones are errors in words."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.data.formats.captions.caption_files import read_captions
from vlmbench.errors import DataError, VlmbenchWarning
from vlmbench.markup import is_blank

ENTRIES = [("b.jpg", ("A man , in red .", 'He says "hi"')), ("a.jpg", ("Two dogs run.", "A dog; another | dog"))]
WORDS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20).map(str.strip)
WORDS = WORDS.filter(lambda words: not is_blank(words))


def read(path: Path, split: str | None = None) -> list[tuple[str, tuple[str, ...]]]:
    return [(entry.image, entry.captions) for entry in read_captions(path, split)]


def pairs() -> list[tuple[str, int, str]]:
    return [(image, number, caption) for image, captions in ENTRIES for number, caption in enumerate(captions)]


def coco() -> str:
    images = [{"id": index, "file_name": image} for index, (image, _) in enumerate(ENTRIES)]
    ids = {image: index for index, (image, _) in enumerate(ENTRIES)}
    annotations = [{"id": i, "image_id": ids[image], "caption": c + "\n"} for i, (image, _, c) in enumerate(pairs())]
    return json.dumps({"images": images[::-1], "annotations": annotations})


def karpathy() -> str:
    images = [
        {"filename": image, "split": "test", "sentences": [{"raw": caption} for caption in captions]}
        for image, captions in ENTRIES
    ]
    return json.dumps({"images": [{**images[0], "filename": "t.jpg", "split": "train"}, *images]})


def raw_table() -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["raw", "sentids", "split", "filename", "img_id"])
    for number, (image, captions) in enumerate(ENTRIES):
        writer.writerow([json.dumps(list(captions)), "[0]", "test", image, number])
    writer.writerow(['["x"]', "[0]", "train", "t.jpg", 9])
    return out.getvalue()


def quoted() -> str:
    out = io.StringIO()
    csv.writer(out).writerows([["image", "caption"], *([image, caption] for image, _, caption in pairs())])
    return out.getvalue()


FORMATS = {
    "coco.json": coco(),
    "karpathy.json": karpathy(),
    "blip.json": json.dumps([{"image": image, "caption": list(captions)} for image, captions in ENTRIES]),
    "one_each.json": json.dumps([{"image": image, "caption": caption} for image, _, caption in pairs()]),
    "quoted.csv": quoted(),
    "plain.txt": "image,caption\n" + "".join(f"{image},{caption}\n" for image, _, caption in pairs()),
    "headless.txt": "".join(f"{image},{caption}\r\n" for image, _, caption in pairs()),
    "flickr.token": "".join(f"{image}#{number}\t{caption}\n" for image, number, caption in pairs()),
    "results.csv": "image_name| comment_number| comment\n" + "".join(f"{i}| {n}| {c}\n" for i, n, c in pairs()),
    "raw.csv": raw_table(),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FORMATS[name], newline="")
    assert read(tmp_path / name, "test" if name in ("karpathy.json", "raw.csv") else None) == ENTRIES


def test_a_file_without_splits_is_the_one_that_its_name_says(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text(FORMATS["plain.txt"], newline="")
    with pytest.raises(DataError, match="states no splits, and its name does not contain 'test'"):
        read_captions(tmp_path / "captions.txt", "test")
    (tmp_path / "flickr30k_test_karpathy.txt").write_text(FORMATS["plain.txt"], newline="")
    assert read(tmp_path / "flickr30k_test_karpathy.txt", "test") == ENTRIES


def test_a_numbered_table_needs_no_heading(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("a.jpg| 0| first\na.jpg| 1| second\n")
    assert read(tmp_path / "results.csv") == [("a.jpg", ("first", "second"))]


@pytest.mark.parametrize(
    ("name", "line", "caption"),
    [
        ("a.token", 'a.jpg#0\t"A" and "B"', '"A" and "B"'),
        ("a.txt", 'a.jpg,"Stop" said the man in "red"', '"Stop" said the man in "red"'),
        ("a.txt", 'a.jpg,"One , two ""three"""', 'One , two "three"'),
        ("a.csv", 'a.jpg| 0| "quoted"', '"quoted"'),
    ],
)
def test_only_what_csv_quotes_is_unquoted(name: str, line: str, caption: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(line + "\n")
    assert read(tmp_path / name) == [("a.jpg", (caption,))]


def test_what_has_no_words_is_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("image,caption\na.jpg,one\na.jpg, \nb.jpg,\nc.jpg,three\n")
    with pytest.warns(VlmbenchWarning, match=r"2 captions without words and 1 image .* left out: b.jpg$"):
        assert read(tmp_path / "captions.txt") == [("a.jpg", ("one",)), ("c.jpg", ("three",))]
    (tmp_path / "captions.txt").write_text("image,caption\na.jpg,one\na.jpg, \n")
    with pytest.warns(VlmbenchWarning, match=r"1 caption without words in .*captions\.txt was left out$"):
        assert read(tmp_path / "captions.txt") == [("a.jpg", ("one",))]


def test_signs_without_a_shape_are_no_words(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("image,caption\na.jpg,one\na.jpg,\u200b\na.jpg,\u00a0\ufeff\n", "utf-8")
    with pytest.warns(VlmbenchWarning, match=r"2 captions without words in .*captions\.txt were left out$"):
        assert read(tmp_path / "captions.txt") == [("a.jpg", ("one",))]


def test_karpathys_paths_begin_with_their_folder(tmp_path: Path) -> None:
    image = {"filepath": "val2014", "filename": "x.jpg", "split": "test", "sentences": [{"raw": "a"}]}
    (tmp_path / "d.json").write_text(json.dumps({"images": [image]}))
    assert read(tmp_path / "d.json", "test") == [("val2014/x.jpg", ("a",))]
    with pytest.raises(DataError, match="no split 'val'; it has test"):
        read_captions(tmp_path / "d.json", "val")


def test_flickr30ks_one_line_without_its_second_bar(tmp_path: Path) -> None:
    lines = ["image_name| comment_number| comment", "2199200615.jpg| 3| A dog .", "2199200615.jpg| 4   A dog runs ."]
    (tmp_path / "results.csv").write_text("\n".join(lines))
    assert read(tmp_path / "results.csv") == [("2199200615.jpg", ("A dog .", "A dog runs ."))]


@given(st.lists(WORDS.filter(lambda caption: not (caption[0] == caption[-1] == '"')), min_size=1, max_size=5))
def test_captions_of_any_words_survive_a_plain_table(captions: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "captions.txt")
        path.write_text("image,caption\n" + "".join(f"a.jpg,{caption}\n" for caption in captions), newline="")
        assert read(path) == [("a.jpg", tuple(captions))]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.json", '{"images": [', "not valid JSON, or cut short"),
        ("x.json", '{"a": 1}', "not a caption file of a known form"),
        ("x.json", '{"images": [{"id": 1}], "annotations": []}', "an entry has no 'file_name'"),
        ("x.json", '{"annotations": []}', "an entry has no 'images'"),
        ("x.json", '{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 1}]}', "file of instances"),
        (
            "x.json",
            '{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 2, "caption": "a"}]}',
            "belongs to image 2, which the file does not list",
        ),
        ("x.json", '{"images": [1], "annotations": []}', "do not have a known form"),
        ("x.json", '[{"image": "a.jpg", "caption": 7}]', "a caption must be a text, not 7"),
        ("x.json", '[{"image": null, "caption": "a"}]', "None is not a path below"),
        ("x.json", '[{"image": "a\\u0000.jpg", "caption": "a"}]', "not a path below"),
        ("x.json", '[{"image": "a.jpg", "caption": "x \\ud83d"}]', "ends in the middle of a character"),
        ("x.json", "[" * 100_000, "not valid JSON, or cut short"),
        ("x.csv", 'raw,filename\n"{""a"": 1}",a.jpg\n', r"a caption must be a text, not \{"),
        ("x.csv", f'raw,filename\n"{"x" * 200_000}",a.jpg\n', "is not a JSON list of captions"),
        ("x.csv", "photo1,hello\n", "line 1 has another form"),
        ("x.json", "[]", "no captioned image"),
        ("x.json", '[{"image": "../../etc/passwd", "caption": "a"}]', "not a path below"),
        ("x.json", '[{"image": "/etc/passwd", "caption": "a"}]', "not a path below"),
        (
            "x.json",
            '{"images": [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "a"}], "annotations": []}',
            "listed twice",
        ),
        ("x.txt", "image,caption\na.jpg,fine\nnonsense\n", "line 3 has another form than the other lines: 'nonsense'"),
        ("x.txt", "", "no captioned image"),
        ("x.token", "a.jpg#0\tfine\na.jpg 1 bad\n", "line 2 has another form"),
        ("x.csv", "raw,filename\nnot json,a.jpg\n", "is not a JSON list of captions"),
    ],
)
def test_what_cannot_be_read_is_said(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_captions(tmp_path / name, None)


def test_a_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        read_captions(tmp_path / "captions.txt", None)
    with pytest.raises(DataError, match="cannot be read"):
        read_captions(tmp_path / "none.txt", None)
