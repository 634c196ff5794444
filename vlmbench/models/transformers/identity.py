"""Computes the identity of a transformers checkpoint from its loaded parts. Its models use it."""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path

from vlmbench.models.base import ModelIdentity
from vlmbench.models.towers.weights import count_parameters, json_sha256, library_versions, state_sha256
from vlmbench.models.transformers.checkpoint import forward_config
from vlmbench.models.transformers.family import Parts

_LIBRARY = "transformers"
_OF_REPOSITORIES = "transformers_modules"
"""The package into which the library copies the code of repositories, with a folder for each."""


def parts_identity(parts: Parts, tokenizer: str, *libraries: str) -> ModelIdentity:
    """The identity of a checkpoint.

    Code that is not the library's, such as a repository's own, is a part of it.

    Args:
        tokenizer: the tokenizer in words, with what the family sets, such as the context length.
        libraries: further distributions whose code computes the answers, such as ``timm``.
    """
    network, processor = parts.network, parts.processor
    of_network, of_processor, of_tokenizer = (_code(part) for part in (network, processor, parts.tokenizer))
    settings = json.dumps(processor.to_dict(), sort_keys=True, default=str)
    return ModelIdentity(
        weights_sha256=state_sha256(network),
        parameters=count_parameters(network),
        architecture=f"{type(network).__name__} {forward_config(network.config)}{of_network}",
        preprocess=f"{type(processor).__name__} {settings}{of_processor}",
        tokenizer=f"{tokenizer}{of_tokenizer}",
        libraries=library_versions("transformers", "tokenizers", "torchvision", *libraries),
        revision=parts.revision,
    )


def _code(part: object) -> str:
    """The code of a part's class as a hash; empty if it is the library's, or is in no file (then it is in memory only).

    Of a repository, all its code counts, because a file may import the others.
    """
    module = type(part).__module__
    package = module.partition(".")[0]
    name = getattr(sys.modules.get(module), "__file__", None)
    if package == _LIBRARY or name is None or not Path(name).is_file():
        return ""
    files = sorted(Path(name).parent.glob("*.py")) if package == _OF_REPOSITORIES else [Path(name)]
    return f" code_sha256={json_sha256({file.name: sha256(file.read_bytes()).hexdigest() for file in files})}"
