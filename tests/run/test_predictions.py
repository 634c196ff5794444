"""``predictions:DIR``: answers that a run kept give its record again, bit for bit; identity; absent images."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import toy_adapter
from given_answers import codes, write_card

import vlmbench
from vlmbench.api import EvaluationError
from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.errors import OutputError, UsageError
from vlmbench.records import Record
from vlmbench.store import ResultStore
from vlmbench.tasks.given.matrices import open_matrices
from vlmbench.testing.toy_data import write_image_folder

METRICS = ["acc1", "acc5", "mean_per_class_recall", "ece", "roc_auc"]


@pytest.fixture
def classes(tmp_path: Path) -> TaskCard:
    data = write_image_folder(tmp_path / "data", {name: 4 for name in ("bird", "cat", "dog", "fish", "fox", "toad")})
    return TaskCard(name="classes", sources=[SourceSpec(kind="imagefolder", location=str(data))], metrics=METRICS)


@pytest.fixture
def captions(tmp_path: Path) -> TaskCard:
    images = write_image_folder(tmp_path / "captioned" / "images", {"x": 12})
    files = sorted(path.relative_to(images).as_posix() for path in images.rglob("*.png"))
    lines = [f'{name},"number {row % 5} of {copy}"' for row, name in enumerate(files) for copy in range(1 + row % 3)]
    (tmp_path / "captioned" / "captions.txt").write_text("image,caption\n" + "\n".join(lines) + "\n")
    source = SourceSpec(kind="captions", location=str(tmp_path / "captioned"))
    return TaskCard(name="pairs", plugin="retrieval", sources=[source], metrics=["mean_recall@1"])


def several(tmp_path: Path, model: str, *tasks: TaskCard | str, **settings: object) -> list[Record]:
    return vlmbench.evaluate(
        model, list(tasks), results=tmp_path / "runs", data_root=tmp_path, device="cpu", use_cache=False, **settings
    )


def table_of(tmp_path: Path, record: Record) -> dict[str, list[object]]:
    store = ResultStore(tmp_path / "runs")
    table = pq.read_table(store.folder(record.model.saved_as, record.task.name) / f"{record.id}.parquet")
    return {name: table[name].to_pylist() for name in table.column_names}


def test_kept_answers_give_the_record_again_bit_for_bit(tmp_path: Path, classes: TaskCard, captions: TaskCard) -> None:
    kept = tmp_path / "kept"
    tasks = (classes, captions, "demo-objects")
    made = several(tmp_path, "toy:a", *tasks, save_answers=kept)
    again = several(tmp_path, f"predictions:{kept}", *tasks)
    assert sorted(path.name for path in kept.iterdir()) == ["classes.parquet", "demo-objects.parquet", "pairs.npz"]
    for first, second in zip(made, again, strict=True):
        assert first.metrics == second.metrics and first.per_class == second.per_class
        assert first.task.dataset == second.task.dataset and first.main_metric == second.main_metric
        before, after = table_of(tmp_path, first), table_of(tmp_path, second)
        assert {name: after[name] for name in before} == before and after.keys() - before.keys() <= {"scale"}
        assert "answers-given" in codes(second) and first.id != second.id
    model = ResultStore(tmp_path / "runs").root
    compared = vlmbench.compare(str(next(model.glob("toy*"))), str(next(model.glob("predictions*"))))
    assert [task.verdict for task in compared.tasks] == ["unchanged"] * 3 and compared.verdict == "passed"


def test_the_gate_compares_kept_answers_with_a_run_in_less_precision(tmp_path: Path, classes: TaskCard) -> None:
    kept = tmp_path / "kept"
    (made,) = several(tmp_path, "toy:a", classes, save_answers=kept, precision="bf16")
    (again,) = several(tmp_path, f"predictions:{kept}", classes)
    assert (made.run.precision, again.run.precision) == ("bf16", "fp32") and made.metrics == again.metrics
    sides = [str(next((tmp_path / "runs").glob(f"{name}*"))) for name in ("toy", "predictions")]
    (task,) = vlmbench.compare(*sides).tasks
    assert task.verdict == "unchanged", task


def test_answers_to_a_subset_with_a_bad_sample_give_the_record_again(tmp_path: Path, classes: TaskCard) -> None:
    bad = Path(classes.sources[0].location) / "dog" / "001.png"
    bad.write_bytes(bad.read_bytes()[:40])
    settings = {"skip_bad": True, "limit": 20, "seed": 1}
    (made,) = several(tmp_path, "toy:a", classes, save_answers=tmp_path / "kept", **settings)
    write_card(tmp_path / "kept", options={"missing": "left-out"})
    (again,) = several(tmp_path, f"predictions:{tmp_path / 'kept'}", classes, **settings)
    assert made.metrics == again.metrics and made.task.dataset.fingerprint == again.task.dataset.fingerprint


def test_a_record_is_of_its_own_file_only(tmp_path: Path, classes: TaskCard, captions: TaskCard) -> None:
    given = tmp_path / "given"
    several(tmp_path, "toy:a", classes, captions, save_answers=given)
    write_card(given, name="my-system", title="Mine", training_data="nothing")
    pairs = given / "pairs.npz"
    shutil.move(pairs, tmp_path / "later.npz")
    (first,) = several(tmp_path, f"predictions:{given}", classes)
    shutil.move(tmp_path / "later.npz", pairs)
    second, other = several(tmp_path, f"predictions:{given}", classes, captions)
    assert second.id == first.id and second.run.started == first.run.started  # found: nothing of it has changed
    assert first.model.key == other.model.key and first.model.name == "my-system"  # one row of a table
    assert first.model.card == {"title": "Mine", "training_data": "nothing"}
    write_card(given, name="my-system", title="Mine", training_data="a lot")
    (corrected,) = several(tmp_path, f"predictions:{given}", classes)
    assert corrected.id == first.id and corrected.model.card["training_data"] == "a lot"
    table = pq.read_table(given / "classes.parquet")
    pq.write_table(
        table.set_column(1, "scores", table["scores"].take(list(range(len(table) - 1, -1, -1)))),
        given / "classes.parquet",
    )
    (third,) = several(tmp_path, f"predictions:{given}", classes)
    assert third.id != first.id and third.model.key == first.model.key
    assert third.model.answers != first.model.answers and third.metrics != first.metrics


def test_absent_images_are_a_remark_and_the_fingerprint_is_of_ids_and_labels(
    tmp_path: Path, captions: TaskCard
) -> None:
    given, images = tmp_path / "given", tmp_path / "captioned" / "images"
    (made,) = several(tmp_path, "toy:a", captions, save_answers=given)
    shutil.rmtree(images)
    (absent,) = several(tmp_path, f"predictions:{given}", captions)
    data = absent.task.dataset
    assert absent.metrics == made.metrics and data.images == "absent"
    assert data.fingerprint != made.task.dataset.fingerprint and "images-absent" in codes(absent)
    (again,) = several(tmp_path, f"predictions:{given}", captions)
    assert again.run.started == absent.run.started  # found
    with pytest.raises(EvaluationError, match="lists 12 images, but the first ones, such as"):
        several(tmp_path, "toy:b", captions)
    runs = tmp_path / "runs"
    sides = [str(next(runs.glob(f"{name}*"))) for name in ("toy_a", "predictions")]
    compared = vlmbench.compare(*sides)
    assert (
        compared.verdict == "passed" and "content of the images could not be compared" in compared.tasks[0].not_compared
    )
    words = tmp_path / "captioned" / "captions.txt"
    words.write_text(words.read_text().replace("number 0 of 0", "number 9 of 0"))
    with pytest.raises(EvaluationError, match="captions of the data have no scores"):
        several(tmp_path, f"predictions:{given}", captions)


def test_several_models_keep_their_answers_apart(tmp_path: Path, classes: TaskCard) -> None:
    kept = tmp_path / "kept"
    vlmbench.evaluate(["toy:a", "toy:bb"], classes, results=None, save_answers=kept, use_cache=False, device="cpu")
    assert [path.name for path in sorted(kept.glob("*/*"))] == ["classes.parquet"] * 2
    first, second = (pq.read_table(path)["scores"].to_pylist() for path in sorted(kept.glob("*/*")))
    assert first != second


def test_no_file_is_said_with_the_names_that_would_do(tmp_path: Path, classes: TaskCard) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "klasses.csv").write_text("id,prediction\n")
    with pytest.raises(
        EvaluationError, match=r"no answers to it in .*it needs classes\.parquet, classes\.csv.*klasses\.csv"
    ):
        several(tmp_path, f"predictions:{given}", classes)
    with pytest.raises(EvaluationError, match=r"demo-detection-native\.json") as caught:
        several(tmp_path, f"predictions:{given}", "demo-detection-native")
    assert ".pkl" not in str(caught.value)  # a pickle would be refused
    for name in ("classes.csv", "classes.npz"):
        (given / name).write_text("id,prediction\n")
    with pytest.raises(EvaluationError, match=r"two sets of answers to classes: classes\.csv and classes\.npz"):
        several(tmp_path, f"predictions:{given}", classes)


def test_a_failed_answer_leaves_the_older_file(tmp_path: Path, classes: TaskCard) -> None:
    kept = tmp_path / "kept"
    several(tmp_path, "toy:a", classes, save_answers=kept)
    before = (kept / "classes.parquet").read_bytes()
    with pytest.raises(EvaluationError):
        several(tmp_path, "toy:a@crash", classes, save_answers=kept)
    assert (kept / "classes.parquet").read_bytes() == before and len(list(kept.iterdir())) == 1


def test_what_cannot_be_kept_is_said_first(tmp_path: Path, classes: TaskCard) -> None:
    (tmp_path / "file").write_text("")
    toy_adapter.LOADED.clear()
    with pytest.raises(OutputError, match="the answers cannot be written to"):
        several(tmp_path, "toy:a", classes, save_answers=tmp_path / "file")
    with pytest.raises(UsageError, match="answers of adapted models cannot be saved"):
        several(tmp_path, "toy:a", classes, save_answers=tmp_path / "kept", transfer="tip-adapter", shots=1)
    assert not toy_adapter.LOADED


def test_a_large_similarity_matrix_is_read_in_blocks(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", scores=np.zeros((50, 40), np.float32))
    matrix = open_matrices(tmp_path / "m.npz")["scores"]
    assert isinstance(matrix, np.memmap) and matrix.shape == (50, 40)
