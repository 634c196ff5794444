"""Names of open_clip's models: which have a card, and what it is called."""

from __future__ import annotations

from build_tables.rows import slug
from vlmbench.interchange.names import LISTED_AS

TRAINED_WITH_QUICKGELU = {"laion400m_e31", "laion400m_e32", "cc12m", "yfcc15m"}
"""Tags of ViT-B-32, RN50 and RN101 that open_clip's table of weights marks as QuickGELU. Under the plain name of the
architecture they run with the exact GELU, and worse (open_clip docs/PRETRAINED.md)."""
ARCHITECTURES_OF_BOTH = {"ViT-B-32", "RN50", "RN101"}

FAMILIES = {"-SigLIP": "siglip", "-CLIPA": "clipa"}
"""What an architecture's name has in its middle, to what the card's name begins with."""
OWN_NAMES = ("coca_", "EVA01", "EVA02", "nllb-clip")
"""Architectures whose names begin with their family already; the rest are CLIPs."""

NOT_LISTED = ("commonpool_s", "commonpool_m", "datacomp_s_", "datacomp_m_", "commonpool_l", "_e31", "mscoco_finetuned")
"""Tags without a card: experiments on small pools, the last epoch but one, and weights that have seen COCO."""


def wrong_activation(architecture: str, tag: str) -> bool:
    """Whether this pair runs weights under an activation that they were not trained with."""
    return architecture in ARCHITECTURES_OF_BOTH and tag in TRAINED_WITH_QUICKGELU


def architecture_of(architecture: str, tag: str) -> str:
    """The architecture that the weights were trained in."""
    spec = f"{architecture}/{tag}"
    return LISTED_AS.get(spec, spec).partition("/")[0]


def listed(architecture: str, tag: str) -> bool:
    """Whether this model has a card."""
    return not wrong_activation(architecture, tag) and not any(part in tag for part in NOT_LISTED)


def model_name(architecture: str, tag: str) -> str:
    """The card's name where there is one, else as the command line takes it: ``open_clip:ARCH/TAG``."""
    return card_name(architecture, tag) if listed(architecture, tag) else f"open_clip:{architecture}/{tag}"


def card_name(architecture: str, tag: str) -> str:
    """``ViT-B-32``, ``openai`` is clip-vit-b-32-openai: family, size, weights. The activation is left out."""
    plain = architecture.removesuffix("-quickgelu")
    if plain.startswith(OWN_NAMES):
        return f"{slug(plain)}-{slug(tag)}"
    for part, family in FAMILIES.items():
        if part in plain:
            return f"{family}-{slug(plain.replace(part, ''))}-{slug(tag)}"
    return f"clip-{slug(plain)}-{slug(tag)}"
