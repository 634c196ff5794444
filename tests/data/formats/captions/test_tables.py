"""Tables of captions as people have them: any columns, separators and quotes, and what cannot be told apart."""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import sentences

from vlmbench.data.formats.captions.caption_files import SeveralSplitsError, read_captions
from vlmbench.data.formats.captions.columns import AskedColumns
from vlmbench.errors import DataError
from vlmbench.markup import is_blank

EXPECTED = [("a.jpg", ("A man, in red", 'He says "hi"')), ("b.jpg", ("Two dogs", "one; two | three"))]
ROWS = [(image, number, caption) for image, captions in EXPECTED for number, caption in enumerate(captions)]


def read(path: Path, split: str | None = None, **asked: object) -> list[tuple[str, tuple[str, ...]]]:
    columns = AskedColumns(**asked)  # type: ignore[arg-type]
    return [(entry.image, entry.captions) for entry in read_captions(path, split, columns)]


def written(path: Path, text: str) -> Path:
    path.write_text(text, newline="")
    return path


def table(headings: Sequence[str], *, sign: str = ",", end: str = "\n") -> str:
    """The rows under these headings, as CSV; a heading says by its first letters what is in the column."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=sign, lineterminator=end)
    writer.writerow(headings)
    for row, (image, number, caption) in enumerate(ROWS):
        cells = {"i": image, "f": image, "c": caption, "t": caption, "n": number, "": row, "s": "flickr", "#": row // 2}
        kinds = ("n" if heading.lower().endswith(("number", " no")) else heading.lower()[:1] for heading in headings)
        writer.writerow([cells[kind] for kind in kinds])
    return out.getvalue()


HEADINGS = [
    ("image", "caption"),
    ("image", "caption", "#id"),
    ("image", "caption_number", "caption", "#id"),
    ("", "image", "caption"),
    ("caption", "image"),
    ("Image", "Caption"),
    ("Image Name", "Comment Number", "Comment"),
    ("file_name", "text"),
    ("FileName", "source", "TEXT", "number"),
]


@pytest.mark.parametrize("sign", [",", "\t", ";", "|"])
@pytest.mark.parametrize("headings", HEADINGS)
def test_columns_are_told_by_their_headings(headings: tuple[str, ...], sign: str, tmp_path: Path) -> None:
    assert read(written(tmp_path / "captions.csv", table(headings, sign=sign))) == EXPECTED


@pytest.mark.parametrize("end", ["\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_marks_and_ends_of_lines_are_no_text(end: str, mark: str, tmp_path: Path) -> None:
    text = mark + table(("image", "caption", "#id"), end=end)
    assert read(written(tmp_path / "captions.csv", text)) == EXPECTED


def test_captions_with_commas_need_no_quotes(tmp_path: Path) -> None:
    lines = [
        "id,image,caption,n",
        "0,a.jpg,A man, in red,0",
        '1,a.jpg,He says "hi", twice,1',
        '2,a.jpg,"Stop," he said,2',
    ]
    assert read(written(tmp_path / "a.csv", "\n".join(lines))) == [
        ("a.jpg", ("A man, in red", 'He says "hi", twice', '"Stop," he said'))
    ]


def test_a_caption_may_have_several_lines_and_a_mark_alone_has_not(tmp_path: Path) -> None:
    text = 'image,caption,id\na.jpg,"one\ntwo, three",7\nb.jpg,"lonely mark,8\nc.jpg,the end",9\n'
    assert read(written(tmp_path / "a.csv", text)) == [
        ("a.jpg", ("one\ntwo, three",)),
        ("b.jpg", ('"lonely mark',)),
        ("c.jpg", ('the end"',)),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wide.csv", "image,caption_0,caption_1,caption_10,id\na.jpg,one,two,three,1\nb.jpg,four,,,2\n"),
        ("same.csv", "image,caption,caption,caption\na.jpg,one,two,three\nb.jpg,four,,\n"),
        ("pandas.csv", ",image,caption,caption.1,caption.2\n0,a.jpg,one,two,three\n1,b.jpg,four,,\n"),
        ("order.csv", "sentence10,sentence2,sentence1,filename\nthree,two,one,a.jpg\n,,four,b.jpg\n"),
        ("list.csv", 'image,captions\na.jpg,"[""one"", ""two"", ""three""]"\nb.jpg,"[""four""]"\n'),
        ("python.csv", "image,captions\na.jpg,\"['one', 'two', 'three']\"\nb.jpg,['four']\n"),
        (
            "lists.jsonl",
            '{"image": "a.jpg", "captions": ["one", "two", "three"]}\n{"image": "b.jpg", "captions": ["four"]}\n',
        ),
        (
            "lines.jsonl",
            '{"file_name": "a.jpg", "text": "one"}\n{"file_name": "a.jpg", "text": "two"}\n\n'
            '{"id": 7, "file_name": "a.jpg", "text": "three"}\n{"file_name": "b.jpg", "text": "four"}\n',
        ),
        (
            "lines.txt",
            '{"image": "a.jpg", "caption1": "one", "caption2": "two", "caption3": "three"}\n'
            '{"image": "b.jpg", "caption1": "four"}',
        ),
        ("map.json", json.dumps({"a.jpg": ["one", "two", "three"], "b.jpg": "four"})),
        (
            "names.json",
            '[{"file_name": "a.jpg", "sentences": ["one", "two", "three"]},'
            '{"file_name": "b.jpg", "sentences": ["four"]}]',
        ),
        ("tabs.txt", "a.jpg\tone\na.jpg\ttwo\na.jpg\tthree\nb.jpg\tfour\n"),
        ("names.csv", "image,caption\n./a.jpg,one\na.jpg,two\n.//a.jpg,three\nb.jpg,four\n"),
    ],
)  # fmt: skip
def test_several_captions_an_image(name: str, text: str, tmp_path: Path) -> None:
    assert read(written(tmp_path / name, text)) == [("a.jpg", ("one", "two", "three")), ("b.jpg", ("four",))]


def test_windows_folders_are_folders(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "image,caption\nimages\\a.jpg,one\nimages/a.jpg,two\n")
    assert read(path) == [("images/a.jpg", ("one", "two"))]
    with pytest.raises(DataError, match="not a path below"):
        read(written(path, "image,caption\nC:\\images\\a.jpg,one\n"))


def test_brackets_alone_make_no_list(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "image,caption\na.jpg,[sic]\nb.jpg,[a dog]\n")
    assert read(path) == [("a.jpg", ("[sic]",)), ("b.jpg", ("[a dog]",))]


SPLIT = "image,caption,split\na.jpg,one,train\nb.jpg,two,test\na.jpg,uno,train\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", SPLIT),
        ("a.csv", SPLIT.replace("split", "subset")),
        ("a.csv", SPLIT.replace("test", "Test")),
        ("a.jsonl", "\n".join(map(json.dumps, csv.DictReader(SPLIT.splitlines())))),
        (
            "dataset_x.json",
            json.dumps({"images": [
                {"filename": "a.jpg", "split": "train", "sentences": [{"raw": "one"}, {"raw": "uno"}]},
                {"filename": "b.jpg", "split": "test", "sentences": [{"raw": "two"}]},
            ]}),
        ),
    ],
)  # fmt: skip
def test_several_splits_are_asked_for(name: str, text: str, tmp_path: Path) -> None:
    path = written(tmp_path / name, text)
    with pytest.raises(SeveralSplitsError, match=r"are of several splits: [Tt]est \(1 image\) and train \(1 image\)"):
        read(path)
    assert read(path, "test") == [("b.jpg", ("two",))]
    assert read(path, "train") == [("a.jpg", ("one", "uno"))]
    assert read(path, "all") == [("a.jpg", ("one", "uno")), ("b.jpg", ("two",))]
    with pytest.raises(DataError, match="no split 'val'; it has"):
        read(path, "val")


def test_one_split_needs_no_question_and_some_without_one_do(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", SPLIT.replace("train", "test"))
    assert read(path) == read(path, "test") == [("a.jpg", ("one", "uno")), ("b.jpg", ("two",))]
    with pytest.raises(SeveralSplitsError, match=r"none \(1 image\) and train \(1 image\)"):
        read(written(path, SPLIT.replace("test", "")))


def test_a_set_of_other_words_is_no_split(tmp_path: Path) -> None:
    assert len(read(written(tmp_path / "a.csv", "image,caption,set\na.jpg,one,indoor\nb.jpg,two,outdoor\n"))) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,caption,text\na.jpg,one,two\n", r"may hold the captions: caption and text[\s\S]*caption_column: cap"),
        ("image,label,id\na.jpg,cat,1\n", r"no heading is a known one for captions; .* image, label and id"),
        ("image,id\na.jpg,1\nb.jpg,2\n", "no heading is a known one for captions"),
        ("image,file,caption\na.jpg,b.jpg,c\n", r"may hold the images: image and file[\s\S]*image_column"),
        ("text,caption_number\none,0\n", "no heading is a known one for images"),
        ("image,caption,id\na.jpg\n", "line 2 has another form"),
        ("image,caption_0,caption_1\na.jpg,one,two, three,four\n", "line 2 has another form"),
        ("caption\none\n", "it has only one column"),
        ("image,captions\na.jpg,['one' 'two']\n", r"look like a list, but it is not valid JSON: \"\['one' 'two'\]\""),
        ("a.jpg,one,0\nb.jpg,two,1\n", r"each line has 3 cells, and there are no headings [\s\S]*Write headings"),
        ("a.jpg,0,one\nb.jpg,1,two\n", "there are no headings that say which of them is the caption"),
        ("a.jpg,one,train\nb.jpg,two,test\n", "there are no headings that say which of them is the caption"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_asked(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(written(tmp_path / "a.csv", text))


def test_the_user_names_columns(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "photo,thumb,caption,text,Beschreibung\na.jpg,t.jpg,one,two,drei\n")
    assert read(path, image="photo", captions=("text",)) == [("a.jpg", ("two",))]
    assert read(path, image="thumb", captions=("beschreibung", "caption")) == [("t.jpg", ("drei", "one"))]
    with pytest.raises(DataError, match="no column is named 'words'; it has the columns photo, thumb"):
        read(path, captions=("words",))


def test_the_column_of_names_is_told_by_its_cells(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "image,filename,caption\n7,a.jpg,one\n8,b.jpg,two\n")
    assert read(path) == [("a.jpg", ("one",)), ("b.jpg", ("two",))]
    path = written(path, "filename,filepath,caption\na.jpg,x/a.jpg,one\n")
    assert read(path) == [("a.jpg", ("one",))]
    assert read(written(path, "image_id,caption\n1000_69,one\n")) == [("1000_69", ("one",))]


def test_a_caption_given_twice_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "image,caption\na.jpg,one\na.jpg,one\nb.jpg,one\n")
    assert sentences(lambda: read(path)) == [
        f"repeated-captions: 1 image in {path} has the same caption more than once, and every copy counts: a.jpg"
    ]


CELLS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda text: not is_blank(text)
)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4), st.sampled_from(",\t;"))
def test_whatever_csv_quotes_comes_back(cells: list[tuple[str, str]], sign: str) -> None:
    import tempfile

    out = io.StringIO()
    writer = csv.writer(out, delimiter=sign, quoting=csv.QUOTE_ALL)
    writer.writerow(["note", "caption", "image"])
    writer.writerows([note, caption, f"{number}.jpg"] for number, (note, caption) in enumerate(cells))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        path = written(Path(folder, "captions.csv"), out.getvalue())
        assert read(path) == [(f"{number}.jpg", (caption.strip(),)) for number, (_, caption) in enumerate(cells)]
