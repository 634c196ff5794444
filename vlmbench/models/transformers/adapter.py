"""Dual encoders, detectors and segmenters of the transformers library, from a local folder or a hub repository.

Weights, tokenizer and image processor are the checkpoint's own, called as the library's documentation calls them. What
differs between families is one entry of :data:`FAMILIES`. safetensors files are preferred by the library, and ``.bin``
files are read with ``weights_only``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import transformers

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models.base import LoadOptions
from vlmbench.models.hub_access import hub_access, quiet_transformers
from vlmbench.models.options import Kinds, check_options
from vlmbench.models.transformers.checkpoint import (
    checkpoint,
    loaded,
    refuse_incomplete,
    refuse_wordless,
)
from vlmbench.models.transformers.families import FAMILIES
from vlmbench.models.transformers.family import Family
from vlmbench.models.transformers.model import TransformersDualEncoder, TransformersModel
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import UNUSED_WEIGHTS

OPTIONS: Mapping[str, Kinds] = {"revision": (str,), "lowercase": (bool,), "top_k": (int,)}
"""``revision``: a commit, branch or tag of the hub repository. ``lowercase``: lower the texts before the tokenizer.
``top_k``: a detector's so many best pairs of a box and a text, instead of each box with its best text."""


def load(card: ModelCard, options: LoadOptions) -> TransformersModel:
    """The adapter.

    Raises:
        ModelError: an unknown option or family; a checkpoint that is missing, not to be fetched, broken or incomplete.
    """
    check_options(card, OPTIONS)
    spec = checkpoint(card.spec)
    common = {
        "revision": card.options.get("revision", "main"),
        "local_files_only": options.offline,
        "trust_remote_code": options.trust_remote_code,
    }
    with hub_access(offline=options.offline), quiet_transformers():
        config = loaded(spec, options, "config", transformers.AutoConfig, common)
        family = FAMILIES.get(config.model_type)
        if family is None:
            raise ModelError(
                f"{spec}: model type {config.model_type!r} is none that the transformers adapter knows",
                hint=f"It knows {', '.join(FAMILIES)}; many others load through the adapter open_clip.",
            )
        _check_top_k(card, family)
        family = _without_heads(family, config)
        architecture = getattr(transformers, family.network)
        weights = {"config": config, "output_loading_info": True, "ignore_mismatched_sizes": True}  # refused below
        network, info = loaded(spec, options, "weights", architecture, {**common, **weights})
        refuse_incomplete(spec, info)
        tokenizer = loaded(spec, options, "tokenizer", transformers.AutoTokenizer, common)
        refuse_wordless(spec, tokenizer)
        processor = loaded(spec, options, "image processor", transformers.AutoImageProcessor, common)
    if unused := sorted(map(str, info["unexpected_keys"])):
        say(
            UNUSED_WEIGHTS,
            f"the checkpoint has {len(unused):,} weight{'s' * (len(unused) != 1)} for which the model has no place",
            brief=f"{len(unused):,} unused weights",
            count=len(unused),
            examples=unused,
        )
    kind = TransformersDualEncoder if family.encodes_images else TransformersModel
    device = torch.device(options.device)
    return kind(card, family, network.float(), tokenizer, processor, device)


def _without_heads(family: Family, config: Any) -> Family:
    """The family of a checkpoint that was saved from the bare towers: it loads as what it is, and can no more."""
    if family.network == "AutoModel" or not config.architectures or family.network in config.architectures:
        return family
    return replace(family, network="AutoModel", towers="", capabilities={})


def _check_top_k(card: ModelCard, family: Family) -> None:
    top_k = card.options.get("top_k")
    if top_k is None:
        return
    if "Detector" not in family.capabilities:
        raise ModelError(f"model {card.name!r}: top_k is an option of detectors, which this is none of")
    if top_k < 1:
        raise ModelError(f"model {card.name!r}: top_k must be 1 or more, not {top_k}")
