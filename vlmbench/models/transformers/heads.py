"""Defines the models that have heads of their own but no encoders, such as detectors that join image and texts early.

The families of such checkpoints make them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vlmbench.models.towers.weights import huggingface_rules_sha256
from vlmbench.models.transformers.family import Parts
from vlmbench.models.transformers.identity import parts_identity


class HeadModel:
    """A ``Model`` that has only capabilities.

    Args:
        offers: maps a capability's name to a function that makes it from the parts. The network is then on its device.
        texts: how the family reads texts, in words, beyond the tokenizer's own rules. It is a part of the identity.
        libraries: further distributions whose code computes the answers, such as ``timm``.

    Attributes:
        network: the transformers module. :func:`vlmbench.as_model` checks that its weights are those of the identity.
    """

    def __init__(
        self,
        parts: Parts,
        offers: Mapping[str, Callable[[Parts], object]],
        *,
        texts: str,
        libraries: tuple[str, ...] = (),
    ) -> None:
        tokenizer: Any = parts.tokenizer
        self.card = parts.card
        self.device = parts.device
        rules = f"{type(tokenizer).__name__}({texts}, rules_sha256={huggingface_rules_sha256(tokenizer)})"
        self.identity = parts_identity(parts, rules, *libraries)
        self.network: Any = parts.network
        self.network.to(parts.device)
        self.capabilities: Mapping[str, object] = {name: offer(parts) for name, offer in offers.items()}
