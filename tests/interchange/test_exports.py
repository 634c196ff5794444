"""Records as a Hugging Face model-index and as tidy CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas
import pytest
import yaml
from huggingface_hub import ModelCard as HubCard
from pandas._libs.parsers import STR_NA_VALUES
from typer.testing import CliRunner

from vlmbench.cli.main import app
from vlmbench.errors import UsageError
from vlmbench.interchange.exporters.csv import tidy_csv
from vlmbench.interchange.exporters.model_index import model_index
from vlmbench.records import REMARKLESS, BadSample, Imported, Record
from vlmbench.reports.formats.csv import MISSING, to_csv
from vlmbench.reports.table_data import Table
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import ROWS, make_failure, make_record

HOSTILE = [
    "<script>alert(1)</script>",
    "../../x",
    "a|b&c%d",
    "🦊",
    "x" * 300,
    "---",
    "- a: b",
    "# c",
    "=1+1",
    "a\nb: c",
]


def read_back(text: str) -> HubCard:
    """A model card with this metadata, as the hub's own library reads it."""
    return HubCard(f"---\n{text}---\n# A model\n")


def test_the_hub_s_library_reads_the_model_index() -> None:
    card = read_back(model_index([make_record("m", "cifar10"), make_record("m", "own-task", value=0.25)]))
    assert card.data.model_name == "m"
    results = {(result.dataset_type, result.metric_type): result for result in card.data.eval_results}
    assert set(results) == {("cifar10", "accuracy"), ("own-task", "accuracy")}, "what has no value is left out"
    cifar = results["cifar10", "accuracy"]
    assert (cifar.task_type, cifar.dataset_name) == ("zero-shot-image-classification", "CIFAR-10")
    assert (cifar.metric_value, cifar.metric_name, cifar.metric_args) == (0.5, "acc1", {"ci95": [0.4, 0.6]})
    assert results["own-task", "accuracy"].metric_value == 0.25


def test_the_model_index_as_it_is_written() -> None:
    assert (
        model_index([make_record("m", "t")])
        == """\
model-index:
- name: m
  results:
  - task:
      type: zero-shot-image-classification
      name: Zero-Shot Image Classification
    dataset:
      name: t
      type: t
    metrics:
    - type: accuracy
      value: 0.5
      name: acc1
      args:
        ci95:
        - 0.4
        - 0.6
"""
    )


def name_in_index(record: Record) -> str:
    (result,) = yaml.safe_load(model_index([record]))["model-index"][0]["results"]
    return str(result["dataset"]["name"])


def test_what_keeps_a_number_from_being_the_dataset_s_is_in_its_name() -> None:
    record = make_record("m", "t", limit=10, settings={"score_threshold": 0.1})
    bad = record.model_copy(update={"bad_samples": [BadSample(id="a", reason="r")]})
    assert name_in_index(bad) == "t (subset of 10, score_threshold=0.1, 1 bad left out)"
    protocol = {"templates_from": "option"}
    own = make_record("m", "t", precision="bf16")
    own = own.model_copy(update={"task": own.task.model_copy(update={"protocol": protocol})})
    assert name_in_index(own) == "t (bf16, own templates)"
    part = own.task.dataset.model_copy(update={"samples": 9_000, "standard_samples": 10_000})
    half = make_record("m", "t")
    half = half.model_copy(update={"task": half.task.model_copy(update={"dataset": part}), "schema_": REMARKLESS})
    assert name_in_index(half) == "t (9,000 samples instead of 10,000)"
    foreign = Imported.model_validate({"from": "open_clip", "file": "f", "sha256": "s"})
    assert name_in_index(make_record("m", "t").model_copy(update={"imported": foreign})) == (
        "t (imported from open_clip)"
    )
    assert ",subset of 10,0123456789abcdef" in tidy_csv([make_record("m", "t", limit=10)])


def test_a_model_card_is_of_one_model() -> None:
    with pytest.raises(
        UsageError, match="a model card describes one model, and these records are of 5: a, b, c and 2 more"
    ):
        model_index([make_record(name, "t") for name in "abcdea"])
    assert yaml.safe_load(model_index([])) == {"model-index": []}


def test_a_hub_dataset_is_named_by_its_repository() -> None:
    record = make_record("m", "cifar10")
    data = record.task.dataset.model_copy(
        update={"source": "hub", "location": "clip-benchmark/wds_cifar10", "split": "test", "revision": "abc"}
    )
    record = record.model_copy(update={"task": record.task.model_copy(update={"dataset": data})})
    (result,) = read_back(model_index([record])).data.eval_results
    assert (result.dataset_type, result.dataset_split, result.dataset_revision) == (
        "clip-benchmark/wds_cifar10",
        "test",
        "abc",
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_in_the_model_index(name: str) -> None:
    text = model_index([make_record(name, name)])
    (model,) = yaml.safe_load(text)["model-index"]
    assert model["name"] == name and model["results"][0]["dataset"]["type"] == name
    assert read_back(text).data.model_name == name


def test_tidy_csv_has_a_row_a_metric_and_full_precision() -> None:
    rows = list(csv.DictReader(io.StringIO(tidy_csv([make_record("m", "t", value=0.1 + 0.2)]))))
    assert [(row["model"], row["task"], row["metric"], row["value"]) for row in rows] == [
        ("m", "t", "acc1", "0.30000000000000004"),
        ("m", "t", "ece", ""),
    ]
    assert rows[0]["main"] == "True" and rows[1]["higher_is_better"] == "False"
    assert rows[0]["run_id"] == "0123456789abcdef" and rows[0]["limit"] == rows[0]["imported_from"] == ""
    assert tidy_csv([]).startswith("model,task,metric,value,ci95_low,ci95_high,n,")


def test_pandas_takes_it_without_options() -> None:
    frame = pandas.read_csv(io.StringIO(tidy_csv([make_record("m", "t"), make_record("m", "u", value=0.75)])))
    best = frame[frame.main].pivot(index="model", columns="task", values="value")
    assert best.loc["m"].to_dict() == {"t": 0.5, "u": 0.75}
    assert frame.value.isna().sum() == 2 and frame.higher_is_better.dtype == bool


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_cells_in_the_csv(name: str) -> None:
    row = next(csv.DictReader(io.StringIO(tidy_csv([make_record(name, name)]), newline="")))
    assert row["model"] == row["task"] == (f"'{name}" if name.startswith(("=", "-")) else name)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    store = ResultStore(tmp_path / "runs")
    store.write(make_record("clip-a", "cifar10"), ROWS)
    store.write(make_record("clip-b", "cifar10", value=0.75), ROWS)
    store.write(make_record("siglip", "mnist"), ROWS)
    store.write_failure(make_failure("clip-a", "mnist"), "plan")
    broken = tmp_path / "runs/clip-a/mnist/0.json"
    broken.write_text('{"schema": "vlmbench.record/9"}')
    return tmp_path / "runs"


def export(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["export", *arguments])
    said = getattr(done.exception, "message", "") if done.exception else ""
    return done.exit_code, done.stdout, done.stderr + said


def test_export_names_broken_records_and_goes_on(runs: Path) -> None:
    code, out, err = export("--results", str(runs))
    assert code == 0 and "mnist/0.json" in err
    assert [row["model"] for row in csv.DictReader(io.StringIO(out)) if row["main"] == "True"] == [
        "clip-a",
        "clip-b",
        "siglip",
    ]


def test_export_takes_patterns_and_a_file(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "index.yaml"
    code, out, _ = export(
        "--results", str(runs), "-f", "model-index", "-m", "clip-a*", "-t", "cifar10", "-o", str(file)
    )
    assert (code, out) == (0, "")
    assert [model["name"] for model in yaml.safe_load(file.read_text())["model-index"]] == ["clip-a"]
    code, out, _ = export("--results", str(runs), "-f", "csv", "-m", "clip-*", "-t", "cifar10")
    assert code == 0 and {row["model"] for row in csv.DictReader(io.StringIO(out))} == {"clip-a", "clip-b"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "modelindex"], "unknown export format"),
        (["--model", "nothing"], "no records to export"),
        (
            ["--format", "model-index"],
            "a model card describes one model, and these records are of 3: clip-a, clip-b and siglip",
        ),
        (["--results", "/no/folder"], "no results folder"),
    ],
)
def test_export_says_what_is_wrong(runs: Path, arguments: list[str], said: str) -> None:
    code, out, err = export("--results", str(runs), *arguments)
    assert code != 0 and out == "" and said in err


MISSING_NAMES = sorted(name for name in STR_NA_VALUES if name)


def test_what_pandas_takes_for_missing_is_known() -> None:
    assert {"", *MISSING} == STR_NA_VALUES


@pytest.mark.parametrize("name", [*MISSING_NAMES, "'NA", "'", "''null", "NA "])
def test_names_that_pandas_takes_for_missing_survive(name: str) -> None:
    frame = pandas.read_csv(io.StringIO(tidy_csv([make_record(name, name)])))
    for column in (frame.model, frame.task):
        assert column.notna().all()
        assert [value.removeprefix("'") if value.startswith("'") else value for value in column] == [name, name]
    assert frame.value.isna().tolist() == [False, True], "a number that is missing still is"


def test_a_class_without_a_name_is_none_that_is_missing() -> None:
    rows = [{"class": "", "recall": 0.5}, {"class": "nan", "recall": None}, {"class": "cat", "recall": 1.0}]
    frame = pandas.read_csv(io.StringIO(to_csv(Table("", [], [], rows))))
    assert frame["class"].tolist() == ["'", "'nan", "cat"] and frame.recall.isna().tolist() == [False, True, False]
