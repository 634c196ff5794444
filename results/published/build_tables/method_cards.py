"""Model cards of the survey's pre-training methods: every row of its Table 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from build_tables.rows import read, slug

OBJECTIVES = {"Con": "contrastive", "Gen": "generative", "Align": "alignment"}
MISPRINTED = {"YMCC100M": "YFCC100M"}
NO_CODE = "the survey knows no code"


@dataclass(frozen=True)
class Availability:
    """Whether a method's weights can be had.

    Attributes:
        weights: public, a reproduction by others, not public, or unknown.
        at: where, or what is known.
        spec: what the transformers adapter loads, where the weights are those of the survey's own rows.
        models: cards to run in its place.
        paper: where that is known from the weights' own page.
    """

    weights: str
    at: str
    spec: str = ""
    models: Sequence[str] = ()
    paper: str = ""


OPENAI = [
    "clip-vit-b-32-openai",
    "clip-vit-b-16-openai",
    "clip-vit-l-14-openai",
    "clip-vit-l-14-336-openai",
    "clip-rn50-openai",
    "clip-rn101-openai",
    "clip-rn50x4-openai",
    "clip-rn50x16-openai",
    "clip-rn50x64-openai",
]
AVAILABLE = {
    "CLIP": Availability("public", "OpenAI, through open_clip", models=OPENAI, paper="arXiv:2103.00020"),
    "ALIGN": Availability(
        "reproduction", "Kakao Brain's, trained on COYO-700M, through transformers", models=["align-base"]
    ),
    "OTTER": Availability("unknown", "facebookresearch/OTTER has code; its README offers no weights"),
    "DeCLIP": Availability("public", "Sense-GVT/DeCLIP, of ResNet-50 and ViT-B/32", paper="arXiv:2110.05208"),
    "ZeroVL": Availability("unknown", "zerovl/ZeroVL has code and announces weights", paper="arXiv:2112.09331"),
    "FILIP": Availability("not public", NO_CODE),
    "UniCL": Availability("public", "microsoft/UniCL, of Swin-T and Swin-B", paper="arXiv:2204.03610"),
    "Florence": Availability("not public", NO_CODE),
    "SLIP": Availability("public", "facebookresearch/SLIP", paper="arXiv:2112.12750"),
    "PyramidCLIP": Availability(
        "public", "Yuting-Gao/PyramidCLIP, of the models trained on 15M pairs", paper="arXiv:2204.14095"
    ),
    "Chinese CLIP": Availability("public", "through transformers", spec="OFA-Sys/chinese-clip-vit-large-patch14"),
    "LiT": Availability(
        "public",
        "google-research/vision_transformer, of smaller models and for JAX; open_clip has one trained in its way",
        models=["clip-xlm-roberta-large-vit-h-14-frozen-laion5b-s13b-b90k"],
        paper="arXiv:2111.07991",
    ),
    "AltCLIP": Availability("public", "through transformers", spec="BAAI/AltCLIP"),
    "FLAVA": Availability("public", "through transformers", spec="facebook/flava-full"),
    "KELIP": Availability("public", "navervision/KELIP", paper="arXiv:2203.14463"),
    "COCA": Availability(
        "reproduction",
        "open_clip's, trained on LAION-2B",
        models=["coca-vit-b-32-laion2b-s13b-b90k", "coca-vit-l-14-laion2b-s13b-b90k"],
        paper="arXiv:2205.01917",
    ),
    "nCLIP": Availability("unknown", "shallowtoil/xclip announces code and weights", paper="arXiv:2210.09304"),
    "K-lite": Availability("public", "microsoft/klite, of Swin-T and Swin-B", paper="arXiv:2204.09222"),
    "NLIP": Availability("not public", NO_CODE),
    "UniCLIP": Availability("not public", NO_CODE),
    "PaLI": Availability("unknown", "the survey knows code"),
    "CLIPPO": Availability("unknown", "google-research/big_vision has code, for JAX", paper="arXiv:2212.08045"),
    "HiCLIP": Availability("unknown", "the survey knows code"),
    "GroupVit": Availability("public", "through transformers", spec="nvidia/groupvit-gcc-yfcc"),
    "SegClip": Availability("public", "ArrowLuo/SegCLIP", paper="arXiv:2211.14813"),
    "CLIPpy": Availability(
        "reproduction", "kahnchana/clippy, not the authors' and on a smaller scale", paper="arXiv:2210.09996"
    ),
    "RegionClip": Availability("public", "microsoft/RegionCLIP docs/MODEL_ZOO.md"),
    "GLIP": Availability(
        "public", "microsoft/GLIP, of a GLIP-L trained on other captions than the paper's", paper="arXiv:2112.03857"
    ),
    "FIBER": Availability("public", "microsoft/FIBER fine_grained/README.md"),
    "DetCLIP": Availability("not public", NO_CODE),
    "LA-CLIP": Availability("public", "LijieFan/LaCLIP", paper="arXiv:2305.20088"),
    "ALIP": Availability("public", "deepglint/ALIP", paper="arXiv:2308.08428"),
}
"""By the survey's name. A row that is not here is of version 2, and the survey's code column was not recovered."""
NOT_LOOKED_UP = Availability("unknown", "")

OF_TABLE_3 = "A method of the survey's Table 3 (arXiv:2304.00685)"
OF_BEST_ROW = "; encoders and data size are those of its best row in the tables of results"
RESULT_TABLES = ("6_zeroshot_classification", "7_zeroshot_segmentation", "8_zeroshot_detection")


def method_cards(reference: Path) -> list[dict[str, object]]:
    """One card a row of Table 3, with the encoders and data size of the tables of results."""
    folder = reference / "survey"
    printed: dict[str, Mapping[str, str]] = {}
    for table in RESULT_TABLES:
        for row in read(folder / f"survey_table{table}.csv"):
            printed.setdefault(slug(row["method"]), row)
    rows = read(folder / "survey_table3_pretraining_methods.csv")
    return [_card(row, printed.get(slug(row["method"]), {})) for row in rows]


def _card(row: Mapping[str, str], printed: Mapping[str, str]) -> dict[str, object]:
    available = AVAILABLE.get(row["method"], NOT_LOOKED_UP)
    name = slug(row["method"])
    return {
        "name": name,
        "adapter": "transformers" if available.spec else "none",
        "spec": available.spec,
        "title": printed.get("method", row["method"]),
        "method": name,
        "objective": _objective(row["objective"]),
        "framework": row["framework"],
        "image_encoder": printed.get("image_encoder", "").replace("ViTB", "ViT-B"),
        "text_encoder": printed.get("text_encoder", ""),
        "training_data": _data(row["pretraining_data(*=non-public)"]),
        "data_size": printed.get("data_size", ""),
        "weights": available.weights,
        "weights_at": available.at,
        "models": list(available.models),
        "paper": available.paper,
        "notes": f"{OF_TABLE_3}{OF_BEST_ROW if printed else ''}.",
    }


def _objective(printed: str) -> str:
    """ "Con, Gen" in words."""
    return ", ".join(OBJECTIVES[part.strip()] for part in printed.removesuffix(" (section 5.1)").split(","))


def _data(printed: str) -> str:
    """The data in the survey's names; its asterisk says that the data is not public."""
    if printed == "not recovered":
        return ""
    names = [MISPRINTED.get(name.strip(), name.strip()) for name in printed.split(",")]
    return ", ".join(f"{name[:-1]} (not public)" if name.endswith("*") else name for name in names)
