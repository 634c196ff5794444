"""Scores and ranked lists that were made elsewhere: ranks of a literal sort, whatever their form; wrong files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from given_answers import answered, codes, refusal, write_card
from retrieval_ranks import literal_ranks

import vlmbench.tasks.retrieval.ranks as ranks_module
from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.records import Record

CAPTIONS = {
    "a.png": ["a cat", "one cat, asleep"],
    "b.png": ["a dog"],
    "c.png": ["a cat", "a grey bird", "wings"],
    "d.png": ["a fish"],
}
FLAT = [caption for own in CAPTIONS.values() for caption in own]
SPANS = [0, 2, 3, 6, 7]
OWN = [range(SPANS[image], SPANS[image + 1]) for image in range(4)]
OWNER = [image for image in range(4) for _ in OWN[image]]


@pytest.fixture
def task(tmp_path: Path) -> TaskCard:
    folder = tmp_path / "data"
    folder.mkdir()
    for shade, name in enumerate(CAPTIONS):
        PIL.Image.new("RGB", (4, 4), (shade, 0, 0)).save(folder / name)
    lines = [f"{name},{json.dumps(caption)}" for name, own in CAPTIONS.items() for caption in own]
    (folder / "captions.txt").write_text("image,caption\n" + "\n".join(lines) + "\n")
    source = SourceSpec(kind="captions", location=str(folder))
    return TaskCard(
        name="t",
        plugin="retrieval",
        sources=[source],
        metrics=["mean_recall@1", "image_to_text_mean_rank", "text_to_image_mean_rank"],
    )


@pytest.fixture
def given(tmp_path: Path) -> Path:
    (tmp_path / "given").mkdir()
    return tmp_path / "given"


def scores(seed: int = 0) -> np.ndarray:
    """(4, 7) scores with ties, equal for equal captions."""
    found = np.random.default_rng(seed).integers(0, 5, (4, 7)).astype(np.float32)
    found[:, 3] = found[:, 0]
    return found


def check(record: Record, by_image: np.ndarray, by_caption: np.ndarray) -> None:
    """The record's mean ranks are those of a literal sort."""
    image_ranks, caption_ranks = literal_ranks(by_image, OWN), literal_ranks(by_caption, [[own] for own in OWNER])
    assert record.metrics["image_to_text_mean_rank"].value == pytest.approx(np.mean(image_ranks))
    assert record.metrics["text_to_image_mean_rank"].value == pytest.approx(np.mean(caption_ranks))


@pytest.mark.parametrize("form", ["npz", "compressed", "npy", "parquet", "csv", "fortran"])
def test_every_form_of_scores_gives_the_ranks_of_a_literal_sort(
    form: str, task: TaskCard, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks_module, "BLOCK_SCORES", 10)
    found = scores()
    order, columns = [2, 0, 3, 1], [6, 3, 0, 1, 5, 4, 2]
    arrays = {
        "similarity": found[np.ix_(order, columns)],
        "images": np.array(list(CAPTIONS))[order],
        "captions": np.array(FLAT)[columns],
    }
    if form == "npz":
        np.savez(given / "t.npz", **arrays)
    elif form == "compressed":
        np.savez_compressed(given / "t.npz", **arrays)
    elif form == "fortran":
        np.savez(given / "t.npz", **{**arrays, "similarity": np.asfortranarray(arrays["similarity"])})
    elif form == "npy":
        np.save(given / "t.npy", found.astype(np.float64))
    elif form == "parquet":
        facts = {b"vlmbench": json.dumps({"captions": arrays["captions"].tolist()}).encode()}
        table = pa.table({"image": arrays["images"].tolist(), "scores": arrays["similarity"].tolist()})
        pq.write_table(table.replace_schema_metadata(facts), given / "t.parquet")
    else:
        rows = [
            f"{name},{json.dumps(caption)},{found[image, place]}"
            for image, name in enumerate(CAPTIONS)
            for place, caption in enumerate(FLAT)
            if place != 3  # the same pair of texts as place 0
        ]
        (given / "t.csv").write_text("image,caption,score\n" + "\n".join(rows))
    record = answered(given, task)
    check(record, found, found.T)
    assert ("answers-in-order" in codes(record)) == (form == "npy")
    assert record.model.answers is not None


def test_scores_of_both_ways_may_differ(task: TaskCard, given: Path) -> None:
    there, back = scores(1), scores(2).T
    np.savez(given / "t.npz", image_to_text=there, text_to_image=back)
    check(answered(given, task), there, back)


def test_pairs_without_a_score_rank_last_and_are_counted(task: TaskCard, given: Path) -> None:
    pairs = {(0, 1): 3.0, (0, 2): 4.0, (1, 2): 5.0, (2, 0): 2.0, (3, 1): 1.0}
    rows = [f"{list(CAPTIONS)[image]},{json.dumps(FLAT[place])},{score}" for (image, place), score in pairs.items()]
    (given / "t.csv").write_text("image,caption,score\n" + "\n".join(rows))
    full = np.full((4, 7), -np.inf)
    for (image, place), score in pairs.items():
        full[image, place] = score
    full[:, 3] = full[:, 0]
    record = answered(given, task)
    check(record, full, full.T)
    assert "22 of 28 pairs have no score" in codes(record)["pairs-unscored"]


def test_ranked_lists_are_taken_as_they_are(task: TaskCard, given: Path) -> None:
    names = list(CAPTIONS)
    lists = {
        "image_to_text": {"a": ["one cat, asleep", "a dog"], "b": ["a fish", "a dog"], "c": ["a dog"], "d": ["a fish"]},
        "text_to_image": {caption: [names[1], names[OWNER[place]]] for place, caption in enumerate(FLAT)},
    }
    lists["text_to_image"]["a dog"] = ["b.png"]
    (given / "t.json").write_text(json.dumps(lists))
    record = answered(given, task)
    # c: its three captions are not in its list. Four false captions are before them or tied with them.
    assert record.metrics["image_to_text_mean_rank"].value == pytest.approx((1 + 2 + 5 + 1) / 4)
    # "a cat" is of a and of c; the list is the later one, [b, c], so that a has no place in it: 3 + 1.
    assert record.metrics["text_to_image_mean_rank"].value == pytest.approx((4 + 2 + 1 + 2 + 2 + 2 + 2) / 7)


def test_ranks_in_a_table_need_a_direction(task: TaskCard, given: Path) -> None:
    rows = [f"{name},{json.dumps(FLAT[0])},{rank}" for rank, name in enumerate(CAPTIONS, 1)]
    (given / "t.csv").write_text("image,caption,rank\n" + "\n".join(rows))
    assert "need a column 'direction'" in refusal(given, task)
    both = [f"{row},{way}" for row in rows for way in ("image_to_text", "text_to_image")]
    (given / "t.csv").write_text("image,caption,rank,direction\n" + "\n".join(both))
    full = np.full((4, 7), -np.inf)
    full[:, [0, 3]] = -np.arange(1, 5)[:, None]
    check(answered(given, task), full, full.T)


def _matrix(**changes: object) -> Callable[[Path], None]:
    arrays = {"scores": scores(), "images": np.array(list(CAPTIONS)), "captions": np.array(FLAT), **changes}
    kept = {name: np.asarray(array) for name, array in arrays.items() if array is not None}
    return lambda folder: np.savez(folder / "t.npz", **kept)  # type: ignore[arg-type]


def _text(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(text)  # type: ignore[return-value]


def test_a_list_of_one_way_twice_is_refused_and_other_encodings_are_read(task: TaskCard, given: Path) -> None:
    lists = {
        "image_to_text": {name: own for name, own in CAPTIONS.items()},
        "text_to_image": {caption: [list(CAPTIONS)[OWNER[place]]] for place, caption in enumerate(FLAT)},
    }
    text = json.dumps(lists)
    (given / "t.json").write_text(text)
    plain = answered(given, task).metrics
    for encoding in ("utf-8-sig", "utf-16"):
        (given / "t.json").write_text(text, encoding=encoding)
        assert answered(given, task).metrics == plain
    (given / "t.json").write_text(text.replace('"a.png": [', '"b.png": ["a cat"], "a.png": [', 1))
    assert "'b.png' has two lists" in refusal(given, task)


def test_large_whole_numbers_keep_their_order(task: TaskCard, given: Path) -> None:
    """float32 holds whole numbers up to 2 ** 24 only."""
    whole = 2**40 + np.arange(28).reshape(4, 7)
    whole[:, 3] = whole[:, 0]
    np.savez(given / "t.npz", image_to_text=whole, images=np.array(list(CAPTIONS)), captions=np.array(FLAT))
    small = whole - 2**40
    check(answered(given, task), small.astype(float), small.T.astype(float))


def test_a_parquet_file_of_classification_does_not_speak_for_its_columns(task: TaskCard, given: Path) -> None:
    facts = json.dumps({"scores": "similarities", "captions": FLAT}).encode()
    table = pa.table({"sample": list(CAPTIONS), "scores": scores().tolist()})
    pq.write_table(table.replace_schema_metadata({b"vlmbench": facts}), given / "t.parquet")
    check(answered(given, task), scores(), scores().T)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_text("t.json", '{"image_to_text": {"a.png": []}, "text_to_image": {"a cat": []}}'), "all lists of 'image_to"),
        (_matrix(scores=np.zeros((4, 6))), "has 4 × 6 scores, but there are 4 images and 7 captions"),
        (_matrix(scores=np.zeros((3, 7)), images=None), "has 3 × 7 scores, but there are 4 images"),
        (_matrix(scores=np.where(np.eye(4, 7) > 0, np.nan, 1)), "a score is NaN or infinite"),
        (_matrix(scores=np.zeros(7)), "must be a matrix of numbers"),
        (_matrix(scores=None), "no array of scores"),
        (
            _matrix(captions=np.array([*FLAT[:-1], "a whale"])),
            "1 of 7 captions of the data has no scores: 'a fish'",
        ),
        (_matrix(images=np.array(["a.png", "b.png", "a.png", "d.png"])), "rows 1 and 3 are both of the sample 'a.png'"),
        (_matrix(images=np.array(["a.png", "b.png", "c.png", "x.png"])), "1 of 4 samples has no answer: 'd.png'"),
        (_matrix(text_to_image=np.zeros((4, 7))), "has shape (4, 7), but 'scores' has (4, 7)"),
        (_text("t.npz", "no"), "cannot be read as a file of NumPy"),
        (_text("t.npy", "no"), "cannot be read as a file of NumPy"),
        (_text("t.json", "{"), "cannot be read as JSON"),
        (_text("t.json", '{"image_to_text": {"a.png": ["a cat"]}}'), "'text_to_image' must map each caption"),
        (
            _text("t.json", '{"image_to_text": {"a.png": ["a cat", "a cat"]}, "text_to_image": {"a cat": ["a.png"]}}'),
            "pairs 1 and 2 are of the same image and caption",
        ),
        (_text("t.csv", "image,caption\na.png,a cat\n"), "need the columns 'image', 'caption' and 'score'"),
        (_text("t.csv", "image,caption,score\na.png,a cat,\n"), "row 1 has no number in 'score'"),
        (_text("t.csv", "image,caption,score\na.png,a cat,1\na.png,a cat,2\n"), "pairs 1 and 2 are of the same"),
        (_text("t.csv", "image,caption,score\na.png,a cat,1\n"), "3 of 4 samples have no answer"),
        (_text("t.csv", "image,caption,score\na.png,a whale,1\n"), "none of its captions is in the data"),
    ],
)
def test_a_wrong_file_is_one_clear_message(
    write: Callable[[Path], None], message: str, task: TaskCard, given: Path
) -> None:
    write(given)
    said = refusal(given, task)
    assert message in said and "unexpected" not in said


def test_images_without_an_answer_are_no_candidates_either(task: TaskCard, given: Path) -> None:
    write_card(given, options={"missing": "left-out"})
    found = scores()
    np.savez(given / "t.npz", scores=found[:3], images=np.array(list(CAPTIONS)[:3]), captions=np.array(FLAT))
    record = answered(given, task)
    image_ranks = literal_ranks(found[:3, :6], OWN[:3])
    assert record.task.dataset.samples == 3 and "answers-missing" in codes(record)
    assert record.metrics["image_to_text_mean_rank"].value == pytest.approx(np.mean(image_ranks))
