"""What differs from one family of transformers checkpoints to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

TextEnd = Literal["eos", "eos unless 2", "highest id"]
"""Where a causal text tower pools: at the first end-of-text token of its config, or at the token of the highest id.
``eos unless 2``: the end-of-text id 2 of old CLIP configs is wrong, and the library then takes the highest id."""


@dataclass(frozen=True)
class Family:
    """How one family of checkpoints is called.

    Attributes:
        padding: how texts are padded: to the batch's longest, or always to the full length.
        attention_mask: whether the text tower is told of the padding.
        text_end: where a causal text tower pools, so that what follows cannot matter; None: it is not causal.
        lowercase: the family was trained on lower-case text; a tokenizer that keeps case earns a note.
        context_length: where texts are cut; None: at the last of the config's positions.
        network: the transformers class that has the family's heads.
        towers: the attribute under which that class keeps the two towers; empty: it is them.
        any_image_size: whether its image tower takes images of any size.
        encodes_images: whether its checkpoints have a trained projection of whole images.
        capabilities: by protocol, what makes it of a :class:`~vlmbench.models.transformers.model.TransformersModel`
            that has the heads.
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
