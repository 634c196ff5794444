"""Scores and labels that were made elsewhere: the numbers are scikit-learn's, and wrong files are refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from given_answers import answered, codes, refusal, write_card
from sklearn.metrics import accuracy_score, average_precision_score, balanced_accuracy_score, roc_auc_score

from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.data.memory.given import as_task
from vlmbench.errors import ModelError
from vlmbench.tasks.classification.given import read_answers
from vlmbench.tasks.given.base import GivenAnswers

CLASSES = {"bird": 5, "cat": 4, "dog": 3, "fish": 4, "red fox": 3, "toad": 2}
NAMES = list(CLASSES)
METRICS = ["acc1", "acc5", "mean_per_class_recall", "ece", "roc_auc"]


@pytest.fixture
def data(make_folder: Callable[..., Path]) -> Path:
    return make_folder(CLASSES)


@pytest.fixture
def task(data: Path) -> TaskCard:
    return TaskCard(name="t", sources=[SourceSpec(kind="imagefolder", location=str(data))], metrics=METRICS)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    return folder


def ids_of(data: Path) -> tuple[list[str], np.ndarray]:
    """The ids and labels of the samples, in the order of the data."""
    files = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.png"))
    return files, np.array([NAMES.index(file.split("/")[0]) for file in files])


def probabilities(count: int, classes: int = len(NAMES), seed: int = 0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(count, classes)) * 2
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def test_a_csv_of_probabilities_gives_scikit_learns_numbers(data: Path, task: TaskCard, given: Path) -> None:
    ids, labels = ids_of(data)
    scores = probabilities(len(ids))
    order = np.random.default_rng(1).permutation(len(ids))
    columns = [3, 0, 5, 1, 2, 4]  # in any order, matched by their names
    header = ["File", *(NAMES[column].upper() for column in columns)]
    write_csv(given / "t.csv", header, [[ids[row], *scores[row, columns].tolist()] for row in order])
    record = answered(given, task)
    values = {name: metric.value for name, metric in record.metrics.items()}
    best = scores.argmax(axis=1)
    assert values["acc1"] == pytest.approx(accuracy_score(labels, best))
    assert values["mean_per_class_recall"] == pytest.approx(balanced_accuracy_score(labels, best))
    assert values["roc_auc"] == pytest.approx(roc_auc_score(labels, scores, multi_class="ovr"), abs=1e-9)
    assert values["acc5"] == pytest.approx(np.mean(scores.argsort(axis=1)[:, 0] != labels))
    assert values["ece"] is not None and record.metrics["acc1"].ci95 is not None
    assert record.task.protocol["confidence"] == "as the answers state it"
    assert record.model.answers is not None and record.model.answers.file == "t.csv"


def test_multi_label_scores_give_scikit_learns_map(given: Path) -> None:
    random = np.random.default_rng(3)
    present = random.random((20, 3)) < 0.4
    images = [PIL.Image.fromarray(random.integers(0, 255, (8, 8, 3), dtype=np.uint8)) for _ in present]
    task = as_task(
        [(image, np.flatnonzero(row).tolist()) for image, row in zip(images, present, strict=True)],
        classes=["a", "b", "c"],
        name="m",
        multi_label=True,
    )
    scores = random.normal(size=(20, 3)).astype(np.float32)
    ids = [sample.id for sample in task.dataset.samples]
    np.savez(given / "m.npz", ids=np.array(ids), logits=scores)
    record = answered(given, task)  # type: ignore[arg-type]
    assert record.metrics["mean_average_precision"].value == pytest.approx(
        average_precision_score(present, scores, average="macro")
    )
    (given / "m.npz").unlink()
    write_csv(given / "m.csv", ["id", "prediction"], [[name, "a"] for name in ids])
    assert "each class needs a score" in refusal(given, task)  # type: ignore[arg-type]


def test_labels_alone_give_no_value_where_scores_are_needed(data: Path, task: TaskCard, given: Path) -> None:
    ids, labels = ids_of(data)
    best = probabilities(len(ids)).argmax(axis=1)
    written = [NAMES[label] if row % 2 else label for row, label in enumerate(best.tolist())]
    write_csv(
        given / "t.csv",
        ["image_id", "prediction"],
        [[Path(i).as_posix(), b] for i, b in zip(ids, written, strict=True)],
    )
    record = answered(given, task)
    assert record.metrics["acc1"].value == pytest.approx(accuracy_score(labels, best))
    assert [row.values["recall"] for row in record.per_class if row.n]
    for name in ("acc5", "roc_auc"):
        assert record.metrics[name].value is None and "only the best class" in record.metrics[name].reason
    assert record.metrics["ece"].value is None and "no confidences" in record.metrics["ece"].reason
    rows = [[i, b, 0.5] for i, b in zip(ids, written, strict=True)]
    write_csv(given / "t.csv", ["image_id", "prediction", "confidence"], rows)
    known = answered(given, task).metrics["ece"].value
    assert known == pytest.approx(abs(0.5 - accuracy_score(labels, best)))


def test_scores_of_an_unknown_kind_have_no_confidence_until_the_card_says_what_they_are(
    data: Path, task: TaskCard, given: Path
) -> None:
    ids, labels = ids_of(data)
    logits = np.random.default_rng(0).normal(size=(len(ids), len(NAMES))).astype(np.float32)
    pq.write_table(pa.table({"sample": ids, "scores": logits.tolist()}), given / "t.parquet")
    unknown = answered(given, task)
    assert unknown.metrics["acc5"].value is not None
    for name in ("ece", "roc_auc"):
        assert unknown.metrics[name].value is None and "probabilities or logits" in unknown.metrics[name].reason
    write_card(given, name="my-system", options={"scores": "logits", "logit_scale": 10.0})
    known = answered(given, task)
    chances = np.exp(10 * logits.astype(float))
    chances /= chances.sum(axis=1, keepdims=True)
    assert known.model.name == "my-system" and known.metrics["ece"].value is not None
    assert known.metrics["roc_auc"].value == pytest.approx(roc_auc_score(labels, chances, multi_class="ovr"), abs=1e-9)
    assert unknown.id != known.id


@pytest.mark.parametrize("form", ["npz", "parquet", "tsv", "semicolons"])
def test_every_form_of_a_table_gives_the_same_numbers(form: str, data: Path, task: TaskCard, given: Path) -> None:
    ids, _ = ids_of(data)
    scores = probabilities(len(ids)).astype(np.float32)
    write_csv(
        given / "t.csv", ["id", *map(str, range(6))], [[i, *row] for i, row in zip(ids, scores.tolist(), strict=True)]
    )
    expected = answered(given, task)
    text = (given / "t.csv").read_text()
    (given / "t.csv").unlink()
    if form == "npz":
        np.savez_compressed(given / "t.npz", files=np.array(ids), probabilities=scores, classes=np.array(NAMES))
    elif form == "parquet":
        columns = {name: scores[:, place] for place, name in enumerate(NAMES)}
        pq.write_table(pa.table({"file_name": pa.array(ids).dictionary_encode(), **columns}), given / "t.parquet")
    elif form == "tsv":
        (given / "t.tsv").write_text(text.replace(",", "\t"))
    else:
        (given / "t.csv").write_text("﻿" + text.replace(",", ";"), encoding="utf-8")
    assert answered(given, task).metrics == expected.metrics


def test_class_names_in_another_order_are_put_in_order(data: Path, task: TaskCard, given: Path) -> None:
    ids, labels = ids_of(data)
    scores = probabilities(len(ids))
    turned = np.array([2, 1, 0, 5, 4, 3])
    np.savez(given / "t.npz", ids=np.array(ids), scores=scores[:, turned], classes=np.array(NAMES)[turned])
    assert answered(given, task).metrics["acc1"].value == pytest.approx(accuracy_score(labels, scores.argmax(axis=1)))


def _table(data: Path, **changes: Callable[[list[list[object]]], object]) -> list[list[object]]:
    ids, _ = ids_of(data)
    rows: list[list[object]] = [[i, *row] for i, row in zip(ids, probabilities(len(ids)).tolist(), strict=True)]
    for change in changes.values():
        change(rows)
    return rows


@pytest.mark.parametrize(
    ("header", "change", "message"),
    [
        (["id", *NAMES], lambda rows: rows[2].__setitem__(3, "nan"), "row 3 has no number in 'dog'"),
        (["id", *NAMES], lambda rows: rows[0].__setitem__(1, "inf"), "row 1 has an infinite number in 'bird'"),
        (["id", *NAMES], lambda rows: rows[0].__setitem__(1, ""), "row 1 has no number in 'bird'"),
        (["id", *NAMES], lambda rows: rows[0].__setitem__(1, "1e39"), "row 1 has a score that is NaN or infinite"),
        (["id", *NAMES], lambda rows: rows[0].__setitem__(1, "high"), "the column 'bird' must hold numbers"),
        (["id", *NAMES], lambda rows: rows.append(list(rows[4])), "rows 5 and 22 are both of the sample"),
        (["id", *NAMES], lambda rows: rows.pop(3), "1 of 21 samples has no answer: 'bird/003.png'"),
        (["id", *NAMES], lambda rows: rows.clear(), "the table has no rows"),
        (["id", *NAMES], lambda rows: rows[1].__setitem__(0, "  "), "row 2 has no 'id'"),
        (["id", *NAMES[:-1], "frog"], lambda rows: None, "1 class of the task has no column: 'toad'"),
        (["id", "0", "1", "2", "3", "4", "6"], lambda rows: None, "1 class of the task has no column: 'toad'"),
        (["id", "a", "b", "c", "d", "e", "f"], lambda rows: None, "it has no column for each of the 6 classes"),
        (["id", *NAMES[:-1], "bird"], lambda rows: None, "two columns have one name: 'bird'"),
        (["who", *NAMES], lambda rows: None, "no column names the samples"),
    ],
)
def test_a_wrong_table_is_one_clear_message(
    header: list[str],
    change: Callable[[list[list[object]]], object],
    message: str,
    data: Path,
    task: TaskCard,
    given: Path,
) -> None:
    write_csv(given / "t.csv", header, _table(data, change=change))
    said = refusal(given, task)
    assert message in said and "t.csv" in said and "unexpected" not in said


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "the file is empty"),
        ("t.csv", b"\xff\xfe\x00", "not text"),
        ("t.csv", b"id,bird\na,1,2,3\n", "not a table"),
        ("t.parquet", b"PAR1 no", "cannot be read as a Parquet file"),
        ("t.npz", b"no zip", "cannot be read as an npz file"),
        ("t.csv", b"id,prediction\nbird/000.png,unicorn\n", "row 1: 'unicorn' is not a class of the task"),
        ("t.csv", b"id,prediction\nbird/000.png,6\n", "row 1: '6' is not a class of the task"),
        ("t.csv", b"id,prediction,confidence\nbird/000.png,1,80\n", "a confidence is from 0 to 1, not 80"),
        ("t.csv", b'id,scores\nbird/000.png,"[1, 2]"\n', "scores of 2 classes, but the task has 6"),
        ("t.csv", b"id,scores\nbird/000.png,much\n", "is not a list such as [0.1, 0.9]"),
    ],
)
def test_a_broken_file_is_one_clear_message(
    name: str, content: bytes, message: str, task: TaskCard, given: Path
) -> None:
    (given / name).write_bytes(content)
    assert message in refusal(given, task)


def test_objects_in_an_npz_file_are_refused(task: TaskCard, given: Path) -> None:
    np.savez(given / "t.npz", ids=np.array(["a"], dtype=object), scores=np.zeros((1, 6)))
    assert "not of Python objects" in refusal(given, task)


def test_samples_without_an_answer_are_left_out_only_on_request(data: Path, task: TaskCard, given: Path) -> None:
    ids, labels = ids_of(data)
    scores = probabilities(len(ids))
    np.savez(given / "t.npz", ids=np.array([*ids[2:], "unicorn/1.png"]), scores=np.vstack([scores[2:], scores[:1]]))
    assert "options: {missing: left-out}" in refusal(given, task)
    write_card(given, options={"missing": "left-out"})
    record = answered(given, task)
    said = codes(record)
    assert record.task.dataset.samples == record.metrics["acc1"].n == len(ids) - 2
    assert "2 of 21 samples have no answer" in said["answers-missing"] and "unicorn/1.png" in said["answers-unmatched"]
    assert record.metrics["acc1"].value == pytest.approx(accuracy_score(labels[2:], scores[2:].argmax(axis=1)))


def test_a_subset_takes_its_own_answers_of_a_whole_file(data: Path, task: TaskCard, given: Path) -> None:
    ids, _ = ids_of(data)
    scores = probabilities(len(ids))
    np.savez(given / "t.npz", ids=np.array(ids), scores=scores)
    record = answered(given, task, limit=7, seed=3, protocol={})
    assert record.metrics["acc1"].n == 7 and not {"answers-missing", "answers-unmatched"} & set(codes(record))


def test_the_truth_beside_a_prediction_is_no_answer(data: Path, task: TaskCard, given: Path) -> None:
    """Files often have the true class as ``label`` and the answer as ``pred``."""
    ids, labels = ids_of(data)
    for answer in ("pred", "prediction", "preds"):
        rows = [[name, NAMES[own], "cat"] for name, own in zip(ids, labels, strict=True)]
        write_csv(given / "t.csv", ["id", "label", answer], rows)
        assert answered(given, task).metrics["acc1"].value == pytest.approx((labels == NAMES.index("cat")).mean())


def test_columns_that_are_no_classes_of_the_task_are_a_remark(data: Path, task: TaskCard, given: Path) -> None:
    ids, _ = ids_of(data)
    rows = [[name, *row] for name, row in zip(ids, probabilities(len(ids), 7).tolist(), strict=True)]
    write_csv(given / "t.csv", ["id", *NAMES, "wolf"], rows)
    said = codes(answered(given, task))
    assert "is not a class of the task, and was not used: wolf" in said["other-categories"]


def test_a_card_with_a_scale_says_that_scores_are_no_probabilities(data: Path, task: TaskCard, given: Path) -> None:
    """Cosine similarities of few classes may sum to 1, too."""
    ids, _ = ids_of(data)
    scores = probabilities(len(ids)).astype(np.float32)
    write_csv(given / "t.csv", ["id", *NAMES], [[name, *row] for name, row in zip(ids, scores.tolist(), strict=True)])
    plain = answered(given, task).metrics["ece"].value
    write_card(given, options={"scores": "similarities", "logit_scale": 10})
    stated = answered(given, task).metrics["ece"].value
    write_card(given, options={"logit_scale": 10})
    assert answered(given, task).metrics["ece"].value == stated != plain


def test_a_name_of_two_classes_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,label\na,crane\n")
    with pytest.raises(ModelError, match="row 1: 'crane' is the name of 2 classes"):
        read_answers(GivenAnswers(path), ["crane", "dog", "crane"])
    path.write_text("id,label\na,2\nb,00\n")
    assert read_answers(GivenAnswers(path), ["crane", "dog", "crane"]).best.tolist() == [2, 0]  # type: ignore[union-attr]
    path.write_text(f"id,label\na,{'9' * 5000}\n")
    with pytest.raises(ModelError, match="is not a class"):
        read_answers(GivenAnswers(path), ["crane", "dog"])


def test_the_delimiter_is_not_looked_for_in_quoted_names(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('id;"great cat, big";"dog, small"\na;0.2;0.8\n')
    found = read_answers(GivenAnswers(path), ["great cat, big", "dog, small"])
    assert found.scores is not None and found.scores.tolist() == [[np.float32(0.2), np.float32(0.8)]]


@pytest.mark.parametrize("classes", [5, "ab", {"a": 1}])
def test_classes_that_are_no_list_are_refused(classes: object, tmp_path: Path) -> None:
    table = pa.table({"sample": ["a"], "scores": [[0.2, 0.8]]})
    facts = json.dumps({"classes": classes}).encode()
    pq.write_table(table.replace_schema_metadata({b"vlmbench": facts}), tmp_path / "t.parquet")
    with pytest.raises(ModelError, match="'classes' must be a list of names"):
        read_answers(GivenAnswers(tmp_path / "t.parquet"), ["a", "b"])


def test_an_npz_file_that_is_huge_when_unpacked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "t.npz", ids=["a"], scores=np.zeros((1, 100_000)))
    assert (tmp_path / "t.npz").stat().st_size < 2_000
    monkeypatch.setattr("vlmbench.tasks.given.tables.MOST_DATA_BYTES", 2**19)
    with pytest.raises(ModelError, match="when it is unpacked"):
        read_answers(GivenAnswers(tmp_path / "t.npz"), ["a", "b"])
