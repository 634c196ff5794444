"""The survey's tables of results, each as the columns it prints and what of ours answers them.

Source: Zhang et al., "Vision-Language Models for Vision Tasks: A Survey", arXiv 2304.00685, Tables 6 to 11.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Question:
    """One column of numbers.

    Attributes:
        heading: as the survey prints it.
        task: the task that published numbers and records answer.
        metric: of that task.
        group: a heading over several columns.
        also: other tasks whose records stand in this column, marked: their names to how they differ.
    """

    heading: str
    task: str
    metric: str
    group: str = ""
    also: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """One table of models against tasks.

    Attributes:
        title: of the table.
        kind: the task plugin whose other records get columns of their own.
        table: the published table whose rows it prints; "" where the survey has none.
        questions: its columns of numbers.
        facts: what stands beside a model's name, in the order in which it is printed.
        own_protocols: its rows quote papers with protocols of their own, so that they are ranked among themselves.
        note: a line under the table.
        group_by: what its rows are grouped by where a reader does not say.
        without_numbers: rows that the survey prints without any number, which are left out.
    """

    title: str
    kind: str
    table: str
    questions: Sequence[Question]
    facts: Sequence[str] = ("image encoder", "text encoder", "data size")
    own_protocols: bool = False
    note: str = ""
    group_by: str = ""
    without_numbers: str = ""


_OWN_DETECTOR = "found by the model's own detector, which was not trained on this set's base classes alone"
_NO_MASKS = "nothing was learnt from masks; SCLIP's protocol"

COMPARISONS: Mapping[str, Comparison] = {
    "classification": Comparison(
        title="Zero-shot image classification, accuracy in % (the survey's Table 6)",
        kind="classification",
        table="survey-6",
        questions=(
            Question("ImageNet-1k", "imagenet1k", "acc1"),
            Question("CIFAR-10", "cifar10", "acc1"),
            Question("CIFAR-100", "cifar100", "acc1"),
            Question("Food-101", "food101", "acc1"),
            Question("SUN397", "sun397", "acc1"),
            Question("Cars", "stanford-cars", "acc1"),
            Question("Aircraft", "fgvc-aircraft", "mean_per_class_recall"),
            Question("DTD", "dtd", "acc1"),
            Question("Pets", "oxford-pets", "mean_per_class_recall"),
            Question("Caltech-101", "caltech101", "mean_per_class_recall"),
            Question("Flowers-102", "flowers102", "mean_per_class_recall"),
        ),
        note="Aircraft, Pets, Caltech-101 and Flowers-102: the mean over classes; the others: over images.",
        without_numbers="OTTER, ZeroVL, FLAVA",
    ),
    "segmentation": Comparison(
        title="Zero-shot semantic segmentation, mIoU (the survey's Table 7)",
        kind="segmentation",
        table="survey-7",
        questions=(
            Question("PASCAL VOC", "voc21-sclip", "miou"),
            Question("PASCAL Context", "context60-sclip", "miou"),
            Question("COCO-Object", "coco-object-sclip", "miou"),
        ),
        note="Measured in SCLIP's protocol; columns named like task cards are in the protocol of their names.",
    ),
    "detection": Comparison(
        title="Zero-shot object detection, AP (the survey's Table 8)",
        kind="detection",
        table="survey-8",
        questions=(
            Question("COCO", "coco-native", "ap"),
            Question("LVIS", "lvis-native", "ap"),
            Question("LVIS minival", "lvis-minival", "ap"),
        ),
    ),
    "transfer": Comparison(
        title="Transfer learning, accuracy in % (the survey's Table 9)",
        kind="",
        table="survey-9",
        questions=(
            Question("Average", "survey-9-average", "mean"),
            Question("ImageNet-1k", "imagenet1k", "acc1"),
            Question("Caltech-101", "caltech101", "acc1"),
            Question("Pets", "oxford-pets", "acc1"),
            Question("Cars", "stanford-cars", "acc1"),
            Question("Flowers-102", "flowers102", "acc1"),
            Question("Food-101", "food101", "acc1"),
            Question("Aircraft", "fgvc-aircraft", "acc1"),
            Question("SUN397", "sun397", "acc1"),
            Question("DTD", "dtd", "acc1"),
            Question("EuroSAT", "eurosat", "acc1"),
            Question("UCF101", "ucf101-frames", "acc1"),
        ),
        facts=("setup", "image encoder"),
        group_by="setup",
        own_protocols=True,
        note="Best and second best are among rows of one setup. Records are zero-shot: without transfer.",
    ),
    "ovd": Comparison(
        title="Open-vocabulary object detection (the survey's Table 10)",
        kind="",
        table="survey-10",
        questions=(
            Question("base", "ov-coco", "ap50_base", "COCO AP", {"ov-coco-native": _OWN_DETECTOR}),
            Question("novel", "ov-coco", "ap50_novel", "COCO AP", {"ov-coco-native": _OWN_DETECTOR}),
            Question("all", "ov-coco", "ap50", "COCO AP", {"ov-coco-native": _OWN_DETECTOR}),
            Question("rare", "ov-lvis", "ap_rare", "LVIS AP", {"lvis-native": _OWN_DETECTOR}),
            Question("common", "ov-lvis", "ap_common", "LVIS AP", {"lvis-native": _OWN_DETECTOR}),
            Question("frequent", "ov-lvis", "ap_frequent", "LVIS AP", {"lvis-native": _OWN_DETECTOR}),
            Question("all", "ov-lvis", "ap", "LVIS AP", {"lvis-native": _OWN_DETECTOR}),
        ),
        facts=("image encoder",),
        own_protocols=True,
    ),
    "ovs": Comparison(
        title="Open-vocabulary semantic segmentation, mIoU (the survey's Table 11)",
        kind="",
        table="survey-11",
        questions=(
            Question("A-847", "ade20k-847", "miou"),
            Question("PC-459", "context459", "miou"),
            Question("A-150", "ade20k", "miou", also={"ade20k-sclip": _NO_MASKS}),
            Question("PC-59", "context59", "miou", also={"context59-sclip": _NO_MASKS}),
            Question("PAS-20", "voc20", "miou", also={"voc20-sclip": _NO_MASKS}),
            Question("C-19", "cityscapes", "miou", also={"cityscapes-sclip": _NO_MASKS}),
        ),
        facts=("image encoder",),
        own_protocols=True,
    ),
    "retrieval": Comparison(
        title="Zero-shot retrieval, recall@1 (the survey has no table of it)",
        kind="retrieval",
        table="",
        questions=(
            Question("image to text", "flickr30k", "image_to_text_recall@1", "Flickr30k"),
            Question("text to image", "flickr30k", "text_to_image_recall@1", "Flickr30k"),
            Question("image to text", "mscoco-captions", "image_to_text_recall@1", "COCO Captions"),
            Question("text to image", "mscoco-captions", "text_to_image_recall@1", "COCO Captions"),
        ),
    ),
}
