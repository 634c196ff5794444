"""Model cards of open_clip's pretrained models, from its published results and profile of architectures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from build_tables.open_clip_names import architecture_of, card_name, listed
from build_tables.rows import read


@dataclass(frozen=True)
class Weights:
    """What a tag says of its training.

    Attributes:
        data: what the weights were trained on.
        size: how many image-text pairs that is.
        paper: where it is described.
        licence: of the weights, where the source states one.
    """

    data: str
    size: str | None
    paper: str
    licence: str | None = None


OPEN_CLIP = "arXiv:2212.07143"
DATACOMP = "arXiv:2304.14108"
METACLIP = "arXiv:2309.16671"
DFN = "arXiv:2309.17425"
SIGLIP = "arXiv:2303.15343"
EVA = "arXiv:2303.15389"
CLIPA = "arXiv:2306.15658"
COCA = "arXiv:2205.01917"
NLLB_CLIP = "arXiv:2309.01859"

TAGS = {
    # The beginning of a tag. Sizes are those of the names, of the papers, or of open_clip's docs (PRETRAINED.md,
    # datacomp_models.md).
    "openai": Weights("OpenAI's web image-text pairs (not public)", "400M", "arXiv:2103.00020", "MIT"),
    "laion400m": Weights("LAION-400M", "400M", OPEN_CLIP),
    "laion2b": Weights("LAION-2B (English)", "2B", OPEN_CLIP),
    "laion5b": Weights("LAION-5B", "5B", OPEN_CLIP),
    "frozen_laion5b": Weights("LAION-5B", "5B", OPEN_CLIP),
    "laion_aesthetic": Weights("LAION-Aesthetic", "900M", OPEN_CLIP),
    "datacomp_xl": Weights("DataComp-1B", "1.4B", DATACOMP),
    "datacomp_l": Weights("DataComp, large scale", "140M", DATACOMP),
    "datacomp_s34b": Weights("DataComp-1B", "1.4B", DATACOMP),
    "datacomp1b": Weights("DataComp-1B", "1.4B", DATACOMP),
    "commonpool_xl_clip": Weights("CommonPool, filtered by CLIP scores", None, DATACOMP),
    "commonpool_xl_laion": Weights("CommonPool, filtered as LAION-2B", None, DATACOMP),
    "commonpool_xl_s13b": Weights("CommonPool, unfiltered", "12.8B", DATACOMP),
    "metaclip_400m": Weights("MetaCLIP-400M", "400M", METACLIP, "CC BY-NC"),
    "metaclip_fullcc": Weights("MetaCLIP, all of Common Crawl", "2.5B", METACLIP, "CC BY-NC"),
    "dfn2b": Weights("DFN-2B", "2B", DFN),
    "dfn5b": Weights("DFN-5B", "5B", DFN),
    "webli": Weights("WebLI (not public)", None, SIGLIP),
    "merged2b": Weights("Merged-2B (of LAION-2B and COYO-700M)", "2B", EVA),
    "cc12m": Weights("CC12M", "12M", OPEN_CLIP),
    "yfcc15m": Weights("YFCC-15M", "15M", OPEN_CLIP),
    "v1": Weights("captions of LAION-COCO, translated", None, NLLB_CLIP),
}

LICENCES = {EVA: "MIT", SIGLIP: "Apache-2.0", CLIPA: "Apache-2.0", NLLB_CLIP: "CC BY-NC"}
"""Of the weights of a paper's authors, as open_clip's docs/PRETRAINED.md states them."""
PAPERS = {"EVA": EVA, "coca_": COCA, "SigLIP": SIGLIP, "CLIPA": CLIPA}
"""Of architectures whose method is another paper than their data's."""

IMAGE_ENCODERS = {
    "RN": "ResNet-",
    "convnext_base": "ConvNeXt-Base",
    "convnext_large": "ConvNeXt-Large",
    "convnext_xxlarge": "ConvNeXt-XXLarge",
    "nllb-clip-base": "ViT-B/32",
    "nllb-clip-base-siglip": "ViT-B/16",
    "nllb-clip-large": "ViT-H/14",
    "nllb-clip-large-siglip": "ViT-SO400M/14",
}
TEXT_ENCODERS = {
    "xlm-roberta-base": "XLM-RoBERTa-Base",
    "xlm-roberta-large": "XLM-RoBERTa-Large",
    "roberta": "RoBERTa-Base",
    "nllb-clip": "NLLB encoder",
}
_VIT = re.compile(r"(?P<eva>EVA0[12])?-?(?:ViT-)?(?P<size>SO400M|bigG|[BLHEg])-(?P<patch>\d+)(?P<plus>-plus)?")


def open_clip_cards(reference: Path) -> list[dict[str, object]]:
    """One card a listed model, by name."""
    folder = reference / "published"
    profiles = {row["model"]: row for row in read(folder / "model_profile.csv")}
    pairs = {(row["name"], row["pretrained"]) for row in read(folder / "openclip_results.csv")}
    cards: dict[str, dict[str, object]] = {}
    for architecture, tag in sorted(pair for pair in pairs if listed(*pair)):
        card = _card(architecture, tag, profiles[architecture])
        known = cards.setdefault(str(card["name"]), card)
        if known != card and tag != "openai":
            raise ValueError(f"two open_clip models are named {card['name']}")
        cards[str(card["name"])] = card  # RN50-quickgelu comes after RN50, and says what OpenAI's weights are
    return [cards[name] for name in sorted(cards)]


def _card(architecture: str, tag: str, profile: dict[str, str]) -> dict[str, object]:
    weights = TAGS[max((known for known in TAGS if tag.startswith(known)), key=len)]
    coca = architecture.startswith("coca_")
    method = "coca" if coca else "lit" if tag.startswith("frozen_") else _clip(architecture)
    own_paper = next((paper for part, paper in PAPERS.items() if part in architecture), weights.paper)
    return {
        "name": card_name(architecture, tag),
        "adapter": "open_clip",
        "spec": f"{architecture_of(architecture, tag)}/{tag}",
        "title": title(architecture, tag),
        "method": method,
        "objective": "contrastive, generative" if coca else "contrastive",
        "framework": "two-leg" if coca else "two-tower",
        "architecture": architecture_of(architecture, tag),
        "image_encoder": image_encoder(architecture),
        "text_encoder": text_encoder(architecture),
        "training_data": weights.data,
        "data_size": weights.size,
        "samples_seen": _samples_seen(tag),
        "image_size": int(profile["image_size"]),
        "embedding_dim": int(profile["embed_dim"]),
        "parameters": round(float(profile["mparams"]) * 1e6),
        "gflops": float(profile["gflops"]),
        "licence": weights.licence or LICENCES.get(own_paper),
        "paper": own_paper if weights.paper in (own_paper, OPEN_CLIP) else f"{own_paper}; data {weights.paper}",
        "notes": "Trained as CLIP, with a sigmoid loss." if tag == "webli" else "",
    }


def title(architecture: str, tag: str) -> str:
    """Family, size and weights: "CLIP ViT-B-32, openai"."""
    plain = architecture.removesuffix("-quickgelu")
    for part, family in {"-SigLIP": "SigLIP", "-CLIPA": "CLIPA", "coca_": "CoCa", "nllb-clip-": "NLLB-CLIP"}.items():
        if part in plain and (part != "-SigLIP" or tag == "webli"):
            return f"{family} {plain.replace(part, '')}, {tag}"
    return f"{'EVA-CLIP' if plain.startswith('EVA') else 'CLIP'} {plain}, {tag}"


def _clip(architecture: str) -> str | None:
    """CLIP's own training, which other families change."""
    return None if any(part in architecture for part in ("SigLIP", "CLIPA", "EVA", "nllb")) else "clip"


def _samples_seen(tag: str) -> str | None:
    """ "laion2b_s34b_b79k" saw 34 billion."""
    found = re.search(r"_s(\d+)([bm])(?:_|$)", tag)
    return f"{found[1]}{found[2].upper()}" if found else None


def image_encoder(architecture: str) -> str:
    """ "ViT-L-14-336" is a ViT-L/14; the size of its input is told apart."""
    if architecture in IMAGE_ENCODERS:
        return IMAGE_ENCODERS[architecture]
    plain = architecture.removesuffix("-quickgelu")
    if plain.startswith("RN"):
        return plain.replace("RN", IMAGE_ENCODERS["RN"])
    if plain.startswith("convnext"):
        return IMAGE_ENCODERS["_".join(plain.split("_")[:2])]
    found = _VIT.search(plain)
    if found is None:
        raise ValueError(f"no image encoder is known of {architecture}")
    family = f"{found['eva']}-ViT" if found["eva"] else "ViT"
    # EVA's "plus" is a larger text encoder.
    return f"{family}-{found['size']}/{found['patch']}{'+' if found['plus'] and not found['eva'] else ''}"


def text_encoder(architecture: str) -> str:
    """A Transformer trained with the rest, unless the name begins with another."""
    known = [part for part in TEXT_ENCODERS if architecture.startswith(part)]
    return TEXT_ENCODERS[max(known, key=len)] if known else "Transformer"
