"""Papers on training-free segmentation and open-vocabulary detection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from build_tables.open_clip_names import card_name
from build_tables.rows import percent, read
from vlmbench.reports.published import Published

SEGMENTATION = {
    "VOC21": "voc21",
    "Context60": "context60",
    "COCO-Object": "coco-object",
    "VOC20": "voc20",
    "Cityscapes": "cityscapes",
    "Context59": "context59",
    "ADE20k": "ade20k",
    "COCO-Stuff164k": "coco-stuff",
}
"""Columns to benchmarks; with a protocol behind it, that is a task: voc21-sclip."""

PROTOCOLS = {
    # What a row of seg_results.csv says of its kind, to the protocol.
    "paper-reported (SCLIP)": "sclip",
    "re-run by SCLIP": "sclip",
    "repo README default setup (COCO-Stuff10k 25.91)": "sclip",
    "paper, no post-processing": "naclip",
    "repo README default setup (PAMR on)": "naclip",
    "NACLIP paper Table 2 re-run (protocol of that table unclear)": "naclip",
    "NACLIP paper Table 2 (protocol unclear)": "naclip",
    "as listed by FreeCP": "clearclip",
    "ClearCLIP implementation (448/224)": "clearclip",
    "ClearCLIP implementation": "clearclip",
    "ClearCLIP": "clearclip",
    "MaskCLIP own protocol, whole 512/520 image": "maskclip",
    "MaskCLIP own protocol": "maskclip",
    "MaskCLIP paper Table 1a baseline": "maskclip",
    "MaskCLIP paper Table 1a": "maskclip",
    "repo README (VOC / Context / COCO)": "groupvit",
    "repo README": "groupvit",
}
PROTOCOL_OF_METHOD = {"SCLIP": "sclip", "ClearCLIP": "clearclip"}
"""Of rows that say only "paper-reported"."""

READOUTS = ("ClearCLIP", "NACLIP", "SCLIP", "MaskCLIP")
PLAIN_CLIP = {
    # Rows of an unchanged model: (method, backbone) to the architecture and weights that they name.
    ("CLIP", "ViT-B/16"): ("ViT-B-16", "openai"),
    ("CLIP (unmodified)", "ViT-B/16"): ("ViT-B-16", "openai"),
    ("CLIP", "ViT-B/16 (OpenAI)"): ("ViT-B-16", "openai"),
    ("CLIP", "ViT-L/14 (OpenAI)"): ("ViT-L-14", "openai"),
    ("OpenCLIP", "ViT-B/16 (laion2b_s34b_b88k)"): ("ViT-B-16", "laion2b_s34b_b88k"),
    ("OpenCLIP", "ViT-L/14 (laion2b_s32b_b82k)"): ("ViT-L-14", "laion2b_s32b_b82k"),
}
GROUPVIT = {"GroupViT (GCC+YFCC)": "groupvit"}
OTHERS_PROTOCOL = "another protocol: quoted from the model's own paper"
UNCLEAR = "the protocol of that table is unclear"

DETECTION = {
    "COCO": "coco-native",
    "COCO val2017": "coco-native",
    "OV-COCO": "ov-coco",
    "OV-LVIS": "ov-lvis",
    "LVIS v1": "ov-lvis",
    "LVIS": "lvis-native",
    "LVIS minival": "lvis-minival",
    "ODinW-13": "odinw-13",
}
OPEN_COLUMNS = {"novel_or_rare": "novel", "base_or_common": "base", "all": ""}
LVIS_COLUMNS = {"novel_or_rare": "rare", "base_or_common": "common", "frequent": "frequent", "all": ""}
OWL = {"CLIP ViT-B/32": "owlvit-base-patch32", "CLIP ViT-B/16": "owlvit-base-patch16"}
"""Backbones of google-research/scenic's OWL-ViT to the cards of the converted weights."""

CITED = {
    # How the transcriptions name their sources, to how one cites them.
    r"SCLIP paper table as transcribed[^)]*\)": "SCLIP's paper (second hand: two reading notes, which agree)",
    r"stored literature note[^)]*\)": "the method's paper (second hand: a literature note)",
    r"Detic paper tables in stored note[^;]*": "Detic's paper (second hand: a note)",
    r" \(\w+ id \d+\)": "",
    r"llrtt/.* \(image of early ViLD paper table\)": (
        "an early version of ViLD's paper (second hand: a picture of its table)"
    ),
}


def segmentation(reference: Path) -> list[Published]:
    """Training-free segmentation, each row under the protocol that it was measured in."""
    return [
        _segmentation_number(row, column, benchmark)
        for row in read(reference / "published" / "seg_results.csv")
        for column, benchmark in SEGMENTATION.items()
        if row[column]
    ]


def _segmentation_number(row: Mapping[str, str], column: str, benchmark: str) -> Published:
    method, backbone, kind = row["method"], row["backbone"], row["kind"]
    protocol = PROTOCOL_OF_METHOD[method] if kind == "paper-reported" else PROTOCOLS[kind]
    plain = PLAIN_CLIP.get((method, backbone))
    readout = "plain" if plain else next((name.lower() for name in READOUTS if name in method), "")
    flag = UNCLEAR if "unclear" in kind else OTHERS_PROTOCOL if _quoted(method, kind) else ""
    return Published(
        model=card_name(*plain) if plain else GROUPVIT.get(method, method),
        task=f"{benchmark}-{protocol}",
        metric="miou",
        value=percent(row[column]),
        source=citable(row["source"]),
        note=kind,
        flag=flag,
        table="seg",
        variant={name: text for name, text in (("backbone", backbone), ("readout", readout), ("kind", kind)) if text},
    )


def _quoted(method: str, kind: str) -> bool:
    return kind == "paper-reported (SCLIP)" and method in ("GroupViT", "TCL")


def detection(reference: Path) -> list[Published]:
    """Open-vocabulary detection."""
    return [
        _detection_number(row, column, row[column])
        for row in read(reference / "published" / "det_results.csv")
        for column in LVIS_COLUMNS
        if row[column] and not row["source"].startswith("survey_table")  # the survey's own tables have those
    ]


def _detection_number(row: Mapping[str, str], column: str, printed: str) -> Published:
    dataset, metric = row["dataset"], row["metric"]
    lvis = "LVIS" in dataset
    group = LVIS_COLUMNS[column] if lvis else OPEN_COLUMNS[column]
    score = "ap50" if "AP50" in metric else "mask_ap" if "mask" in metric else "ap"
    name = "mean_ap" if dataset == "ODinW-13" else score
    owl = row["method"] == "OWLv1" and row["backbone"] in OWL
    notes = [row["setting"], metric, "printed as about" if printed.startswith("~") else ""]
    return Published(
        model=OWL[row["backbone"]] if owl else row["method"],
        task=DETECTION[dataset],
        metric=f"{name}_{group}" if group else name,
        value=percent(printed),
        source=citable(row["source"]),
        note="; ".join(filter(None, notes)),
        table="det",
        variant={"backbone": row["backbone"]} if row["backbone"] else {},
    )


def citable(source: str) -> str:
    """A reference's source as one cites it; what was read in somebody's notes says so."""
    for told, cited in CITED.items():
        source = re.sub(told, cited, source)
    return source
