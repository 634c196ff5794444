"""Defines the models that the transformers adapter returns: features of texts and images, and capabilities.

The engine and the tasks call them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.towers.token_reader import TextTokens, library_counts
from vlmbench.models.towers.weights import huggingface_rules_sha256
from vlmbench.models.transformers.family import EncoderFamily, Parts
from vlmbench.models.transformers.identity import parts_identity
from vlmbench.models.transformers.packed_text import packed_text_encoder
from vlmbench.models.transformers.patches import dense_encoder
from vlmbench.models.transformers.tunable import tunable_image_tower, tunable_towers
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import CASE_KEPT
from vlmbench.rgb import as_rgb

LEGACY_EOS = 2


class TransformersModel:
    """A transformers checkpoint that encodes texts and has the capabilities of its heads, but does not encode images.

    It serves families whose checkpoints have no trained projection of whole images.

    Attributes:
        network: the transformers module, for capabilities that use more of its parts.
        towers: the part of the network that encodes images and texts.
        processor: the checkpoint's image processor.
    """

    def __init__(self, family: EncoderFamily, parts: Parts) -> None:
        card, network, tokenizer, processor = parts.card, parts.network, parts.tokenizer, parts.processor
        self.card = card
        self.device = parts.device
        self.family = family
        self.network = network
        self.towers = network.get_submodule(family.towers)
        bias = getattr(self.towers, "logit_bias", None)
        self.logit_scale = _logit_scale(self.towers)
        self.logit_bias = 0.0 if bias is None else float(bias.item())
        self.max_length = family.context_length or int(network.config.text_config.max_position_embeddings)
        self.lowercase = bool(card.options.get("lowercase", False))
        self._tokenizer = tokenizer
        self.processor = processor
        self.identity = parts_identity(
            parts,
            f"{type(tokenizer).__name__}(max_length={self.max_length}, padding={family.padding!r}, "
            f"lowercase={self.lowercase}, rules_sha256={huggingface_rules_sha256(tokenizer)})",
        )
        self._tell_of_case()
        self.network.to(parts.device)
        with torch.inference_mode():
            self.embedding_dim = int(self.project_text(["a"]).shape[-1])
        causal = CausalTextEncoder(self) if _reads_from_the_left(family, tokenizer) else None
        offered = {
            "PrefixTextEncoder": causal,
            "PackedTextEncoder": packed_text_encoder(self.towers, causal),
            "DenseEncoder": dense_encoder(card.name, self.network, processor),
            "TokenReader": TextTokens(self.max_length, self.token_ids, self._uncut),
            "TunableTowers": tunable_towers(self.towers, causal),
            "TunableImageTower": tunable_image_tower(self.towers),
            **{name: offer(self) for name, offer in family.capabilities.items()},
        }
        self.capabilities: Mapping[str, object] = {name: what for name, what in offered.items() if what is not None}

    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        return self._pixels(image)

    def preprocess_whole(self, image: PIL.Image.Image) -> Tensor:
        """As :meth:`preprocess`, but the whole image is resized to the square, without a centre crop.

        Detectors and segmenters use it, because boxes and masks belong to the whole image.
        """
        if not getattr(self.processor, "do_center_crop", False):
            return self._pixels(image)
        crop = self.processor.to_dict()["crop_size"]
        return self._pixels(image, do_center_crop=False, size={"height": crop["height"], "width": crop["width"]})

    def _pixels(self, image: PIL.Image.Image, **changes: Any) -> Tensor:
        # Some checkpoints leave the conversion to the caller. The library's conversion knows no value ranges, and no
        # white background for transparent pixels.
        batch = self.processor(images=as_rgb(image), return_tensors="pt", **changes)
        return cast(Tensor, batch["pixel_values"][0])

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return F.normalize(self.project_text(texts), dim=-1)

    def project_text(self, texts: Sequence[str]) -> Tensor:
        """Encode N strings to (N, D), not normalised."""
        if not texts:
            return torch.zeros(0, self.embedding_dim, device=self.device)
        batch = self.tokenize(texts)
        mask = batch["attention_mask"].to(self.device) if self.family.attention_mask else None
        return self.project_ids(batch["input_ids"].to(self.device), mask)

    def tokenize(self, texts: Sequence[str]) -> Any:
        """Tokenise N strings: ``input_ids`` (N, L), and ``attention_mask`` if the family uses one."""
        return self._tokenizer(
            self._lowered(texts),
            padding=self.family.padding,
            truncation=True,
            max_length=self.max_length,
            return_attention_mask=self.family.attention_mask,
            return_tensors="pt",
        )

    def token_ids(self, texts: Sequence[str]) -> Tensor:
        """Map N strings to (N, L) ids; N may be 0."""
        return cast(Tensor, self.tokenize(texts)["input_ids"]) if texts else torch.zeros(0, 1, dtype=torch.long)

    def _uncut(self, texts: Sequence[str]) -> list[int]:
        return library_counts(self._tokenizer, self._lowered(texts))

    def _lowered(self, texts: Sequence[str]) -> list[str]:
        return [text.lower() for text in texts] if self.lowercase else list(texts)

    def project_ids(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Encode (N, L) ids, with their mask or None, to (N, D), not normalised."""
        return _pooled(self.towers.get_text_features(input_ids=input_ids, attention_mask=attention_mask))

    def _tell_of_case(self) -> None:
        if not self.family.lowercase or self.lowercase:
            return
        upper, lower = (self.tokenize([text])["input_ids"] for text in ("A Photo", "a photo"))
        if not torch.equal(upper, lower):
            say(
                CASE_KEPT,
                "the tokenizer keeps upper case, but the family was trained on lower case; "
                "set the option lowercase: true",
            )


class TransformersDualEncoder(TransformersModel):
    """A transformers dual encoder, a ``VisionLanguageModel``, with the capabilities of its heads."""

    def encode_image(self, pixels: Tensor) -> Tensor:
        return F.normalize(_pooled(self.towers.get_image_features(pixel_values=pixels)), dim=-1)


def encoder_model(family: EncoderFamily, parts: Parts) -> TransformersModel:
    """Make the model of a family that encodes texts."""
    return (TransformersDualEncoder if family.encodes_images else TransformersModel)(family, parts)


class CausalTextEncoder:
    """The ``PrefixTextEncoder`` of a causal family. Ids are cut after the end of text, so no mask is needed."""

    def __init__(self, model: TransformersModel) -> None:
        self._model = model
        eos_id = model.network.config.text_config.eos_token_id
        end = model.family.text_end
        highest = end == "highest id" or (end == "eos unless 2" and eos_id == LEGACY_EOS)
        self._eos_id: int | None = None if highest else int(eos_id)

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        return self._model.token_ids(texts)

    def lengths(self, tokens: Tensor) -> Tensor:
        ends = tokens if self._eos_id is None else tokens.eq(self._eos_id).int()
        return ends.argmax(dim=-1) + 1

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        return F.normalize(self._model.project_ids(tokens, None), dim=-1)


def _reads_from_the_left(family: EncoderFamily, tokenizer: Any) -> bool:
    return family.text_end is not None and tokenizer.padding_side == "right"


def _logit_scale(towers: Any) -> float:
    """The factor of the logits: 1 / temperature for ALIGN, the exponential of ``logit_scale`` for the others."""
    if hasattr(towers, "temperature"):
        return 1.0 / float(towers.temperature.item())
    return float(towers.logit_scale.exp().item())


def _pooled(output: Any) -> Tensor:
    """Take the features from the library's output: ``pooler_output`` since version 5, and the tensor itself before.

    FLAVA projects every token, and its pooled token is the first (``FlavaForPreTraining.forward``).
    """
    features = cast(Tensor, output if isinstance(output, Tensor) else output.pooler_output)
    return features[:, 0] if features.ndim == 3 else features
