"""Recognises modules of open_clip and transformers, and chooses how a model in memory is made from a module.

A recognised module becomes the same model that its adapter loads from disk, so that its numbers are equal to the bit.
It must be in float32 and have the transform and tokenizer of its library. Any other module becomes a
:class:`~vlmbench.models.memory.encoders.ModuleModel`. :func:`vlmbench.as_model` calls :func:`recognised`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from vlmbench.cards import ModelCard
from vlmbench.errors import UsageError
from vlmbench.models.memory.encoders import ModuleModel, Parts, module_device, weights_dtype
from vlmbench.models.memory.inputs import LibraryTexts, Prepare, Tokenize
from vlmbench.models.towers.described import described_shortly
from vlmbench.models.transformers.family import EncoderFamily
from vlmbench.models.transformers.family import Parts as LoadedParts

MakeModel = Callable[[ModelCard], Any]


def recognised(parts: Parts) -> MakeModel:
    """A function that makes a model from the parts. The model has the weights that the module has at that moment.

    Raises:
        UsageError: a part is missing.
    """
    plain = parts.encode_image is None and parts.encode_text is None
    if plain and _is_open_clip(parts.module):
        return _open_clip(parts)
    if plain and hasattr(parts.module, "get_image_features") and hasattr(parts.module, "get_text_features"):
        return _transformers(parts)
    image = parts.encode_image or getattr(parts.module, "encode_image", None)
    text = parts.encode_text or getattr(parts.module, "encode_text", None)
    if image is None or text is None:
        lacking = "encode_image" if image is None else "encode_text"
        raise UsageError(
            f"as_model: {type(parts.module).__name__} has no method {lacking}",
            hint="Give functions: as_model(module, transform, tokenizer, encode_image=…, encode_text=…). Each takes a "
            "batch and returns features (B, D).",
        )
    prepare, tokenize = Prepare(parts.transform), Tokenize(parts.tokenizer)
    return lambda card: ModuleModel(card, parts, prepare, tokenize, image, text, tokenize.reader)


def _is_open_clip(module: nn.Module) -> bool:
    """Whether the module is a network of open_clip. If open_clip was not imported, it cannot be one."""
    library: Any = sys.modules.get("open_clip")
    return library is not None and type(module) in (library.CLIP, library.CustomTextCLIP, library.CoCa)


def _open_clip(parts: Parts) -> MakeModel:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    from vlmbench.models.open_clip.adapter import OpenClipModel
    from vlmbench.models.open_clip.build import Built
    from vlmbench.models.open_clip.text import token_reader

    network: Any = parts.module
    tokenize = Tokenize(parts.tokenizer)
    own = image_transform_v2(PreprocessCfg(**network.visual.preprocess_cfg), is_train=False)
    prepare = Prepare(parts.transform if parts.transform is not None else own)

    def make(card: ModelCard) -> Any:
        adapted = weights_dtype(network) is torch.float32 and parts.logit_scale is None and parts.logit_bias is None
        reader = token_reader(parts.tokenizer)
        if not adapted or reader is None:
            image, text = partial(network.encode_image), partial(network.encode_text)
            return ModuleModel(card, parts, prepare, tokenize, image, text, reader or tokenize.reader)
        config = {"embed_dim": _dimension(network, tokenize), "module": described_shortly(network)}
        built = Built(network, config)
        return OpenClipModel(card, built, parts.tokenizer, module_device(network), prepare.transform)

    return make


def _dimension(network: Any, tokenize: Tokenize) -> int:
    with torch.no_grad():
        return int(network.encode_text(tokenize(["a"], module_device(network))).shape[-1])


def _transformers(parts: Parts) -> MakeModel:
    from vlmbench.models.transformers.families import family_of
    from vlmbench.models.transformers.family import without_heads

    network: Any = parts.module
    kind = getattr(getattr(network, "config", None), "model_type", "")
    known = family_of(kind)
    family = without_heads(known, [type(network).__name__]) if isinstance(known, EncoderFamily) else None
    prepare, tokenize = Prepare(parts.transform), Tokenize(parts.tokenizer)
    if tokenize.is_library:
        if family is None or not family.encodes_images:
            raise UsageError(
                f"as_model: vlmbench does not know how the model type {kind!r} of transformers pads its texts",
                hint="Give a function of N texts as the tokenizer, and both encoders: encode_image=…, encode_text=….",
            )
        tokenize = Tokenize(parts.tokenizer, _texts_of(family, network))
    stated = parts.logit_scale is not None or parts.logit_bias is not None
    adapted = tokenize.is_library and prepare.is_processor and not stated

    def image(pixels: Any) -> Any:
        return network.get_image_features(pixel_values=pixels)

    def text(batch: Any) -> Any:
        return network.get_text_features(**batch) if isinstance(batch, dict) else network.get_text_features(batch)

    def make(card: ModelCard) -> Any:
        if adapted and family is not None and weights_dtype(network) is torch.float32:
            return _adapted(card, parts, family)
        return ModuleModel(card, parts, prepare, tokenize, image, text, tokenize.reader)

    return make


def _texts_of(family: EncoderFamily, network: Any) -> LibraryTexts:
    length = family.context_length or int(network.config.text_config.max_position_embeddings)
    masked = ("attention_mask",) if family.attention_mask else ()
    return LibraryTexts(family.padding, length, ("input_ids", *masked))


def _adapted(card: ModelCard, parts: Parts, family: EncoderFamily) -> Any:
    """The model that the transformers adapter would make."""
    from vlmbench.models.transformers.model import TransformersDualEncoder

    network: Any = parts.module
    return TransformersDualEncoder(
        family,
        LoadedParts(
            card=card,
            spec="",
            network=network,
            tokenizer=parts.tokenizer,
            processor=parts.transform,
            device=module_device(network),
        ),
    )
