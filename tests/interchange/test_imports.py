"""Other programs' result files as records."""

from __future__ import annotations

import csv
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from published_numbers import in_table
from typer.testing import CliRunner

from vlmbench.card_files import task_card_files
from vlmbench.catalogue import model_cards
from vlmbench.cli.main import app
from vlmbench.errors import UsageError
from vlmbench.interchange.imports import ImportOutcome, import_files
from vlmbench.interchange.names import (
    OPEN_CLIP_COLUMNS,
    OPEN_CLIP_RETRIEVAL,
    TASKS,
    metric_name,
    model_name,
    task_name,
)
from vlmbench.records import Record
from vlmbench.reports.builders.results import results_table
from vlmbench.reports.entries import newest
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import ROWS, make_record

EVALUATION = {
    "dataset": "wds/vtab/pets",
    "model": "ViT-B-32-quickgelu",
    "pretrained": "laion400m_e32",
    "task": "zeroshot_classification",
    "metrics": {"acc1": 0.9, "acc5": 0.99, "mean_per_class_recall": 0.89},
    "language": "en",
}
SPECS = {card.spec: card.name for card in model_cards() if card.adapter == "open_clip"}


def write(path: Path, data: Any) -> Path:
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def imported(tmp_path: Path, program: str, *paths: Path, model: str | None = None) -> ImportOutcome:
    return import_files(program, paths, ResultStore(tmp_path / "runs"), model=model)


def only(outcome: ImportOutcome) -> Record:
    (record,) = outcome.records
    assert outcome.skipped == []
    return record


def test_an_evaluation_of_clip_benchmark_is_a_record_that_says_so(tmp_path: Path) -> None:
    record = only(imported(tmp_path, "clip_benchmark", write(tmp_path / "a.json", EVALUATION)))
    assert (record.model.name, record.task.name) == ("clip-vit-b-32-laion400m-e32", "oxford-pets")
    assert {name: metric.value for name, metric in record.metrics.items()} == EVALUATION["metrics"]
    assert record.main_metric == "mean_per_class_recall" and record.main.n == 3669 and record.main.ci95 is None
    assert record.imported is not None and (record.imported.program, record.imported.file) == (
        "clip_benchmark",
        "a.json",
    )
    assert record.predictions is None
    assert "imported from clip_benchmark" in record.warnings[0]


def test_it_is_on_disk_as_it_was_and_says_from_where(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", EVALUATION)
    record = only(imported(tmp_path, "clip_benchmark", path))
    assert list(ResultStore(tmp_path / "runs")) == [record]
    (file,) = (tmp_path / "runs").glob("*/*/*.json")
    assert json.loads(file.read_text())["imported"]["from"] == "clip_benchmark"
    assert only(imported(tmp_path, "clip_benchmark", path)).id == record.id
    assert len(list((tmp_path / "runs").glob("*/*/*"))) == 1, "importing again replaces it"


def test_an_imported_record_is_never_found_in_place_of_a_run(tmp_path: Path) -> None:
    record = only(imported(tmp_path, "clip_benchmark", write(tmp_path / "a.json", EVALUATION)))
    store = ResultStore(tmp_path / "runs")
    assert store.find(record.model.name, record.task.name, record.id) is None
    own = make_record(record.model.name, record.task.name)
    forged = own.model_copy(update={"imported": record.imported})
    store.write(forged, ROWS)
    assert store.find(own.model.name, own.task.name, own.id) is None, "not even with predictions"
    store.write(own, ROWS)
    assert store.find(own.model.name, own.task.name, own.id) == own


def test_it_stands_beside_a_run_of_the_same_pair_and_is_marked(tmp_path: Path) -> None:
    record = only(imported(tmp_path, "clip_benchmark", write(tmp_path / "a.json", EVALUATION)))
    own = make_record(record.model.name, record.task.name)
    assert len(newest([own, record])) == 2
    assert "imported" in results_table([record]).rows[0][-1]


def test_retrieval_is_named_by_question_and_answer(tmp_path: Path) -> None:
    metrics = {"image_retrieval_recall@5": 0.8, "text_retrieval_recall@5": 0.9, "image_retrieval_recall@1": 0.5}
    evaluation = {**EVALUATION, "dataset": "flickr30k", "task": "zeroshot_retrieval", "metrics": metrics}
    record = only(imported(tmp_path, "clip_benchmark", write(tmp_path / "a.json", evaluation)))
    assert {name: metric.value for name, metric in record.metrics.items()} == {
        "text_to_image_recall@5": 0.8,
        "image_to_text_recall@5": 0.9,
        "text_to_image_recall@1": 0.5,
    }
    assert record.task.plugin == "retrieval"


def test_another_language_is_another_task(tmp_path: Path) -> None:
    evaluation = {
        **EVALUATION,
        "dataset": "imagenet1k",
        "language": "jp",
        "pretrained": "rinna/japanese-cloob-vit-b-16",
    }
    record = only(imported(tmp_path, "clip_benchmark", write(tmp_path / "a.json", evaluation)))
    assert record.task.name == "imagenet1k:jp" and record.task.plugin == "classification"
    assert record.model.name == "open_clip:ViT-B-32-quickgelu/rinna/japanese-cloob-vit-b-16"
    assert record.task.dataset.samples == 0, "no card says how many"


BROKEN = [
    ("{", "cannot be read"),
    ("[]", "the JSON is not an object"),
    ("null", "the JSON is not an object"),
    ("[" * 100_000, "cannot be read"),
    ('{"acc": 1}', "no dataset, model, pretrained, task"),
    (json.dumps({**EVALUATION, "metrics": {}}), "no metrics"),
    (json.dumps({**EVALUATION, "metrics": {" ": 0.5}}), "no metrics"),
    (json.dumps({**EVALUATION, "metrics": {"acc1": 76.2}}), "acc1 is 76.2, which is not a fraction"),
    (json.dumps({**EVALUATION, "metrics": {"acc1": math.nan}}), "acc1 is nan, which is not a fraction"),
    (json.dumps({**EVALUATION, "metrics": {"acc1": True}}), "acc1 is True, which is not a fraction"),
    (json.dumps({**EVALUATION, "metrics": {"acc1": None}}), "acc1 is None, which is not a fraction"),
    (json.dumps({**EVALUATION, "task": "linear_probe"}), "'linear_probe', which is not a zero-shot task"),
    (json.dumps({**EVALUATION, "metrics": {"acc1": 10**400}}), "not a fraction"),
    (json.dumps({**EVALUATION, "metrics": {"acc1": -0.1}}), "acc1 is -0.1, which is not a fraction"),
    (json.dumps({**EVALUATION, "metrics": {"acc1": "x" * 1000}}), "xxx...xxxxxxxxxxxxx', which is not a fraction"),
    (json.dumps({**EVALUATION, "model": 3}), "no model"),
    (json.dumps({**EVALUATION, "model": " "}), "no model"),
    (json.dumps({**EVALUATION, "dataset": "wds/"}), "no dataset"),
    (json.dumps({**EVALUATION, "language": ["en"]}), "language is ['en'], which is not the name of a language"),
    (json.dumps({**EVALUATION, "model": "half a character: \ud800"}), "cannot be read"),
    ("", "cannot be read"),
]


@pytest.mark.parametrize(("text", "said"), BROKEN, ids=[said for _, said in BROKEN])
def test_broken_and_foreign_files_are_named_and_the_others_taken(tmp_path: Path, text: str, said: str) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    write(folder / "a.json", text)
    write(folder / "b.json", EVALUATION)
    write(folder / "notes.txt", "not a result")
    outcome = imported(tmp_path, "clip_benchmark", folder)
    assert [record.imported and record.imported.file for record in outcome.records] == ["b.json"]
    (error,) = outcome.skipped
    assert str(folder / "a.json") in error.message and said in error.message


def test_only_what_may_be_percent_is_taken_for_percent(tmp_path: Path) -> None:
    for value, hint in ((76.2, "Percent must be divided by 100."), (math.nan, None), (-0.5, None), (10**400, None)):
        path = write(tmp_path / "a.json", {**EVALUATION, "metrics": {"acc1": value}})
        assert imported(tmp_path, "clip_benchmark", path).skipped[0].hint == hint


def test_a_mark_before_the_text_and_capitals_in_a_suffix_change_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    write(folder / "A.JSON", "\ufeff" + json.dumps(EVALUATION))
    write(folder / "b.csv", "\ufeffacc1,dataset,model,pretrained,task\n0.5,cars,M,p,zeroshot_classification\n")
    (folder / "folder.json").mkdir()
    outcome = imported(tmp_path, "clip_benchmark", folder)
    assert outcome.skipped == [] and [set(record.metrics) for record in outcome.records] == [
        set(EVALUATION["metrics"]),
        {"acc1"},
    ]


def test_a_folder_without_results_is_said_to_be_one(tmp_path: Path) -> None:
    write(tmp_path / "notes.txt", "not a result")
    with pytest.raises(UsageError, match="no result files in") as caught:
        imported(tmp_path, "clip_benchmark", tmp_path)
    assert "folders inside it are not searched" in (caught.value.hint or "")


def test_a_result_that_stands_in_two_places_is_one_record(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", EVALUATION)
    twice = imported(tmp_path, "clip_benchmark", path, path, write(tmp_path / "b.json", EVALUATION))
    assert len(twice.records) == 1 and len(list((tmp_path / "runs").glob("*/*/*"))) == 1
    again = write(tmp_path / "openclip_results.csv", "name,pretrained,ImageNet 1k,Flickr\nM,p,0.5,0.6\n")
    repeats = write(tmp_path / "openclip_classification_results.csv", "name,pretrained,ImageNet 1k\nM,p,0.5\n")
    others = write(tmp_path / "openclip_retrieval_results.csv", "name,pretrained,Flickr text retr. R@1\nM,p,0.7\n")
    records = imported(tmp_path, "open_clip", again, repeats, others).records
    assert sorted((record.task.name, record.main_metric) for record in newest(list(records))) == [
        ("flickr30k", "image_to_text_recall@1"),
        ("flickr30k", "mean_recall@1"),
        ("imagenet1k", "acc1"),
    ]


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    outcome = imported(tmp_path, "clip_benchmark", tmp_path / "a.json")
    assert "a.json: cannot be read" in outcome.skipped[0].message and not outcome.records


def test_the_csv_that_clip_benchmark_builds(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["acc1", "dataset", "model", "pretrained", "task", "mean_average_precision", "model_fullname"])
        writer.writerow(["0.5", "cars", "ViT-B-32", "openai", "zeroshot_classification", "", "ViT-B-32 openai"])
        writer.writerow(["", "voc2007_multilabel", "ViT-B-32", "openai", "zeroshot_classification", "0.7", "x"])
        writer.writerow(["1.5", "cars", "ViT-B-16", "openai", "zeroshot_classification", "", "x"])
    outcome = imported(tmp_path, "clip_benchmark", path)
    assert [(record.model.name, record.task.name, record.main.value) for record in outcome.records] == [
        ("clip-vit-b-32-openai", "stanford-cars", 0.5),
        ("clip-vit-b-32-openai", "voc2007-multilabel", 0.7),
    ]
    (error,) = outcome.skipped
    assert "benchmark.csv, line 4: acc1 is '1.5'" in error.message
    foreign = imported(tmp_path, "clip_benchmark", write(tmp_path / "seg.csv", "method,VOC21\nSCLIP,59.1\nCLIP,18.8\n"))
    assert len(foreign.skipped) == 1 and "no column dataset, model, pretrained, task" in foreign.skipped[0].message


OPEN_CLIP_TABLE = """name,pretrained,params (M),ImageNet 1k,Oxford-IIIT Pet,Flickr
ViT-B-32,openai,151.28,0.6332,0.8738,0.6888
ViT-B-32,laion400m_e32,151.28,0.6022,,
ViT-B-16,openai,149.62,68.3,,
"""


def test_open_clip_s_tables(tmp_path: Path) -> None:
    outcome = imported(tmp_path, "open_clip", write(tmp_path / "openclip_results.csv", OPEN_CLIP_TABLE))
    assert {
        (record.model.name, record.task.name, record.main_metric, record.main.value) for record in outcome.records
    } == {
        ("clip-vit-b-32-openai", "imagenet1k", "acc1", 0.6332),
        ("clip-vit-b-32-openai", "oxford-pets", "mean_per_class_recall", 0.8738),
        ("clip-vit-b-32-openai", "flickr30k", "mean_recall@1", 0.6888),
        # Not the card's: under this name the weights run with another activation.
        ("open_clip:ViT-B-32/laion400m_e32", "imagenet1k", "acc1", 0.6022),
    }
    assert "openclip_results.csv, line 4: ImageNet 1k is '68.3'" in outcome.skipped[0].message


def test_the_last_line_of_a_training_s_results(tmp_path: Path) -> None:
    lines = [{"imagenet-zeroshot-val-top1": 0.1, "epoch": 1}, {"imagenet-zeroshot-val-top1": 0.2, "clip_val_loss": 3.0}]
    path = write(tmp_path / "results.jsonl", "\n".join(map(json.dumps, lines)) + "\n")
    assert "Name it with --model" in str(imported(tmp_path, "open_clip", path).skipped[0])
    record = only(imported(tmp_path, "open_clip", path, model="mine"))
    assert (record.model.name, record.task.name, record.main.value) == ("mine", "imagenet1k", 0.2)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "a,b\n1,2\n", "not results of open_clip"),
        ("a.csv", "", "not results of open_clip"),
        ("a.csv", 'name,pretrained,Flickr\n"x', "cannot be read"),
        pytest.param("a.csv", "name,pretrained,Flickr," + "x" * 200_000, "cannot be read", id="a name too long"),
        pytest.param("a.csv", "name,pretrained,Flickr\nM," + "x" * 200_000, "cannot be read", id="a cell too long"),
        ("a.csv", "ImageNet 1k,name,pretrained\n0.5\n", "line 2: the row has more or fewer fields"),
        ("a.csv", "name,pretrained,ImageNet 1k\nM,p,0.5,0.6\n", "line 2: the row has more or fewer fields"),
        ("a.csv", "name,pretrained,ImageNet 1k\nM,,0.5\n", "line 2: there is no pretrained"),
        ("a.jsonl", "", "no zero-shot results"),
        ("a.jsonl", '{"clip_val_loss": 3}', "no zero-shot results"),
        ("a.jsonl", "[1]", "no zero-shot results"),
        ("a.jsonl", "{", "cannot be read"),
        ("a.jsonl", '{"imagenet-zeroshot-val-top1": 63}', "is 63, which is not a fraction"),
    ],
)
def test_what_is_not_open_clip_s_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    outcome = imported(tmp_path, "open_clip", write(tmp_path / name, text), model="m")
    assert not outcome.records and name in outcome.skipped[0].message and said in outcome.skipped[0].message


def test_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown importer 'clipbench'") as caught:
        imported(tmp_path, "clipbench")
    assert "clip_benchmark" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="not a name for a model"):
        imported(tmp_path, "open_clip", write(tmp_path / "results.jsonl", "{}"), model="bytes that are no text: \udcff")
    with pytest.raises(UsageError, match="no file"):
        imported(tmp_path, "open_clip", tmp_path / "missing.csv")


def test_the_command_counts_what_it_took_and_fails_where_something_was_left_out(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "a.json", EVALUATION), write(tmp_path / "b.json", "{")
    runs = ["--results", str(tmp_path / "runs")]
    done = CliRunner().invoke(app, ["import", "clip_benchmark", str(good), str(good), *runs])
    assert (done.exit_code, done.stdout) == (0, "") and "Imported 1 record of 1 model" in done.stderr
    done = CliRunner().invoke(app, ["import", "clip_benchmark", str(bad), str(good), *runs])
    assert (
        done.exit_code == 1
        and "b.json: cannot be read" in done.stderr
        and "Imported 1 record of 1 model" in done.stderr
    )


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "../../x", "a|b&c%d", "🦊", "x" * 300])
def test_hostile_names_stay_inside_the_results_folder(tmp_path: Path, name: str) -> None:
    evaluation = {**EVALUATION, "model": name, "dataset": name.replace("/", "_")}
    record = only(imported(tmp_path, "clip_benchmark", write(tmp_path / "a.json", evaluation)))
    assert record.model.name == f"open_clip:{name}/laion400m_e32"
    (file,) = tmp_path.glob("runs/*/*/*.json")
    assert file.is_file() and list(ResultStore(tmp_path / "runs")) == [record]


def test_names_lead_to_cards() -> None:
    assert task_name("wds/vtab/cifar10") == task_name("cifar10") == "cifar10"
    assert task_name("wds/imagenet_w") == "clip_benchmark:wds/imagenet_w"
    assert task_name("birdsnap") == "clip_benchmark:birdsnap", "one of our cards' names, but not theirs for it"
    others = ("eurosat", "caltech101", "vtab/sun397", "wds/vtab/sun397")
    assert [task_name(other) for other in others] == [f"clip_benchmark:{other}" for other in others], "other samples"
    assert task_name("wds/vtab/eurosat") == "eurosat-vtab" and task_name("wds/sun397") == "sun397-all"
    without = {"camelyon17", "dollar_street", "fmow", "geode", "iwildcam", "winogavil"}
    assert {theirs for theirs, ours in TASKS.items() if ours not in task_card_files()} == without
    assert metric_name("text_retrieval_recall@10") == "image_to_text_recall@10"
    assert model_name("ViT-B-32", "openai", SPECS) == model_name("ViT-B-32-quickgelu", "openai", SPECS)
    assert model_name("ViT-B-16", "dfn2b", SPECS) == "clip-vit-b-16-dfn2b"
    assert model_name("ViT-B-32", "my.pt", SPECS) == "open_clip:ViT-B-32/my.pt"


def test_imported_models_and_columns_are_named_as_published_ones_are() -> None:
    for spec, name in SPECS.items():
        if not spec.startswith("package:"):
            architecture, tag = spec.split("/")
            assert model_name(architecture, tag, SPECS) == name
    published = in_table("open_clip")
    for model in {number.model for number in published} - set(SPECS.values()):
        architecture, tag = model.removeprefix("open_clip:").split("/")
        assert model_name(architecture, tag, SPECS) == model
    averages = {(f"datacomp-{n}-average", "mean") for n in (38, 35)}
    columns = {*OPEN_CLIP_COLUMNS.values(), *OPEN_CLIP_RETRIEVAL.values(), *averages}
    assert {(number.task, number.metric) for number in published} == columns


NAN = {"acc1": 0.5, "mean_per_class_recall": float("nan"), "acc5": None}


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_metrics_without_a_number_are_left_out_with_a_note(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "json":
        write(path, json.dumps({**EVALUATION, "metrics": NAN}))  # with a bare NaN, as Python writes it
    else:
        head = ",dataset,model,pretrained,task,acc1,mean_per_class_recall"
        write(path, f"{head}\n7,cars,M,p,zeroshot_classification,0.5,nan\n8,dtd,M,p,zeroshot_classification,0.6,0.7\n")
    outcome = imported(tmp_path, "clip_benchmark", path)
    record = outcome.records[0]
    assert outcome.skipped == [] and set(record.metrics) == {"acc1"} and record.main.value == 0.5
    assert "mean_per_class_recall" in outcome.notes[0] and "NaN" in outcome.notes[0]
    assert any("mean_per_class_recall" in warning for warning in record.warnings)
    assert len(outcome.records) == (1 if suffix == "json" else 2)


@pytest.mark.parametrize("index", ["Unnamed: 0", "", "index", "Unnamed: 0.1", "level_0"])
def test_a_column_of_row_numbers_is_no_metric(tmp_path: Path, index: str) -> None:
    rows = f"{index},acc1,dataset,model,pretrained,task\n12,0.5,cars,M,p,zeroshot_classification\n"
    record = only(imported(tmp_path, "clip_benchmark", write(tmp_path / "a.csv", rows)))
    assert set(record.metrics) == {"acc1"}


def test_tables_of_open_clip_with_nan_and_row_numbers(tmp_path: Path) -> None:
    rows = "Unnamed: 0,name,pretrained,CIFAR-10,MNIST,Food-101\n0,ViT-B-32,p,0.9,nan,\n1,ViT-L-14,p,NaN,0.5,0.6\n"
    outcome = imported(tmp_path, "open_clip", write(tmp_path / "a.csv", rows))
    assert outcome.skipped == []
    assert {(record.model.spec, record.task.name): record.main.value for record in outcome.records} == {
        ("ViT-B-32/p", "cifar10"): 0.9,
        ("ViT-L-14/p", "mnist"): 0.5,
        ("ViT-L-14/p", "food101"): 0.6,
    }
    line = '{"epoch": 3, "imagenet-zeroshot-val-top1": 0.5, "imagenet-zeroshot-val-top5": NaN}\n'
    record = only(imported(tmp_path, "open_clip", write(tmp_path / "results.jsonl", line), model="mine"))
    assert set(record.metrics) == {"acc1"} and any("acc5" in warning for warning in record.warnings)


def test_files_that_are_no_files_are_named_and_the_others_taken(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    write(folder / "a.json", EVALUATION)
    os.mkfifo(folder / "b.json")
    (folder / "c.json").symlink_to("/dev/zero")
    (folder / "d.csv").symlink_to("d.csv")
    write(folder / "e.json", "[" * 100_000)
    outcome = imported(tmp_path, "clip_benchmark", folder)
    assert len(outcome.records) == 1
    assert [Path(error.message.partition(": ")[0]).name for error in outcome.skipped] == [
        "b.json",
        "c.json",
        "d.csv",
        "e.json",
    ]
