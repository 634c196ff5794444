"""Defines what the adapter must know of a family of transformers checkpoints. :mod:`.families` lists the families."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch

from vlmbench.cards import ModelCard
from vlmbench.errors import UnsupportedError
from vlmbench.models.base import Model
from vlmbench.models.transformers.context_length import positions
from vlmbench.models.transformers.feature_calls import (
    PIXELS,
    ImageFeatures,
    LogitScale,
    TextFeatures,
    library_image_features,
    library_text_features,
    stored_scale,
)
from vlmbench.wording import listed

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
        saved_as_network: whether only checkpoints that were saved as ``network`` have the weights that the model needs.
        any_image_size: whether its image tower takes images of any size. If not, the processor must have the network's.
        options: the options of a model card that only some families have, such as ``top_k``.
        other_classes: the families of further classes that checkpoints of this model type name in ``architectures``. If
            it is not empty, a checkpoint that names none of the classes is refused.
    """

    model: Callable[[Any, Parts], Model]
    network: str = "AutoModel"
    saved_as_network: bool = False
    any_image_size: bool = False
    options: frozenset[str] = frozenset()
    other_classes: Mapping[str, Family] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EncoderFamily(Family):
    """How the adapter loads and calls one family of checkpoints that encode texts; most encode images too.

    Attributes:
        padding: whether texts are padded to the longest of the batch, or always to the full length.
        attention_mask: whether the text tower gets a mask of the padding.
        text_end: the token at which a causal text tower pools; later tokens have no effect. None: it is not causal.
        lowercase: the family was trained on lower-case text; a remark tells if the tokenizer keeps the case.
        context_length: the number of tokens after which texts are cut, or a function that finds it from the network's
            configuration and the tokenizer.
        towers: the attribute of the network that holds the two towers; empty: the network itself holds them.
        encodes_images: whether its checkpoints have a trained projection of whole images.
        pixel_names: the tensors of the image processor that the image tower takes. If there are several, an image is a
            mapping of these names.
        image_features: encodes images.
        text_features: encodes token ids.
        logit_scale: the factor of the logits.
        capabilities: maps a protocol's name to a function that makes the capability from a
            :class:`~vlmbench.models.transformers.model.TransformersModel` with the heads.
    """

    padding: Literal["longest", "max_length"]
    attention_mask: bool
    text_end: TextEnd | None = None
    lowercase: bool = False
    context_length: int | Callable[[Any, Any], int] = positions
    towers: str = ""
    encodes_images: bool = True
    pixel_names: tuple[str, ...] = PIXELS
    image_features: ImageFeatures = library_image_features
    text_features: TextFeatures = library_text_features
    logit_scale: LogitScale = stored_scale
    capabilities: Mapping[str, Callable[[Any], object]] = field(default_factory=dict)

    def length(self, config: Any, tokenizer: Any) -> int:
        """The number of tokens after which texts are cut."""
        return self.context_length if isinstance(self.context_length, int) else self.context_length(config, tokenizer)


def of_classes(family: Family, classes: Sequence[str] | None, where: str) -> Family:
    """The family of a network, by its class.

    A network that has the bare towers alone, without the family's heads, is asked as what it is, and can do no more.

    Args:
        classes: the names of the classes that the network was saved from, or is of; None or empty if they are unknown.
        where: the checkpoint, for the message.

    Raises:
        UnsupportedError: the family knows its classes, and this is not one of them.
    """
    if family.network == "AutoModel" or not classes or family.network in classes:
        return family
    for name in classes:
        if name in family.other_classes:
            return family.other_classes[name]
    if family.other_classes or family.saved_as_network:
        known = listed([family.network, *family.other_classes], "or")
        raise UnsupportedError(
            f"{where}: the class {listed(list(classes))} has no features of images and of texts in one space",
            hint=f"Of this model type, vlmbench can use {known}.",
        )
    return (
        replace(family, network="AutoModel", towers="", capabilities={})
        if isinstance(family, EncoderFamily)
        else family
    )
