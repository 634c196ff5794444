"""Defines what the adapter must know of a family of transformers checkpoints. :mod:`.families` lists the families."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch

from vlmbench.cards import ModelCard
from vlmbench.models.base import Model

TextEnd = Literal["eos", "eos unless 2", "highest id"]
"""The token at which a causal text tower pools: the first end-of-text token of its config, or the token with the
highest id. ``eos unless 2``: the id 2 of old CLIP configs is wrong, and the library then takes the highest id."""


@dataclass(frozen=True)
class Parts:
    """The loaded parts of a checkpoint.

    Attributes:
        spec: the local folder or hub repository.
        network: the transformers module, float32, in evaluation mode, on the CPU; a model moves it to ``device``.
        tokenizer: the checkpoint's tokenizer.
        processor: the checkpoint's image processor.
        revision: the commit of the hub repository; None for local files.
        arguments: of ``from_pretrained``, for further parts that a family loads.
    """

    card: ModelCard
    spec: str
    network: Any
    tokenizer: Any
    processor: Any
    device: torch.device
    revision: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Family:
    """How the adapter loads one family of checkpoints.

    Attributes:
        model: makes the model from the family and the loaded parts.
        network: the transformers class with the family's heads.
        any_image_size: whether its image tower takes images of any size. If not, the processor must have the network's.
        options: the options of a model card that only some families have, such as ``top_k``.
    """

    model: Callable[[Any, Parts], Model]
    network: str = "AutoModel"
    any_image_size: bool = False
    options: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class EncoderFamily(Family):
    """How the adapter loads and calls one family of checkpoints that encode texts; most encode images too.

    Attributes:
        padding: whether texts are padded to the longest of the batch, or always to the full length.
        attention_mask: whether the text tower gets a mask of the padding.
        text_end: the token at which a causal text tower pools; later tokens have no effect. None: it is not causal.
        lowercase: the family was trained on lower-case text; a remark tells if the tokenizer keeps the case.
        context_length: the number of tokens after which texts are cut; None: the number of positions in the config.
        towers: the attribute of the network that holds the two towers; empty: the network itself holds them.
        encodes_images: whether its checkpoints have a trained projection of whole images.
        capabilities: maps a protocol's name to a function that makes the capability from a
            :class:`~vlmbench.models.transformers.model.TransformersModel` with the heads.
    """

    padding: Literal["longest", "max_length"]
    attention_mask: bool
    text_end: TextEnd | None = None
    lowercase: bool = False
    context_length: int | None = None
    towers: str = ""
    encodes_images: bool = True
    capabilities: Mapping[str, Callable[[Any], object]] = field(default_factory=dict)


def without_heads(family: EncoderFamily, classes: Sequence[str] | None) -> EncoderFamily:
    """The family of a network that has the bare towers alone: it is asked as what it is, and can do no more.

    Args:
        classes: the names of the classes that the network was saved from, or is of; None or empty if they are unknown.
    """
    if family.network == "AutoModel" or not classes or family.network in classes:
        return family
    return replace(family, network="AutoModel", towers="", capabilities={})
