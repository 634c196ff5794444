"""The files of published numbers: form, sources, names, flags, and that none is changed by a slip of the finger."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections import Counter

import pytest
from published_numbers import FEWSHOT, FOLDER, NUMBERS, SOURCES, in_table, rows

from vlmbench.card_files import model_card_files, suite_files, task_card_files
from vlmbench.catalogue import task_cards
from vlmbench.reports.published import (
    COLUMNS,
    DATASETS_FILE,
    FEWSHOT_FILE,
    METHODS_FILE,
    REASONS_FILE,
    survey_datasets,
    survey_methods,
    survey_methods_reasons,
)
from vlmbench.transfer import METHODS

FILES = sorted(path.name for path in FOLDER.glob("*.csv"))
FACTS = (METHODS_FILE, REASONS_FILE, DATASETS_FILE)
TABLES = [name for name in FILES if name not in FACTS]
VARIANT_KEYS = ("image_encoder", "text_encoder", "data_size", "setup", "backbone", "readout", "kind", "version")
FEWSHOT_KEYS = ("backbone", "setting", "shots", "seeds", "std", "runs_as")

TASKS_WITHOUT_A_CARD = {
    "open_clip": {"camelyon17", "datacomp-35-average", "datacomp-38-average", "dollar-street", "fmow", "geode"}
    | {"iwildcam", "winogavil"},
    "seg": {f"{name}-clearclip" for name in ("coco-object", "context60", "voc21")}
    | {f"{name}-groupvit" for name in ("coco-object", "context60", "voc21")}
    | {f"{name}-maskclip" for name in ("coco-stuff", "context59", "voc20")}
    | {f"{name}-naclip" for name in ("ade20k", "cityscapes", "coco-object", "coco-stuff", "context59", "context60")},
    "det": {"lvis-minival", "odinw-13", "ov-coco", "ov-lvis"},
    "survey-8": {"lvis-minival"},
    "survey-9": {"survey-9-average"},
    "survey-10": {"ov-coco", "ov-lvis"},
    "survey-11": {"ade20k", "ade20k-847", "cityscapes", "context459", "context59", "voc20"},
    "fewshot": {"coop-10-targets-average", "coop-11-average", "imagenet-4-shifts-average"}
    | {"imagenet-and-4-shifts-average"},
}
METRICS_OF_NO_CARD = {
    "open_clip": {"acc1_worst_group", "acc1_worst_region", "acc5_worst_group", "f1_macro", "jaccard_10_12", "mean"},
    "clip-paper": {"mean_acc1_acc5", "mwsap"},
    "det": {"mean_ap"},
    "survey-9": {"mean"},
    "fewshot": {"mean", "harmonic_mean"},
}
MODELS_WITHOUT_A_CARD = {
    # Beside open_clip's, which are named open_clip:ARCH/TAG, and the methods of the survey's Table 4.
    "seg": {"BLIP", "BLIP+ClearCLIP", "CLIP+ClearCLIP", "ClearCLIP", "GEM", "GroupViT", "GroupViT (GCC+RedCaps)"}
    | {"MaskCLIP", "MaskCLIP + KS + PD", "MetaCLIP", "MetaCLIP+ClearCLIP", "NACLIP", "NACLIP + PAMR"}
    | {"OpenCLIP+ClearCLIP", "SCLIP", "TCL"},
    "det": {"BARON (KD)", "BARON (caption)", "Base-only (CLIP classifier)", "Box-Supervised C2", "Detic IN-L C2"}
    | {"CLIP on cropped regions", "Detic (ViLD setting)", "Detic (caption-image)", "F-ViT + CLIPSelf (patches)"}
    | {"F-ViT + CLIPSelf (proposals)", "GLIP-L (paper)", "GLIP-L (released)", "GLIP-T", "GLIP-T (A)", "GLIP-T (B)"}
    | {"GLIP-T (C)", "OVR", "OWLv1", "OWLv2 ST", "RegionCLIP", "Supervised (base only)", "Supervised-RFS (base+novel)"}
    | {"ViLD", "ViLD (released)", "ViLD (w=0.5)", "ViLD-ensemble (released)", "ViLD-ensemble (w=0.5)", "ViLD-image"}
    | {"ViLD-text", "ViLD-text + CLIP"},
    "survey-9": {"Baseline"} | {row["method"] for row in survey_methods() if row["table"] == "4"},
    "survey-10": {"Baseline"},
    "survey-11": {"Baseline"},
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_written_in_one_way(name: str) -> None:
    """No spreadsheet's line ends, quotes or rounded numbers: a change shows only what was meant."""
    made = rows(FOLDER / name)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([list(made[0]), *(list(row.values()) for row in made)])
    assert (FOLDER / name).read_bytes() == text.getvalue().encode()
    for row in made:
        assert all(cell == cell.strip() for cell in row.values()), row


@pytest.mark.parametrize("name", TABLES)
def test_columns_types_and_units_of_a_table_of_numbers(name: str) -> None:
    for row in rows(FOLDER / name):
        assert tuple(row) == COLUMNS
        assert row["table"] == name.removesuffix(".csv"), row
        assert all(row[column] for column in ("model", "task", "metric", "value", "source")), row
        assert row["value"] == str(float(row["value"])) and 0 <= float(row["value"]) <= 1, row
        variant = json.loads(row["variant"]) if row["variant"] else {}
        keys = FEWSHOT_KEYS if name == FEWSHOT_FILE else VARIANT_KEYS
        assert set(variant) <= set(keys) and all(variant.values()), row
        assert row["variant"] == (json.dumps(variant, ensure_ascii=False) if variant else ""), row


def test_columns_and_types_of_the_survey_s_facts() -> None:
    for row in survey_methods():
        assert row["table"] in "345" and row["group"] and row["method"] and row["code"] in ("yes", "no", ""), row
        assert bool(row["card"]) == (row["table"] in "35") and (row["table"] == "4") == bool(row["setup"]), row
        assert bool(row["objective"]) == (row["table"] == "3"), row
    for row in survey_datasets():
        assert re.fullmatch(r"(19|20)\d\d", row["year"]) and row["url"].startswith("http"), row
        training = row["table"] == "1"
        assert bool(row["pairs"]) == bool(row["language"]) == training, row
        assert bool(row["metric"]) == (not training), row


def test_methods_and_datasets_of_the_survey() -> None:
    assert Counter(row["table"] for row in survey_methods()) == {"3": 35, "4": 37, "5": 33}
    assert Counter(row["table"] for row in survey_datasets()) == {"1": 16, "2": 40}
    assert {row["card"] for row in survey_methods() if row["card"]} <= set(model_card_files())
    assert {row["card"] for row in survey_datasets() if row["card"]} <= set(task_card_files())
    without = [row["dataset"] for row in survey_datasets() if row["table"] == "2" and not row["card"]]
    assert without == ["COCO 2014 Detection", "ODinW"]
    assert len({(row["table"], row["group"], row["method"]) for row in survey_methods()}) == 105
    assert len({(row["table"], row["task"], row["dataset"]) for row in survey_datasets()}) == 56


def test_every_source_leads_to_an_address() -> None:
    addresses = {row["source"]: row["address"].split() for row in rows(SOURCES / "addresses.csv")}
    assert all(address.startswith("https://") for found in addresses.values() for address in found)
    used = set()
    reasons = {row["source"] for row in survey_methods_reasons().values() if row["source"]}
    numbers = {number.source for number in (*NUMBERS, *FEWSHOT)}
    for source in numbers | reasons | {row["source"] for row in survey_methods()}:
        for part in source.split("; "):
            # "Zhang et al., arXiv:2304.00685v2, Table 6": which version and table is said after the work.
            (work,) = [known for known in addresses if re.fullmatch(re.escape(known) + r"(v\d)?(,? .*)?", part)]
            used.add(work)
            for commit in re.findall(r"@([0-9a-f]+)", part):
                assert all(f"/blob/{commit}" in address for address in addresses[work]), work
    assert used == set(addresses), "an address that no number needs"
    assert {row["source"] for row in survey_datasets()} == {
        f"Zhang et al., arXiv:2304.00685, Table {table}" for table in "12"
    }


def test_a_survey_number_names_its_own_table() -> None:
    for number in NUMBERS:
        if number.table.startswith("survey-"):
            assert number.source.endswith(f", Table {number.table.removeprefix('survey-')}"), number
    for row in survey_methods():
        assert row["source"].endswith(f", Table {row['table']}"), row


def test_tasks_and_metrics_are_cards_or_named_as_without_one() -> None:
    cards = {card.name: set(card.metrics) for card in task_cards()}
    known = set().union(*cards.values())
    tasks, metrics = {table: set() for table in TABLES}, {table: set() for table in TABLES}
    for number in (*NUMBERS, *FEWSHOT):
        if number.task not in cards:
            tasks[f"{number.table}.csv"].add(number.task)
        elif number.table not in ("survey-9", "clip-paper", "fewshot"):
            assert number.metric in cards[number.task], number
        if number.metric not in known:
            metrics[f"{number.table}.csv"].add(number.metric)
    assert tasks == {name: TASKS_WITHOUT_A_CARD.get(name.removesuffix(".csv"), set()) for name in TABLES}
    assert metrics == {name: METRICS_OF_NO_CARD.get(name.removesuffix(".csv"), set()) for name in TABLES}
    assert "odinw-13" in suite_files()


def test_models_are_cards_or_named_as_without_one() -> None:
    cards = set(model_card_files())
    for table in ("seg", "det"):
        assert {number.model for number in in_table(table)} - cards == MODELS_WITHOUT_A_CARD[table]
    for number in NUMBERS:
        if number.table == "open_clip" and number.model.startswith("open_clip:"):
            assert re.fullmatch(r"open_clip:[\w-]+/\w+", number.model), number
        else:
            assert number.model in cards | MODELS_WITHOUT_A_CARD.get(number.table, set()), number


def test_a_flag_gives_its_reason() -> None:
    facts = {row["flag"] for row in [*survey_methods(), *survey_datasets()]}
    for flag in {number.flag for number in (*NUMBERS, *FEWSHOT)} | facts:
        if flag:
            assert len(flag.split()) >= 5, f"{flag!r} says too little"
            assert not flag.endswith((".", ";", ":")) and "  " not in flag, flag
            for part in flag.split("; "):
                assert not part.startswith("another protocol") or len(part.partition(": ")[2].split()) >= 2, flag


def test_no_number_is_there_twice() -> None:
    keys = Counter((n.table, n.model, n.task, n.metric, json.dumps(n.variant, sort_keys=True)) for n in NUMBERS)
    assert [key for key, count in keys.items() if count > 1] == []
    few = Counter((n.model, n.task, n.metric, n.source, json.dumps(n.variant, sort_keys=True)) for n in FEWSHOT)
    assert [key for key, count in few.items() if count > 1] == [], "a source prints a few-shot number once"


def test_few_shot_numbers_say_what_they_answer_and_what_is_wrong_with_them() -> None:
    for number in FEWSHOT:
        assert number.variant["backbone"] and number.variant["setting"], number
        assert number.variant.get("shots", "0").isdigit() and number.variant.get("seeds", "1").isdigit(), number
        assert 0 <= float(number.variant.get("std", "0")) < 0.1, number
        assert (number.metric == "harmonic_mean") == (number.variant["setting"] == "H"), number
        assert ("shots" in number.variant) != (number.variant["setting"] == "unsupervised adaptation"), number
    flags = Counter(part.partition(":")[0] for n in FEWSHOT for part in n.flag.split("; ") if ":" in part)
    assert flags == {"second hand": 1164, "leaky selection": 238, "inconsistent": 46, "another protocol": 12}


def test_every_transfer_method_of_the_survey_runs_here_or_has_a_reason() -> None:
    """What runs is read from the registry: the reason of a method that is added later is no longer shown."""
    reasons = survey_methods_reasons()
    assert list(reasons) == [row["method"] for row in survey_methods() if row["table"] == "4"]
    for row in reasons.values():
        runs = [name for name in row["runs_as"].split(";") if name in METHODS]
        assert runs or len(row["reason"].split()) >= 4, row
        assert bool(row["source"]) == bool(row["reason"]) and not row["reason"].endswith("."), row


def test_the_readme_names_each_file_with_its_rows() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    stated = {name: int(count) for name, count in re.findall(r"^\| `([\w.-]+\.csv)` \| (\d+) \|", text, re.MULTILINE)}
    assert stated == {name: len(rows(FOLDER / name)) for name in FILES}


def test_no_file_differs_from_its_checksum() -> None:
    """Whoever changes a number says so in SHA256SUMS too."""
    lines = (FOLDER / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    stated = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.rglob("*.csv")}
    found = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    assert found == stated, "a change that is meant is followed by: sha256sum *.csv sources/*.csv > SHA256SUMS"


def test_only_data_lies_here() -> None:
    kinds = {path.suffix for path in FOLDER.rglob("*") if path.is_file()}
    assert kinds == {".csv", ".md", ""}
