"""Translates names of datasets, metrics and models in CLIP_benchmark, DataComp and open_clip into vlmbench's names.

The importers use these tables.
"""

from __future__ import annotations

from collections.abc import Mapping

TASKS: Mapping[str, str] = {
    # CLIP_benchmark's and DataComp's datasets, without the collection before the slash, to the cards of the same
    # samples and prompts.
    "caltech101": "caltech101",
    "cars": "stanford-cars",
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "clevr_closest_object_distance": "clevr-closest-distance",
    "clevr_count_all": "clevr-count-all-vtab",
    "country211": "country211",
    "diabetic_retinopathy": "diabetic-retinopathy",
    "dmlab": "dmlab",
    "dsprites_label_orientation": "dsprites-orientation",
    "dsprites_label_x_position": "dsprites-x-position",
    "dtd": "dtd",
    "eurosat": "eurosat-vtab",
    "fer2013": "fer2013",
    "fgvc_aircraft": "fgvc-aircraft",
    "flickr30k": "flickr30k",
    "flickr8k": "flickr8k",
    "flickr_1k_test_image_text_retrieval": "flickr30k",
    "flowers": "flowers102",
    "food101": "food101",
    "gtsrb": "gtsrb",
    "imagenet-a": "imagenet-a",
    "imagenet-o": "imagenet-o",
    "imagenet-r": "imagenet-r",
    "imagenet1k": "imagenet1k",
    "imagenet_sketch": "imagenet-sketch",
    "imagenetv2": "imagenet-v2",
    "kitti_closest_vehicle_distance": "kitti-distance",
    "mnist": "mnist",
    "mscoco_2014_5k_test_image_text_retrieval": "mscoco-captions",
    "mscoco_captions": "mscoco-captions",
    "mscoco_captions2017": "mscoco-captions2017",
    "objectnet": "objectnet",
    "pcam": "patch-camelyon-clip-benchmark",
    "pets": "oxford-pets",
    "renderedsst2": "rendered-sst2",
    "resisc45": "resisc45-vtab",
    "smallnorb_label_azimuth": "smallnorb-azimuth",
    "smallnorb_label_elevation": "smallnorb-elevation",
    "stl10": "stl10",
    "sun397": "sun397-all",
    "svhn": "svhn",
    "voc2007": "voc2007-objects",
    "voc2007_multilabel": "voc2007-multilabel",
    # Tasks of DataComp's suite that have no card.
    "camelyon17": "camelyon17",
    "dollar_street": "dollar-street",
    "fmow": "fmow",
    "geode": "geode",
    "iwildcam": "iwildcam",
    "winogavil": "winogavil",
}

OTHER_SAMPLES = frozenset({"caltech101", "eurosat", "vtab/sun397"})
"""Datasets of CLIP_benchmark whose last name is in :data:`TASKS`, but whose samples differ from the card's.

``caltech101`` and ``eurosat`` have all images, and the cards have VTAB's test split. ``vtab/sun397`` has VTAB's test
split, and the card has all images."""

METRICS: Mapping[str, str] = {
    # Only names that differ.
    "jaccard_score_10-12": "jaccard_10_12",
    "F1-macro_all": "f1_macro",
    "acc_worst_region": "acc1_worst_region",
    "acc_top5_wg": "acc5_worst_group",
    "acc_wg": "acc1_worst_group",
}
_DIRECTIONS = {"image_retrieval_recall": "text_to_image_recall", "text_retrieval_recall": "image_to_text_recall"}
"""CLIP_benchmark's names state what is found. vlmbench's names state what is asked and what is found."""

OPEN_CLIP_COLUMNS: Mapping[str, tuple[str, str]] = {
    # open_clip's tables of results (docs/openclip_results.csv and _classification_results.csv) to task and metric. The
    # metrics are DataComp's (mlfoundations/datacomp, tasklist.yml).
    "ImageNet 1k": ("imagenet1k", "acc1"),
    "Caltech-101": ("caltech101", "mean_per_class_recall"),
    "CIFAR-10": ("cifar10", "acc1"),
    "CIFAR-100": ("cifar100", "acc1"),
    "CLEVR Counts": ("clevr-count-all-vtab", "acc1"),
    "CLEVR Distance": ("clevr-closest-distance", "acc1"),
    "Country211": ("country211", "acc1"),
    "Describable Textures": ("dtd", "acc1"),
    "EuroSAT": ("eurosat-vtab", "acc1"),
    "FGVC Aircraft": ("fgvc-aircraft", "mean_per_class_recall"),
    "Food-101": ("food101", "acc1"),
    "GTSRB": ("gtsrb", "acc1"),
    "ImageNet Sketch": ("imagenet-sketch", "acc1"),
    "ImageNet v2": ("imagenet-v2", "acc1"),
    "ImageNet-A": ("imagenet-a", "acc1"),
    "ImageNet-O": ("imagenet-o", "acc1"),
    "ImageNet-R": ("imagenet-r", "acc1"),
    "KITTI Vehicle Distance": ("kitti-distance", "acc1"),
    "MNIST": ("mnist", "acc1"),
    "ObjectNet": ("objectnet", "acc1"),
    "Oxford Flowers-102": ("flowers102", "mean_per_class_recall"),
    "Oxford-IIIT Pet": ("oxford-pets", "mean_per_class_recall"),
    "Pascal VOC 2007": ("voc2007-objects", "acc1"),
    "PatchCamelyon": ("patch-camelyon-clip-benchmark", "acc1"),
    "Rendered SST2": ("rendered-sst2", "acc1"),
    "RESISC45": ("resisc45-vtab", "acc1"),
    "Stanford Cars": ("stanford-cars", "acc1"),
    "STL-10": ("stl10", "acc1"),
    "SUN397": ("sun397-all", "acc1"),
    "SVHN": ("svhn", "acc1"),
    "Flickr": ("flickr30k", "mean_recall@1"),
    "MSCOCO": ("mscoco-captions", "mean_recall@1"),
    "WinoGAViL": ("winogavil", "jaccard_10_12"),
    "iWildCam": ("iwildcam", "f1_macro"),
    "Camelyon17": ("camelyon17", "acc1"),
    "FMoW": ("fmow", "acc1_worst_region"),
    "Dollar Street": ("dollar-street", "acc5_worst_group"),
    "GeoDE": ("geode", "acc1_worst_group"),
}
OPEN_CLIP_RETRIEVAL: Mapping[str, tuple[str, str]] = {
    # docs/openclip_retrieval_results.csv; its mean WinoGAViL score is in the tables above.
    f"{theirs} {direction} retr. R@{k}": (task, f"{ours}_recall@{k}")
    for theirs, task in (("Flickr", "flickr30k"), ("MSCOCO", "mscoco-captions"))
    for direction, ours in (("image", "text_to_image"), ("text", "image_to_text"))
    for k in (1, 5, 10)
}
OPEN_CLIP_TRAINING: Mapping[str, tuple[str, str]] = {
    # Keys of a line of results.jsonl (open_clip_train/zero_shot.py).
    "imagenet-zeroshot-val-top1": ("imagenet1k", "acc1"),
    "imagenet-zeroshot-val-top5": ("imagenet1k", "acc5"),
    "imagenetv2-zeroshot-val-top1": ("imagenet-v2", "acc1"),
    "imagenetv2-zeroshot-val-top5": ("imagenet-v2", "acc5"),
}


LISTED_AS: Mapping[str, str] = {"ViT-B-16/dfn2b": "ViT-B-16-quickgelu/dfn2b"}
"""Weights that open_clip's results list under the plain architecture, to the QuickGELU name in its table of weights."""


def task_name(dataset: str) -> str:
    """The task card that asks the same as a dataset of CLIP_benchmark; ``clip_benchmark:DATASET`` if none is known.

    Collections before the dataset's name ("wds/vtab/pets") do not count. An equal name alone is not enough, because a
    card of the same name may have other samples or prompts.
    """
    unknown = f"clip_benchmark:{dataset}"
    return unknown if dataset.removeprefix("wds/") in OTHER_SAMPLES else TASKS.get(dataset.rpartition("/")[2], unknown)


def metric_name(theirs: str) -> str:
    """vlmbench's name of a metric; the given name if vlmbench does not have the metric."""
    name, at, depth = theirs.partition("@")
    return f"{_DIRECTIONS[name]}{at}{depth}" if name in _DIRECTIONS else METRICS.get(theirs, theirs)


def model_name(architecture: str, pretrained: str, cards: Mapping[str, str]) -> str:
    """The name of an open_clip model's card (``cards``: specs to names); without a card, ``open_clip:ARCH/TAG``."""
    plain = architecture.removesuffix("-quickgelu")
    # OpenAI's weights run with QuickGELU under either name.
    names = (plain, f"{plain}-quickgelu") if pretrained == "openai" else (architecture,)
    specs = [f"{name}/{pretrained}" for name in names]
    found = [cards[spec] for spec in (LISTED_AS.get(spec, spec) for spec in specs) if spec in cards]
    return found[0] if found else f"open_clip:{architecture}/{pretrained}"
