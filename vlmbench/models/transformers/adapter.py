"""Dual encoders, detectors and segmenters of the transformers library, from a local folder or a hub repository.

Weights, tokenizer and image processor are the checkpoint's own, called as the library's documentation calls them. What
differs between families is one entry of :data:`FAMILIES`. safetensors files are preferred by the library, and ``.bin``
files are read with ``weights_only``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import PIL.Image
import torch
import torch.nn.functional as F
import transformers
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError, UnsupportedError
from vlmbench.models.base import LoadOptions, ModelIdentity
from vlmbench.models.hub_access import hub_access, quiet_transformers
from vlmbench.models.options import Kinds, check_options
from vlmbench.models.towers.weights import count_parameters, huggingface_rules_sha256, library_versions, state_sha256
from vlmbench.models.transformers.checkpoint import (
    checkpoint,
    forward_config,
    loaded,
    refuse_incomplete,
    refuse_wordless,
)
from vlmbench.models.transformers.families import FAMILIES, Family
from vlmbench.models.transformers.packed_text import packed_text_encoder
from vlmbench.models.transformers.patches import dense_encoder

OPTIONS: Mapping[str, Kinds] = {"revision": (str,), "lowercase": (bool,), "top_k": (int,)}
"""``revision``: a commit, branch or tag of the hub repository. ``lowercase``: lower the texts before the tokenizer.
``top_k``: a detector's so many best pairs of a box and a text, instead of each box with its best text."""

LEGACY_EOS = 2


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
        kind = getattr(transformers, family.network)
        weights = {"config": config, "output_loading_info": True, "ignore_mismatched_sizes": True}  # refused below
        network, info = loaded(spec, options, "weights", kind, {**common, **weights})
        refuse_incomplete(spec, info)
        tokenizer = loaded(spec, options, "tokenizer", transformers.AutoTokenizer, common)
        refuse_wordless(spec, tokenizer)
        processor = loaded(spec, options, "image processor", transformers.AutoImageProcessor, common)
    notes = [f"weights that the model has no place for: {sorted(info['unexpected_keys'])[:3]}"]
    return TransformersModel(
        card, family, network.float(), tokenizer, processor, options.device, notes if info["unexpected_keys"] else []
    )


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


class TransformersModel:
    """A transformers dual encoder behind the ``VisionLanguageModel`` protocol, and what its heads offer.

    Attributes:
        network: the transformers module itself, for capabilities that need more of it.
        towers: the part of it that encodes images and texts.
        processor: the checkpoint's image processor.
    """

    def __init__(
        self,
        card: ModelCard,
        family: Family,
        network: Any,
        tokenizer: Any,
        processor: Any,
        device: str,
        notes: Sequence[str],
    ) -> None:
        self.card = card
        self.device = device
        self.family = family
        self.network = network
        self.no_image_features = family.no_image_features
        self.towers = network.get_submodule(family.towers)
        bias = getattr(self.towers, "logit_bias", None)
        self.logit_scale = _logit_scale(self.towers)
        self.logit_bias = 0.0 if bias is None else float(bias.item())
        self.max_length = family.context_length or int(network.config.text_config.max_position_embeddings)
        self.lowercase = bool(card.options.get("lowercase", False))
        self._tokenizer = tokenizer
        self.processor = processor
        self.identity = ModelIdentity(
            weights_sha256=state_sha256(network),
            parameters=count_parameters(network),
            architecture=f"{type(network).__name__} {forward_config(network.config)}",
            preprocess=f"{type(processor).__name__} {json.dumps(processor.to_dict(), sort_keys=True, default=str)}",
            tokenizer=f"{type(tokenizer).__name__}(max_length={self.max_length}, padding={family.padding!r}, "
            f"lowercase={self.lowercase}, rules_sha256={huggingface_rules_sha256(tokenizer)})",
            libraries=library_versions("transformers", "tokenizers", "torchvision"),
            notes=(*notes, *self._case_notes()),
        )
        self.network.to(device).eval().requires_grad_(False)
        with torch.inference_mode():
            self.embedding_dim = int(self.project_text(["a"]).shape[-1])
        causal = CausalTextEncoder(self) if _reads_from_the_left(family, tokenizer) else None
        offered = {
            "PrefixTextEncoder": causal,
            "PackedTextEncoder": packed_text_encoder(self.towers, causal),
            "DenseEncoder": dense_encoder(card.name, self.network, processor),
            **{name: offer(self) for name, offer in family.capabilities.items()},
        }
        self.capabilities: Mapping[str, object] = {name: what for name, what in offered.items() if what is not None}

    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        return self._pixels(image)

    def preprocess_whole(self, image: PIL.Image.Image) -> Tensor:
        """As :meth:`preprocess`, but where that cuts out the middle, the whole image is squeezed into the square.

        For boxes and masks, which are of the whole image.
        """
        if not getattr(self.processor, "do_center_crop", False):
            return self._pixels(image)
        crop = self.processor.to_dict()["crop_size"]
        return self._pixels(image, do_center_crop=False, size={"height": crop["height"], "width": crop["width"]})

    def _pixels(self, image: PIL.Image.Image, **changes: Any) -> Tensor:
        # Some checkpoints leave the conversion to the caller; of an image that is RGB already it changes nothing.
        batch = self.processor(images=image, return_tensors="pt", do_convert_rgb=True, **changes)
        return cast(Tensor, batch["pixel_values"][0])

    def encode_image(self, pixels: Tensor) -> Tensor:
        if self.family.no_image_features:
            raise UnsupportedError(
                f"{self.card.name} has no features of whole images: {self.family.no_image_features}",
                hint=f"It can be asked what needs {', '.join(self.family.capabilities)}.",
            )
        return F.normalize(_pooled(self.towers.get_image_features(pixel_values=pixels)), dim=-1)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return F.normalize(self.project_text(texts), dim=-1)

    def project_text(self, texts: Sequence[str]) -> Tensor:
        """N strings to (N, D), of the length that the tower gives them."""
        if not texts:
            return torch.zeros(0, self.embedding_dim, device=self.device)
        batch = self.tokenize(texts)
        mask = batch["attention_mask"].to(self.device) if self.family.attention_mask else None
        return self.project_ids(batch["input_ids"].to(self.device), mask)

    def tokenize(self, texts: Sequence[str]) -> Any:
        """N strings to the tokenizer's batch: ``input_ids`` (N, L), and ``attention_mask`` where the family has one."""
        lowered = [text.lower() for text in texts] if self.lowercase else list(texts)
        return self._tokenizer(
            lowered,
            padding=self.family.padding,
            truncation=True,
            max_length=self.max_length,
            return_attention_mask=self.family.attention_mask,
            return_tensors="pt",
        )

    def project_ids(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """(N, L) ids and their mask, or None, to (N, D)."""
        return _pooled(self.towers.get_text_features(input_ids=input_ids, attention_mask=attention_mask))

    def _case_notes(self) -> list[str]:
        if not self.family.lowercase or self.lowercase:
            return []
        upper, lower = (self.tokenize([text])["input_ids"] for text in ("A Photo", "a photo"))
        if torch.equal(upper, lower):
            return []
        return ["the tokenizer keeps case, and this family was trained on lower case: option lowercase: true lowers it"]


class CausalTextEncoder:
    """The ``PrefixTextEncoder`` of a causal family: ids cut behind the end of text, where no mask is needed."""

    def __init__(self, model: TransformersModel) -> None:
        self._model = model
        eos_id = model.network.config.text_config.eos_token_id
        end = model.family.text_end
        highest = end == "highest id" or (end == "eos unless 2" and eos_id == LEGACY_EOS)
        self._eos_id: int | None = None if highest else int(eos_id)

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        return cast(Tensor, self._model.tokenize(texts)["input_ids"]) if texts else torch.zeros(0, 1, dtype=torch.long)

    def lengths(self, tokens: Tensor) -> Tensor:
        ends = tokens if self._eos_id is None else tokens.eq(self._eos_id).int()
        return ends.argmax(dim=-1) + 1

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        return F.normalize(self._model.project_ids(tokens, None), dim=-1)


def _reads_from_the_left(family: Family, tokenizer: Any) -> bool:
    return family.text_end is not None and tokenizer.padding_side == "right"


def _logit_scale(towers: Any) -> float:
    """ALIGN has a temperature, which it divides by; the others the logarithm of a factor."""
    if hasattr(towers, "temperature"):
        return 1.0 / float(towers.temperature.item())
    return float(towers.logit_scale.exp().item())


def _pooled(output: Any) -> Tensor:
    """The features: the library returned them bare until version 5, and as ``pooler_output`` since.

    FLAVA projects every token; its pooled one is the first (``FlavaForPreTraining.forward``).
    """
    features = cast(Tensor, output if isinstance(output, Tensor) else output.pooler_output)
    return features[:, 0] if features.ndim == 3 else features
