"""Which card follows which publication, and the published facts themselves."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from vlmbench.card_files import shipped_root
from vlmbench.catalogue import task_cards

CARDS = {
    card.name: card
    for card in task_cards()
    if (shipped_root() / "tasks" / "classification" / f"{card.name}.yaml").is_file()
}

SURVEY = {
    "mnist": "MNIST",
    "caltech101": "Caltech-101",
    "voc2007-multilabel": "PASCAL VOC 2007",
    "flowers102": "Oxford 102 Flowers",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "imagenet1k": "ImageNet-1k",
    "sun397": "SUN397",
    "svhn": "SVHN",
    "stl10": "STL-10",
    "gtsrb": "GTSRB",
    "kitti-distance": "KITTI Distance",
    "iiit5k": "IIIT5k",
    "oxford-pets": "Oxford-IIIT PETS",
    "stanford-cars": "Stanford Cars",
    "fgvc-aircraft": "FGVC Aircraft",
    "fer2013": "Facial Emotion",
    "rendered-sst2": "Rendered SST2",
    "dtd": "Describable Textures",
    "food101": "Food-101",
    "birdsnap": "Birdsnap",
    "resisc45": "RESISC45",
    "clevr-counts": "CLEVR Counts",
    "patch-camelyon": "PatchCamelyon",
    "eurosat": "EuroSAT",
    "hateful-memes": "Hateful Memes",
    "country211": "Country211",
    "ucf101-frames": "UCF101",
    "kinetics700-frames": "Kinetics700",
}
"""Cards that follow the survey's protocol, and their rows of zeroshot_protocol.csv."""

OTHER_PROTOCOL = {
    "voc2007-objects": "PASCAL VOC 2007",
    "sun397-all": "SUN397",
    "resisc45-vtab": "RESISC45",
    "clevr-count-all-vtab": "CLEVR Counts",
    "patch-camelyon-clip-benchmark": "PatchCamelyon",
    "eurosat-vtab": "EuroSAT",
}
"""Cards of the same datasets that follow CLIP_benchmark and DataComp instead."""

IN_OPENAI_ORDER = {
    "mnist", "flowers102", "cifar10", "cifar100", "sun397", "stl10", "gtsrb", "kitti-distance", "stanford-cars",
    "fgvc-aircraft", "rendered-sst2", "dtd", "food101", "birdsnap", "resisc45", "clevr-counts", "patch-camelyon",
    "eurosat", "hateful-memes", "country211", "ucf101-frames", "kinetics700-frames",
}  # fmt: skip

OPENAI_REORDERED = {
    "caltech101": "caltech101_vtab",
    "oxford-pets": "pets",
    "eurosat-vtab": "eurosat",
    "fer2013": "fer2013",
}
"""OpenAI's words in the data's label order, which CLIP_benchmark's list of this name has."""

CLIP_BENCHMARK = {
    "svhn": "svhn",
    "clevr-count-all-vtab": "clevr_count_all",
    "clevr-closest-distance": "clevr_closest_object_distance",
    "patch-camelyon-clip-benchmark": "pcam",
    "diabetic-retinopathy": "diabetic_retinopathy",
    "dmlab": "dmlab",
}
"""Cards whose class names and templates are both CLIP_benchmark's."""

CLIP_BENCHMARK_TEMPLATES = {
    "resisc45-vtab": "resisc45",
    "smallnorb-azimuth": "smallnorb_label_azimuth",
    "smallnorb-elevation": "smallnorb_label_elevation",
    "dsprites-x-position": "dsprites_label_x_position",
    "dsprites-orientation": "dsprites_label_orientation",
}
"""Cards with CLIP_benchmark's templates, whose class names are the hub's."""

IMAGENET = {"imagenet1k", "imagenet-v2", "imagenet-sketch"}
IMAGENET_SUBSETS = {"imagenet-a": 200, "imagenet-r": 200, "imagenet-o": 200}

WITHOUT_PROMPTS = {"iiit5k"}
"""Nobody publishes any."""

OTHER_TEST_IMAGES = {"fer2013": 7178}
"""The survey counts 3,574; nobody knows which of the public 7,178 those are."""

METRICS = {
    "Accuracy": "acc1",
    "Mean Per Class": "mean_per_class_recall",
    "11-point mAP": "map_11_point",
    "ROC AUC": "roc_auc",
    "Mean (top1, top5)": "acc1",  # and acc5 beside it: their mean is no metric here
}

SAME_NAME = {"missile", "sunglasses"}
"""ImageNet classes that two labels share in OpenAI's list."""


class Reference:
    """Published prompts and protocols, as the folder of reference facts has them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.protocols = {row["survey_dataset"]: row for row in self.rows("protocols/zeroshot_protocol.csv")}
        self.clip_benchmark_classes: dict[str, list[str]] = self._json("clip_benchmark-classnames")["classes"]
        self.clip_benchmark_templates: dict[str, list[str]] = self._json("clip_benchmark-templates")["templates"]

    def rows(self, path: str) -> list[dict[str, str]]:
        """A CSV file's rows."""
        with (self._folder / path).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def class_names(self, dataset: str) -> list[str]:
        """A list of class names in label order."""
        text = (self._folder / "classes" / f"{dataset}.txt").read_text(encoding="utf-8")
        return [line.strip() for line in text.splitlines() if line.strip()]

    def lines(self, path: str) -> list[str]:
        """A text file's lines."""
        return (self._folder / path).read_text(encoding="utf-8").splitlines()

    def openai(self, section: str) -> tuple[list[str], list[str]]:
        """Class names (the first, where OpenAI has several words for one class) and templates."""
        data = self._json(f"openai-{section}")
        return [name if isinstance(name, str) else name[0] for name in data["classes"]], data["templates"]

    def _json(self, name: str) -> Any:
        return json.loads((self._folder / "prompts" / f"{name}.json").read_text(encoding="utf-8"))
