"""The shipped numbers and cards against the reference tables that they were transcribed from, where those are at hand.

All that can be checked without them is checked beside this file; here is what only another transcription can show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
from published_numbers import FEWSHOT, SURVEY_TABLES, in_table, printed_table, rows
from repository import REFERENCE

from vlmbench.card_files import task_card_files
from vlmbench.catalogue import model_cards
from vlmbench.interchange.imports import import_files
from vlmbench.interchange.names import (
    LISTED_AS,
    METRICS,
    OPEN_CLIP_COLUMNS,
    OPEN_CLIP_RETRIEVAL,
    metric_name,
    model_name,
    task_name,
)
from vlmbench.reports.published import survey_datasets, survey_methods
from vlmbench.store import ResultStore

if not REFERENCE.is_dir():
    pytest.skip(f"no reference tables at {REFERENCE} (set VLMBENCH_REFERENCE)", allow_module_level=True)

SPECS = {card.spec: card.name for card in model_cards() if card.adapter == "open_clip"}


def reference(name: str) -> list[dict[str, str]]:
    """A reference table, as it was transcribed."""
    return rows(REFERENCE / name)


def fraction(printed: str) -> float:
    """A printed percentage."""
    return round(float(printed.strip("~")) / 100, 6)


def named(row: Mapping[str, str]) -> str:
    """The model of a row of open_clip's or CLIP_benchmark's tables."""
    return model_name(row.get("name", "") or row["model"], row["pretrained"], SPECS)


@pytest.mark.parametrize("number", SURVEY_TABLES)
def test_a_printed_table_is_the_reference_s(number: int) -> None:
    (path,) = (REFERENCE / "survey").glob(f"survey_table{number}_*.csv")
    without = ("note", "source")
    assert printed_table(number) == [
        {column: cell for column, cell in row.items() if column not in without} for row in rows(path)
    ]


def test_the_survey_s_methods_are_the_reference_s() -> None:
    training, transfer, distillation = (
        [row for row in survey_methods() if row["table"] == table] for table in ("3", "4", "5")
    )
    for row, theirs in zip(training, reference("survey/survey_table3_pretraining_methods.csv"), strict=True):
        data = theirs["pretraining_data(*=non-public)"].replace("not recovered", "")
        assert row["objective"] == theirs["objective"].partition(" (")[0], row
        assert (row["method"], row["data"], row["framework"]) == (theirs["method"], data, theirs["framework"])
    for row, theirs in zip(transfer, reference("survey/survey_table4_transfer_methods.csv"), strict=True):
        assert [row["method"], row["group"], row["setup"]] == [theirs[c] for c in ("method", "category", "setup")]
    for row, theirs in zip(distillation, reference("survey/survey_table5_kd_methods.csv"), strict=True):
        assert (row["method"], row["group"]) == (theirs["method"], theirs["task"])
    all_theirs = [row for table in ("3_pretraining", "4_transfer", "5_kd") for row in methods_of(table)]
    assert [row["code"] for row in survey_methods()] == [row["code_link"] for row in all_theirs]
    own_words = {"OneR", "RA-CLIP", "LA-CLIP", "ALIP", "GrowCLIP"}  # theirs say where the method is spoken of
    for row, theirs in zip(survey_methods(), all_theirs, strict=True):
        version = {"v1": "v1", "v2": "v2", "v2-only": "v2"}.get(theirs["version"], "")
        assert row["source"] == f"Zhang et al., arXiv:2304.00685{version}, Table {row['table']}", row
        assert row["method"] in own_words or row["contribution"] == theirs["contribution_keywords(paraphrase)"], row


def methods_of(table: str) -> list[dict[str, str]]:
    return reference(f"survey/survey_table{table}_methods.csv")


def test_the_survey_s_datasets_are_the_reference_s() -> None:
    ours = {table: [row for row in survey_datasets() if row["table"] == table] for table in "12"}
    for row, theirs in zip(ours["1"], reference("survey/survey_table1_pretraining_datasets.csv"), strict=True):
        assert (row["pairs"], row["url"]) == (theirs["num_image_text_pairs"], theirs["paper_url"]), row
        assert all(row[column] == theirs[column] for column in ("dataset", "year", "language")), row
    shared = ("task", "dataset", "year", "classes", "train", "test", "metric", "url")
    for row, theirs in zip(ours["2"], reference("survey/survey_table2_eval_datasets.csv"), strict=True):
        assert all(row[column] == theirs[column] for column in shared), row


DISCREPANCIES: dict[str, tuple[str, str] | None] = {
    # The beginning of what was found, to a table and a part of the flag that says it there; None where no cell of a
    # table of numbers is meant: notes, prompts of cards and other cards' protocols say it.
    "CLIP row says ViT-L/14;": ("survey-6", "ViT-L/14-336px's number"),
    "Baseline ViT-B/16 row is not plain zero-shot": ("survey-9", "not this model's plain zero-shot accuracy"),
    "CALIP row columns permuted": ("survey-9", "columns permuted in print"),
    "sec 8.2 says CoOp/Wise-FT/TPT": ("survey-9", "contradicts section 8.2"),
    "ProDA/PLOT/CAVPT/RePrompt are all-class": ("survey-9", "another protocol: few-shot over all classes"),
    "Detic row: APbase 45.0 / AP 47.1 swapped": ("survey-10", "base and all swapped in print"),
    "OV-DETR APbase 52.7 < AP 61.0": ("survey-10", "base and all look swapped in print"),
    "Baseline LVIS 19.5/19.7/17.0/18.6": ("survey-10", "13.0, 10.6, 6.0 and 9.2"),
    "OVSeg row changed v1": ("survey-11", "replaced in version 2 of the survey"),
    "286 shared cells": ("clip_benchmark", "for the same weights and prompts"),
    "paper main table (58.9 VOC21": ("seg", "another protocol: without PAMR"),
    "DeCLIP, UniCL, GroupViT etc use different data": None,
    "openai prompts.md has 18 templates; CLIP_benchmark 4": None,
    "openai 1 template; CLIP_benchmark 2": None,
    "ClearCLIP re-runs (448 short side": None,
}


def test_every_discrepancy_found_is_flagged_or_accounted_for() -> None:
    flags = {row["dataset"]: row["flag"] for row in survey_datasets() if row["flag"]}
    met, datasets = set(), set()
    for discrepancy in reference("survey/survey_discrepancies.csv"):
        what = discrepancy["what"].replace("PASCAL Context", "PASCAL Content")  # as the survey's table spells it
        if discrepancy["where"].startswith("Table 2"):
            (dataset,) = [name for name in flags if what.startswith(name)]
            datasets.add(dataset)
            continue
        (beginning,) = [beginning for beginning in DISCREPANCIES if what.startswith(beginning)]
        met.add(beginning)
        if told := DISCREPANCIES[beginning]:
            assert any(told[1] in number.flag for number in in_table(told[0])), what
    assert (met, datasets) == (set(DISCREPANCIES), set(flags))


def test_papers_on_segmentation_are_there_cell_by_cell() -> None:
    cells = iter(in_table("seg"))
    for row in reference("published/seg_results.csv"):
        for column in ("VOC21", "Context60", "COCO-Object", "VOC20", "Cityscapes", "Context59", "ADE20k"):
            if row[column]:
                cell = next(cells)
                assert cell.task.startswith(f"{column.lower()}-") and cell.note == row["kind"], cell
                assert (cell.value, cell.metric) == (fraction(row[column]), "miou"), cell
        if row["COCO-Stuff164k"]:
            assert (cell := next(cells)).task.startswith("coco-stuff-"), cell
            assert cell.value == fraction(row["COCO-Stuff164k"]), cell
    assert next(cells, None) is None


def test_papers_on_detection_are_there_cell_by_cell() -> None:
    groups = {
        "COCO": {"novel_or_rare": "_novel", "base_or_common": "_base", "all": ""},
        "LVIS": {"novel_or_rare": "_rare", "base_or_common": "_common", "frequent": "_frequent", "all": ""},
        "ODinW": {"all": ""},
    }
    cells = iter(in_table("det"))
    for row in reference("published/det_results.csv"):
        if row["source"].startswith("survey_table"):
            continue
        family = next(name for name in groups if name in row["dataset"])
        for column in ("novel_or_rare", "base_or_common", "frequent", "all"):
            if row[column]:
                cell = next(cells)
                assert cell.metric.endswith(groups[family][column] or ("ap50" if "AP50" in row["metric"] else "ap"))
                assert cell.value == fraction(row[column]), cell
                assert ("mask" in row["metric"]) == cell.metric.startswith("mask_"), cell
                assert cell.task == "odinw-13" if family == "ODinW" else family.lower() in cell.task, cell
    assert next(cells, None) is None


def test_notes_of_the_clip_paper_are_there_cell_by_cell() -> None:
    columns = {"Food101": "food101", "CIFAR10": "cifar10", "CIFAR100": "cifar100", "SUN397": "sun397", "STL10": "stl10"}
    columns["ImageNet"] = "imagenet1k"
    cells = iter(in_table("clip-paper"))
    for row in reference("published/clip_paper_zeroshot_partial.csv"):
        for column, task in columns.items():
            cell = next(cells)
            assert (cell.task, cell.metric, cell.value) == (task, "acc1", fraction(row[column])), cell
            assert cell.model == named({"name": row["model"].replace("/", "-").removesuffix("px"), **OPENAI}), cell
            assert cell.variant == {"image_encoder": row["model"]}, cell
    found = {"text": "image_to_text", "image": "text_to_image"}
    tasks = {"UCF101": "ucf101-frames", "Kinetics-700": "kinetics700-frames", "RareAct": "rareact-frames"}
    tasks |= {"Flickr30k": "flickr30k", "MSCOCO 5k": "mscoco-captions", "ImageNetV2": "imagenet-v2"}
    measures = {"top-1": "acc1", "avg(top1,top5)": "mean_acc1_acc5", "mWAP": "mwap", "mWSAP": "mwsap"}
    for row in reference("published/clip_paper_other_zeroshot.csv"):
        direction, _, depth = row["metric"].partition(" R@")
        metric = f"{found[direction]}_recall@{depth}" if depth else measures[row["metric"]]
        task = tasks.get(row["dataset"], row["dataset"].lower())
        cell = next(cells)
        assert (cell.model, cell.task, cell.metric, cell.value) == ("clip", task, metric, fraction(row["value"])), cell
    assert next(cells, None) is None


OPENAI = {"pretrained": "openai"}


def test_open_clip_s_tables_are_there_cell_by_cell() -> None:
    averages = {f"Average perf. on {n} datasets": (f"datacomp-{n}-average", "mean") for n in (38, 35)}
    columns = {**OPEN_CLIP_COLUMNS, **OPEN_CLIP_RETRIEVAL, **averages}
    expected = {
        (named(row), *columns[column]): float(row[column])
        for kind in ("", "classification_", "retrieval_")
        for row in reference(f"published/openclip_{kind}results.csv")
        for column in row
        if column in columns
    }
    assert len(expected) == 118 * (38 + 2 + 12)
    assert expected == {(cell.model, cell.task, cell.metric): cell.value for cell in in_table("open_clip")}


def test_some_of_open_clip_s_columns_by_hand() -> None:
    """The names of columns are the package's in the test above; these are not."""
    ours = {(cell.model, cell.task, cell.metric): cell.value for cell in in_table("open_clip")}
    for row in reference("published/openclip_results.csv"):
        for column, task, metric in (
            ("ImageNet 1k", "imagenet1k", "acc1"),
            ("FGVC Aircraft", "fgvc-aircraft", "mean_per_class_recall"),
            ("SUN397", "sun397-all", "acc1"),
            ("Pascal VOC 2007", "voc2007-objects", "acc1"),
            ("GeoDE", "geode", "acc1_worst_group"),
            ("Average perf. on 38 datasets", "datacomp-38-average", "mean"),
        ):
            assert ours[named(row), task, metric] == float(row[column]), (row["name"], column)
    for row in reference("published/openclip_retrieval_results.csv"):
        assert ours[named(row), "flickr30k", "text_to_image_recall@5"] == float(row["Flickr image retr. R@5"])
        assert ours[named(row), "mscoco-captions", "image_to_text_recall@10"] == float(row["MSCOCO text retr. R@10"])


def test_clip_benchmark_s_results_are_there_cell_by_cell() -> None:
    described = ("dataset", "model", "pretrained", "task", "model_fullname")
    expected = {
        (named(row), task_name(row["dataset"]), metric_name(measure)): round(float(row[measure]), 6)
        for row in reference("published/clip_benchmark_benchmark.csv")
        for measure in row
        if measure not in described and row[measure]
    }
    assert expected == {(cell.model, cell.task, cell.metric): cell.value for cell in in_table("clip_benchmark")}


def test_metrics_of_open_clip_s_columns_are_datacomp_s() -> None:
    for row in reference("published/openclip_csv_metric_per_dataset.csv"):
        column = row["column_name_in_openclip_results"]
        if column in OPEN_CLIP_COLUMNS:
            theirs = row["main_metric"].partition(" ")[0]
            assert OPEN_CLIP_COLUMNS[column] == (task_name(row["task_key"]), METRICS.get(theirs, theirs)), column
    described = {"name", "pretrained", "params (M)", "FLOPs (B)", "Average perf. on 38 datasets"}
    (header, *_) = reference("published/openclip_results.csv")
    assert set(header) - described == set(OPEN_CLIP_COLUMNS)


def test_clip_benchmark_s_own_results_are_all_taken(tmp_path: Path) -> None:
    path = REFERENCE / "published/clip_benchmark_benchmark.csv"
    outcome = import_files("clip_benchmark", [path], ResultStore(tmp_path / "runs"), model=None)
    assert len(outcome.records) == 507 and not outcome.skipped
    assert all(record.task.name in task_card_files() for record in outcome.records)
    openai = next(
        r for r in outcome.records if (r.model.name, r.task.name) == ("clip-vit-l-14-336-openai", "imagenet-a")
    )
    assert math.isclose(openai.main.value or 0, 0.7738666666666667)


def test_few_shot_numbers_are_the_reference_s_row_by_row() -> None:
    for number, theirs in zip(FEWSHOT, reference("transfer/published_fewshot.csv"), strict=True):
        said = number.variant
        assert (number.model, number.value) == (theirs["method"], fraction(theirs["value"])), theirs
        assert (said["backbone"], said["setting"]) == (theirs["backbone"], theirs["setting"]), theirs
        assert said.get("shots", "unlabelled train set") == theirs["shots"], theirs
        assert said.get("seeds", "") == theirs["n_seeds"], theirs
        assert (fraction(theirs["std"]) if theirs["std"] else None) == (float(said["std"]) if "std" in said else None)
        assert ("second hand:" in number.flag) == (theirs["provenance"] == "second-hand"), theirs
        assert ("inconsistent:" in number.flag) == any(
            word in theirs["note"] for word in ("INCONSISTENT", "misprint", "is not the harmonic mean")
        ), theirs
        on_test = any(word in theirs["selection_flag"] for word in ("TEST", "on test", "as Tip-Adapter-F"))
        imagenet = theirs["dataset"].startswith("ImageNet") or theirs["dataset"] == "average"
        if "leaky selection" in number.flag:
            assert theirs["selection_flag"] and (on_test or imagenet), theirs
        elif theirs["selection_flag"] and "ImageNet" not in theirs["selection_flag"]:
            assert not on_test and number.note, theirs


def test_open_clip_cards_have_its_profile_s_numbers() -> None:
    profiles = {row["model"]: row for row in reference("published/model_profile.csv")}
    cards = [card for card in model_cards() if card.spec in SPECS and "/" in card.spec and card.architecture]
    assert len(cards) > 80
    for card in cards:
        profile = profiles[LISTED_PLAIN.get(card.spec, str(card.architecture))]
        assert (card.image_size, card.embedding_dim) == (int(profile["image_size"]), int(profile["embed_dim"]))
        assert card.gflops == float(profile["gflops"]), card.name
        assert card.parameters == round(float(profile["mparams"]) * 1e6), card.name


LISTED_PLAIN = {ours: theirs.partition("/")[0] for theirs, ours in LISTED_AS.items()}
