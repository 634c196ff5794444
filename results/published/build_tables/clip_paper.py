"""What the CLIP paper reports, as far as notes that others took of it go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from build_tables.open_clip_names import card_name
from build_tables.rows import percent, read
from vlmbench.reports.published import Published

SOURCE = "Radford et al., arXiv:2103.00020{place} (second hand: notes)"
TABLE = "clip-paper"

CLASSIFICATION = {
    "Food101": "food101",
    "CIFAR10": "cifar10",
    "CIFAR100": "cifar100",
    "SUN397": "sun397",
    "STL10": "stl10",
    "ImageNet": "imagenet1k",
}
RETRIEVAL = {"Flickr30k": "flickr30k", "MSCOCO 5k": "mscoco-captions"}
OTHERS = {
    ("UCF101", "top-1"): ("ucf101-frames", "acc1"),
    ("Kinetics-700", "avg(top1,top5)"): ("kinetics700-frames", "mean_acc1_acc5"),
    ("RareAct", "mWAP"): ("rareact-frames", "mwap"),
    ("RareAct", "mWSAP"): ("rareact-frames", "mwsap"),
    ("ImageNetV2", "top-1"): ("imagenet-v2", "acc1"),
    ("ImageNet-A", "top-1"): ("imagenet-a", "acc1"),
    ("ImageNet-R", "top-1"): ("imagenet-r", "acc1"),
    ("ObjectNet", "top-1"): ("objectnet", "acc1"),
    ("ImageNet-Sketch", "top-1"): ("imagenet-sketch", "acc1"),
}
PROMPTED = 'another protocol: the paper puts "a photo of" before each caption (section 3.1)'


def clip_paper(reference: Path) -> list[Published]:
    """The nine models on six datasets, and the paper's best CLIP on retrieval, actions and shifted ImageNets."""
    folder = reference / "published"
    by_model = [
        Published(
            model=_card(row["model"]),
            task=task,
            metric="acc1",
            value=percent(row[column]),
            source=SOURCE.format(place=", Table 11"),
            table=TABLE,
            variant={"image_encoder": row["model"]},
        )
        for row in read(folder / "clip_paper_zeroshot_partial.csv")
        for column, task in CLASSIFICATION.items()
    ]
    return [*by_model, *(_other(row) for row in read(folder / "clip_paper_other_zeroshot.csv"))]


def _card(model: str) -> str:
    """The paper's "ViT-L/14-336px" is open_clip's ViT-L-14-336."""
    return card_name(model.replace("/", "-").removesuffix("px"), "openai")


def _other(row: Mapping[str, str]) -> Published:
    retrieval = row["task"] == "retrieval"
    task, metric = _recall(row) if retrieval else OTHERS[row["dataset"], row["metric"]]
    return Published(
        model="clip",
        task=task,
        metric=metric,
        value=percent(row["value"]),
        source=SOURCE.format(place=""),
        note="the paper's CLIP; which of its models is not said in the notes",
        flag=PROMPTED if retrieval else "",
        table=TABLE,
    )


def _recall(row: Mapping[str, str]) -> tuple[str, str]:
    """ "text R@5": texts are what is found, so the question is an image."""
    found, _, depth = row["metric"].partition(" R@")
    direction = {"text": "image_to_text", "image": "text_to_image"}[found]
    return RETRIEVAL[row["dataset"]], f"{direction}_recall@{depth}"
