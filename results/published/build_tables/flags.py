"""Which published cells are known to be wrong or to answer another question than their column's, and why.

``survey_discrepancies.csv`` of the reference tables says what was found. Each of its rows is either under
:data:`RULES`, which say what cells it means, or under :data:`NO_CELL`, or is of the survey's list of datasets
(:mod:`build_tables.survey_facts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vlmbench.reports.published import Published


@dataclass(frozen=True)
class Rule:
    """Cells and their flag; an empty field means any.

    Attributes:
        table: the table they are in.
        flag: why they must not be used as they stand.
        models: rows.
        cells: (task, metric) columns, or tasks with all of their metrics.
        variant: what the row says of itself, as far as it matters.
        found: the beginning of the discrepancy's text; "" where the flag comes from elsewhere, which it then names.
    """

    table: str
    flag: str
    models: Sequence[str] = ()
    cells: Sequence[str | tuple[str, str]] = ()
    variant: tuple[tuple[str, str], ...] = ()
    found: str = ""

    def means(self, number: Published) -> bool:
        """Whether this is one of the cells."""
        return (
            number.table == self.table
            and (not self.models or number.model in self.models)
            and (not self.cells or number.task in self.cells or (number.task, number.metric) in self.cells)
            and all(number.variant.get(name) == value for name, value in self.variant)
        )


AVERAGE = "survey-9-average"
DATASETS_AVERAGED = 11
"""Of Table 9: an average is over all of them, or over nothing that can be told."""
ROUNDING = 0.1
"""Percent; the mean of numbers that are off by 0.05 at most, printed with as much again."""
FIXED_AP = "another protocol: fixed AP (microsoft/GLIP README)"
RULES = (
    Rule(
        "survey-6",
        "printed as ViT-L/14, but ViT-L/14-336px's number (CLIP paper, Table 11: ImageNet 76.2, not 75.3)",
        models=["clip"],
        found="CLIP row says ViT-L/14;",
    ),
    Rule(
        "survey-6",
        "printed with 143M pairs, but that of the model trained on 15M; the other has 61.4 (Yuting-Gao/PyramidCLIP)",
        models=["pyramidclip"],
        cells=["imagenet1k"],
    ),
    Rule(
        "survey-6",
        "no zero-shot Swin-Tiny of the authors' comes near: 40.5 at most (microsoft/UniCL README)",
        models=["unicl"],
        cells=["imagenet1k"],
    ),
    Rule("survey-7", "another protocol: its paper's own, not SCLIP's"),
    Rule(
        "survey-8",
        "another protocol: regions are a trained network's proposals, as in coco-proposals",
        models=["regionclip"],
    ),
    Rule("survey-8", FIXED_AP, models=["glip"], cells=["lvis-native"]),
    Rule(
        "survey-8",
        "the protocol is unclear: LVIS' AP, or fixed AP as GLIP's and FIBER's beside it",
        models=["detclip"],
        cells=["lvis-native"],
    ),
    Rule("det", FIXED_AP, models=["GLIP-L (paper)"], cells=["lvis-native"]),
    Rule("det", "another protocol: trained on the novel classes' boxes too", models=["Supervised-RFS (base+novel)"]),
    Rule(
        "survey-9",
        "not this model's plain zero-shot accuracy: open_clip measures 68.3 on ImageNet with the same weights, and the "
        "CLIP paper has 68.6",
        models=["Baseline"],
        variant=(("image_encoder", "ViT-B/16"),),
        found="Baseline ViT-B/16 row is not plain zero-shot accuracy",
    ),
    Rule(
        "survey-9",
        "printed as ViT-L/14, but Table 6's CLIP row, which is ViT-L/14-336px's",
        models=["Baseline"],
        variant=(("image_encoder", "ViT-L/14"),),
        found="CLIP row says ViT-L/14;",
    ),
    Rule(
        "survey-9",
        "columns permuted in print: it contradicts the ResNet-50 baseline (85.8, 55.6, 77.3, 60.2) that the method "
        "starts from",
        models=["CALIP"],
        cells=["oxford-pets", "stanford-cars", "food101", "sun397"],
        found="CALIP row columns permuted",
    ),
    Rule(
        "survey-9",
        "contradicts section 8.2, which says +0.8 over the baseline; the printed one is 70.2",
        models=["TPT"],
        cells=["imagenet1k"],
        found="sec 8.2 says CoOp/Wise-FT/TPT",
    ),
    Rule(
        "survey-9",
        "another protocol: few-shot over all classes, while rows beside it look like base-to-new (inferred from "
        "values)",
        models=["ProDA", "PLOT", "CAVPT", "RePrompt"],
        found="ProDA/PLOT/CAVPT/RePrompt are all-class few-shot",
    ),
    Rule(
        "survey-9",
        "another protocol: looks like base-to-new, while rows beside it are few-shot over all classes (inferred from "
        "values)",
        models=["CoOp", "CoCoOp", "LASP", "VPT", "UPT", "MaPLE"],
        found="ProDA/PLOT/CAVPT/RePrompt are all-class few-shot",
    ),
    Rule(
        "survey-10",
        "base and all swapped in print: Detic's own table has all 45.0, novel 27.8, base 47.1",
        models=["Detic"],
        cells=[("ov-coco", "ap50_base"), ("ov-coco", "ap50")],
        found="Detic row: APbase 45.0 / AP 47.1 swapped",
    ),
    Rule(
        "survey-10",
        "base and all look swapped in print: all (61.0) cannot be above both base (52.7) and novel (29.4)",
        models=["OV-DETR"],
        cells=[("ov-coco", "ap50_base"), ("ov-coco", "ap50")],
        found="OV-DETR APbase 52.7 < AP 61.0",
    ),
    Rule(
        "survey-10",
        "the paper it cites has had 13.0, 10.6, 6.0 and 9.2 (mask AP): another version of it, or box AP",
        models=["Baseline"],
        cells=["ov-lvis"],
        found="Baseline LVIS 19.5/19.7/17.0/18.6",
    ),
    Rule(
        "survey-11",
        "replaced in version 2 of the survey (9.0, 12.4, 29.6, 55.7 and 94.5)",
        models=["OVSeg"],
        variant=(("version", "v1"),),
        found="OVSeg row changed v1",
    ),
    Rule(
        "seg",
        "another protocol: with PAMR, which the paper's main table is without",
        models=["NACLIP + PAMR"],
        cells=[
            f"{name}-naclip" for name in ("context60", "coco-object", "cityscapes", "context59", "ade20k", "coco-stuff")
        ],
        found="paper main table (58.9 VOC21",
    ),
    Rule(
        "seg",
        "another protocol: without PAMR, which the card has on (--set pamr_steps=0)",
        models=["NACLIP"],
        cells=["voc21-naclip"],  # of the two cards, the one that the paper has a number of
        variant=(("kind", "paper, no post-processing"),),
        found="paper main table (58.9 VOC21",
    ),
)

NO_CELL = {
    "DeCLIP, UniCL, GroupViT etc use different data": "of Table 6 as a whole: the note of each of its cells says it",
    "openai prompts.md has 18 templates; CLIP_benchmark 4": "of prompts: the cards resisc45 and resisc45-vtab",
    "openai 1 template; CLIP_benchmark 2": "of prompts: the cards patch-camelyon and patch-camelyon-clip-benchmark",
    "ClearCLIP re-runs (448 short side": "of two protocols: their numbers go under different task cards",
    "286 shared cells": "of the SVHN column, which zoos.py compares cell by cell",
}
"""The beginnings of discrepancies that name no cell of a table of numbers, and where they are seen to."""


def flagged(numbers: Iterable[Published]) -> list[Published]:
    """The numbers, each with the flags of the rules that mean it, and averages that are none with theirs."""
    table = list(numbers)
    return [_flagged(number, [*_by_rules(number), *_of_average(number, table)]) for number in table]


def _flagged(number: Published, said: Sequence[str]) -> Published:
    return replace(number, flag="; ".join(filter(None, [number.flag, *said])))


def _by_rules(number: Published) -> list[str]:
    return [rule.flag for rule in RULES if rule.means(number)]


def _of_average(number: Published, table: Sequence[Published]) -> list[str]:
    """What is wrong with an average, by the numbers of its row."""
    if number.task != AVERAGE:
        return []
    row = [
        100 * other.value
        for other in table
        if (other.model, other.variant) == (number.model, number.variant) and other.task != AVERAGE
    ]
    if len(row) < DATASETS_AVERAGED:
        return [f"of {DATASETS_AVERAGED} datasets the row prints only {len(row)}: what it averages cannot be told"]
    mean = sum(row) / len(row)
    if abs(100 * number.value - mean) <= ROUNDING:
        return []
    return [f"not the mean of the row's {len(row)} numbers, which is {mean:.1f}"]
