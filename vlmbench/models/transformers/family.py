"""Defines the settings in which families of transformers checkpoints differ. :mod:`.families` lists the families."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

TextEnd = Literal["eos", "eos unless 2", "highest id"]
"""The token at which a causal text tower pools: the first end-of-text token of its config, or the token with the
highest id. ``eos unless 2``: the id 2 of old CLIP configs is wrong, and the library then takes the highest id."""


@dataclass(frozen=True)
class Family:
    """How the adapter calls one family of checkpoints.

    Attributes:
        padding: whether texts are padded to the longest of the batch, or always to the full length.
        attention_mask: whether the text tower gets a mask of the padding.
        text_end: the token at which a causal text tower pools; later tokens have no effect. None: it is not causal.
        lowercase: the family was trained on lower-case text; a remark tells if the tokenizer keeps the case.
        context_length: the number of tokens after which texts are cut; None: the number of positions in the config.
        network: the transformers class with the family's heads.
        towers: the attribute of that class that holds the two towers; empty: the class itself holds them.
        any_image_size: whether its image tower takes images of any size.
        encodes_images: whether its checkpoints have a trained projection of whole images.
        capabilities: maps a protocol's name to a function that makes the capability from a
            :class:`~vlmbench.models.transformers.model.TransformersModel` with the heads.
    """

    padding: Literal["longest", "max_length"]
    attention_mask: bool
    text_end: TextEnd | None = None
    lowercase: bool = False
    context_length: int | None = None
    network: str = "AutoModel"
    towers: str = ""
    any_image_size: bool = False
    encodes_images: bool = True
    capabilities: Mapping[str, Callable[[Any], object]] = field(default_factory=dict)


def without_heads(family: Family, classes: Sequence[str] | None) -> Family:
    """The family of a network that has the bare towers alone: it is asked as what it is, and can do no more.

    Args:
        classes: the names of the classes that the network was saved from, or is of; None or empty if they are unknown.
    """
    if family.network == "AutoModel" or not classes or family.network in classes:
        return family
    return replace(family, network="AutoModel", towers="", capabilities={})
