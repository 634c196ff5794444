"""The survey's tables of facts: datasets (1 and 2) and methods (3 pre-training, 4 transfer, 5 distillation)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from build_tables.rows import read, slug
from build_tables.survey_results import survey_source

EVALUATION_CARDS = {
    "MNIST": "mnist",
    "Caltech-101": "caltech101",
    "PASCAL VOC 2007": "voc2007-multilabel",
    "Oxford 102 Flowers": "flowers102",
    "CIFAR-10": "cifar10",
    "CIFAR-100": "cifar100",
    "ImageNet-1k": "imagenet1k",
    "SUN397": "sun397",
    "SVHN": "svhn",
    "STL-10": "stl10",
    "GTSRB": "gtsrb",
    "KITTI Distance": "kitti-distance",
    "IIIT5k": "iiit5k",
    "Oxford-IIIT PETS": "oxford-pets",
    "Stanford Cars": "stanford-cars",
    "FGVC Aircraft": "fgvc-aircraft",
    "Facial Emotion": "fer2013",
    "Rendered SST2": "rendered-sst2",
    "Describable Textures": "dtd",
    "Food-101": "food101",
    "Birdsnap": "birdsnap",
    "RESISC45": "resisc45",
    "CLEVR Counts": "clevr-counts",
    "PatchCamelyon": "patch-camelyon",
    "EuroSAT": "eurosat",
    "Hateful Memes": "hateful-memes",
    "Country211": "country211",
    "Flickr30k": "flickr30k",
    "COCO Caption": "mscoco-captions",
    "UCF101": "ucf101-frames",
    "Kinetics700": "kinetics700-frames",
    "RareAct": "rareact-frames",
    "COCO 2017 Detection": "coco-native",
    "LVIS": "lvis-native",
    "PASCAL VOC 2012": "voc21-sclip",
    "PASCAL Content": "context60-sclip",
    "Cityscapes": "cityscapes-sclip",
    "ADE20k": "ade20k-sclip",
}
"""The task card nearest to each dataset of Table 2; COCO 2014 Detection has none, and ODinW is a suite."""

DATASET_FLAGS = {
    "Food-101": "version 1 prints 102 classes; it has 101",
    "Facial Emotion": "prints 8 classes; the data and the survey's appendix have 7",
    "STL-10": "prints 1,000 training images; the survey's appendix says 5,000",
    "GTSRB": "prints 26,640 training images; the survey's appendix says 39,209",
    "Birdsnap": "prints 42,283 and 2,149 images; the survey's appendix says 47,386 and 2,433",
    "Rendered SST2": "prints 7,792 training images; the survey's appendix says 6,920 and 872 for validation",
    "PASCAL Content": "meant is PASCAL Context; prints 459 classes and 5,105 test images, while Table 11 and the "
    "field's code use 59 or 60 classes, and the survey's appendix says 1,449 validation images",
    "Caltech-101": "prints 102 classes, with the background; the survey's appendix says 101",
}
"""What the survey contradicts itself in, from survey_discrepancies.csv."""

METHOD_FLAGS = {
    "CuPL": "Table 4 says unsupervised, Table 9 few-shot",
    "VP": "Table 4 says supervised, Table 9 few-shot",
}
"""Found by comparing the tables with each other."""

OWN_WORDS = {
    # Rows of version 2, of which the transcription says where they are spoken of.
    "OneR": "one tower",
    "RA-CLIP": "retrieval augmentation",
    "LA-CLIP": "captions rewritten by a language model",
    "ALIP": "synthetic captions",
    "GrowCLIP": "",
}
UNKNOWN = {"not recovered": ""}
DATASET_COLUMNS = ("table", "task", "dataset", "year", "classes", "train", "test", "metric", "pairs", "language")
METHOD_COLUMNS = ("table", "group", "method", "objective", "data", "framework", "setup", "contribution", "code")


def datasets(reference: Path) -> list[dict[str, str]]:
    """Tables 1 and 2, as printed."""
    training = [
        _row(
            DATASET_COLUMNS,
            {**row, "pairs": row["num_image_text_pairs"], "task": "Pre-training", "table": "1"},
            card="",
            url=row["paper_url"],
            flag="",
            source=survey_source(1, ""),
        )
        for row in read(reference / "survey" / "survey_table1_pretraining_datasets.csv")
    ]
    evaluation = [
        _row(
            DATASET_COLUMNS,
            {**row, "table": "2"},
            card=EVALUATION_CARDS.get(row["dataset"], ""),
            url=row["url"],
            flag=DATASET_FLAGS.get(row["dataset"], ""),
            source=survey_source(2, ""),
        )
        for row in read(reference / "survey" / "survey_table2_eval_datasets.csv")
    ]
    return [*training, *evaluation]


def methods(reference: Path) -> list[dict[str, str]]:
    """Tables 3, 4 and 5. Contributions are in a few words of our own."""
    folder = reference / "survey"
    training = [
        _method(
            "3",
            row,
            group="Pre-training",
            objective=row["objective"].removesuffix(" (section 5.1)"),
            data=UNKNOWN.get(row["pretraining_data(*=non-public)"], row["pretraining_data(*=non-public)"]),
            framework=row["framework"],
            card=slug(row["method"]),
            note="data not recovered from version 2; objective from its section 5.1" if _newer(row) else "",
        )
        for row in read(folder / "survey_table3_pretraining_methods.csv")
    ]
    transfer = [
        _method("4", row, group=row["category"], setup=row["setup"], flag=METHOD_FLAGS.get(row["method"], ""))
        for row in read(folder / "survey_table4_transfer_methods.csv")
    ]
    distillation = [_method("5", row, group=row["task"]) for row in read(folder / "survey_table5_kd_methods.csv")]
    return [*training, *transfer, *distillation]


def _newer(row: Mapping[str, str]) -> bool:
    return row["version"] == "v2-only"


def _method(table: str, row: Mapping[str, str], **known: str) -> dict[str, str]:
    own_words = OWN_WORDS.get(row["method"], row["contribution_keywords(paraphrase)"])
    cells = {"table": table, "method": row["method"], "contribution": own_words, "code": row["code_link"], **known}
    ours = {name: cells.pop(name, "") for name in ("card", "note", "flag")}
    return _row(METHOD_COLUMNS, cells, **ours, source=survey_source(int(table), row["version"]))


def _row(columns: tuple[str, ...], cells: Mapping[str, str], **ours: str) -> dict[str, str]:
    """A row of ``columns``, empty where the table has none, and of what we add to it."""
    return {**{name: cells.get(name, "") for name in columns}, **ours}
