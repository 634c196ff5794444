"""Computes the identity of a transformers checkpoint from its loaded parts. Its models use it."""

from __future__ import annotations

import json

from vlmbench.models.base import ModelIdentity
from vlmbench.models.towers.weights import count_parameters, library_versions, state_sha256
from vlmbench.models.transformers.checkpoint import forward_config
from vlmbench.models.transformers.family import Parts


def parts_identity(parts: Parts, tokenizer: str, *libraries: str) -> ModelIdentity:
    """The identity of a checkpoint.

    Args:
        tokenizer: the tokenizer in words, with what the family sets, such as the context length.
        libraries: further distributions whose code computes the answers, such as ``timm``.
    """
    network, processor = parts.network, parts.processor
    return ModelIdentity(
        weights_sha256=state_sha256(network),
        parameters=count_parameters(network),
        architecture=f"{type(network).__name__} {forward_config(network.config)}",
        preprocess=f"{type(processor).__name__} {json.dumps(processor.to_dict(), sort_keys=True, default=str)}",
        tokenizer=tokenizer,
        libraries=library_versions("transformers", "tokenizers", "torchvision", *libraries),
        revision=parts.revision,
    )
