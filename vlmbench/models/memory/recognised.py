"""Recognises modules of open_clip and transformers, and chooses how a model in memory is made from a module.

A recognised module becomes the same model that its adapter loads from disk, so that its numbers are equal to the bit.
It must be in float32 and have the transform and tokenizer of its library. Any other module becomes a
:class:`~vlmbench.models.memory.encoders.ModuleModel`. :func:`vlmbench.as_model` calls :func:`recognised`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from vlmbench.cards import ModelCard
from vlmbench.errors import UsageError
from vlmbench.models.memory.encoders import ModuleModel, Parts, module_device, weights_dtype
from vlmbench.models.memory.inputs import LibraryTexts, Prepare, Tokenize
from vlmbench.models.towers.described import described_shortly
from vlmbench.models.transformers.family import EncoderFamily, of_classes
from vlmbench.models.transformers.family import Parts as LoadedParts
from vlmbench.models.transformers.feature_calls import PIXELS, library_image_features, stored_scale

MakeModel = Callable[[ModelCard], Any]


def recognised(parts: Parts) -> MakeModel:
    """A function that makes a model from the parts. The model has the weights that the module has at that moment.

    Raises:
        UsageError: a part is missing.
    """
    plain = parts.encode_image is None and parts.encode_text is None
    if plain and _is_open_clip(parts.module):
        return _open_clip(parts)
    if plain and _is_transformers(parts.module):
        return _transformers(parts)
    if plain and (make := _with_heads(parts)) is not None:
        return make
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


def _is_transformers(module: nn.Module) -> bool:
    """Whether the module has the feature calls of transformers, or is of a family that has calls of its own."""
    if all(hasattr(module, call) for call in ("get_image_features", "get_text_features")):
        return True
    return "transformers" in sys.modules and hasattr(module, "config") and _family(module) is not None


def _family(network: Any) -> EncoderFamily | None:
    """How vlmbench calls a network of transformers; None if no family lists it.

    Raises:
        UnsupportedError: its class has no features, unlike other classes of its model type.
    """
    from vlmbench.models.transformers.families import family_of

    known = family_of(getattr(getattr(network, "config", None), "model_type", ""))
    found = of_classes(known, [type(network).__name__], "as_model") if known is not None else None
    return found if isinstance(found, EncoderFamily) and found.encodes_images else None


def _transformers(parts: Parts) -> MakeModel:
    network: Any = parts.module
    family = _family(network)
    names = PIXELS if family is None else family.pixel_names
    prepare, tokenize = Prepare(parts.transform, names), Tokenize(parts.tokenizer)
    if tokenize.is_library:
        if family is None:
            kind = getattr(getattr(network, "config", None), "model_type", "")
            raise UsageError(
                f"as_model: vlmbench does not know how the model type {kind!r} of transformers pads its texts",
                hint="Give a function of N texts as the tokenizer, and both encoders: encode_image=…, encode_text=….",
            )
        tokenize = Tokenize(parts.tokenizer, _texts_of(family, network, parts.tokenizer))
    stated = parts.logit_scale is not None or parts.logit_bias is not None
    adapted = tokenize.is_library and prepare.is_processor and not stated
    image, text = _image_call(network, family), _text_call(network, family)

    def make(card: ModelCard) -> Any:
        if adapted and family is not None and weights_dtype(network) is torch.float32:
            return family.model(family, _loaded(card, parts))
        given = parts
        if family is not None and family.logit_scale is not stored_scale and parts.logit_scale is None:
            given = replace(parts, logit_scale=family.logit_scale(network.get_submodule(family.towers)))
        return ModuleModel(card, given, prepare, tokenize, image, text, tokenize.reader)

    return make


def _image_call(network: Any, family: EncoderFamily | None) -> Callable[[Any], Any]:
    if family is None:
        return partial(library_image_features, network)
    return partial(family.image_features, network.get_submodule(family.towers))


def _text_call(network: Any, family: EncoderFamily | None) -> Callable[[Any], Any]:
    """Encodes what a tokenizer returns: ids, or several tensors by their names."""

    def call(batch: Any) -> Any:
        named = dict(batch) if isinstance(batch, Mapping) else None
        if family is None or not (named is None or named.keys() <= {"input_ids", "attention_mask"}):
            return network.get_text_features(batch) if named is None else network.get_text_features(**named)
        towers = network.get_submodule(family.towers)
        if named is None:
            return family.text_features(towers, batch, None)
        return family.text_features(towers, named["input_ids"], named.get("attention_mask"))

    return call


def _with_heads(parts: Parts) -> MakeModel | None:
    """The model that the transformers adapter would make of a network without plain encoders, such as BLIP-2's.

    None if the module is of no such family, or its tokenizer and image processor are not the library's.
    """
    network: Any = parts.module
    kind = getattr(getattr(network, "config", None), "model_type", None)
    if not isinstance(kind, str) or "transformers" not in sys.modules:
        return None
    from vlmbench.models.transformers.families import family_of

    family = family_of(kind)
    if family is None or isinstance(family, EncoderFamily) or type(network).__name__ != family.network:
        return None
    whole = Tokenize(parts.tokenizer).is_library and Prepare(parts.transform).is_processor
    if not whole or parts.logit_scale is not None or weights_dtype(network) is not torch.float32:
        return None
    return lambda card: family.model(family, _loaded(card, parts))


def _texts_of(family: EncoderFamily, network: Any, tokenizer: Any) -> LibraryTexts:
    masked = ("attention_mask",) if family.attention_mask else ()
    return LibraryTexts(family.padding, family.length(network.config, tokenizer), ("input_ids", *masked))


def _loaded(card: ModelCard, parts: Parts) -> LoadedParts:
    network: Any = parts.module
    return LoadedParts(
        card=card,
        spec="",
        network=network,
        tokenizer=parts.tokenizer,
        processor=parts.transform,
        device=module_device(network),
    )
