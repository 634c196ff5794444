"""Dual encoders of the transformers library: CLIP and SigLIP families, from a local folder or a hub repository.

Weights, tokenizer and image processor are the checkpoint's own, called as the library's documentation calls them. What
differs between families is one entry of :data:`FAMILIES`. safetensors files are preferred by the library, and ``.bin``
files are read with ``weights_only``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import PIL.Image
import torch
import torch.nn.functional as F
import transformers
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models.base import LoadOptions, ModelIdentity
from vlmbench.models.hub import fetch_error, hub_access, quiet_transformers
from vlmbench.models.options import Kinds, check_options
from vlmbench.models.transformers_dense import dense_encoder
from vlmbench.models.weights import count_parameters, huggingface_rules_sha256, library_versions, state_sha256

OPTIONS: Mapping[str, Kinds] = {"revision": (str,), "lowercase": (bool,)}
"""``revision``: a commit, branch or tag of the hub repository. ``lowercase``: lower the texts before the tokenizer."""


@dataclass(frozen=True)
class Family:
    """How one family of checkpoints is called.

    Attributes:
        padding: how texts are padded: to the batch's longest, or always to the full length.
        attention_mask: whether the text tower is told of the padding.
        causal: the text tower is causal and pools at the first end-of-text token, so that what follows cannot matter.
        lowercase: the family was trained on lower-case text; a tokenizer that keeps case earns a note.
    """

    padding: Literal["longest", "max_length"]
    attention_mask: bool
    causal: bool
    lowercase: bool = False


FAMILIES: Mapping[str, Family] = {
    # model_type of the checkpoint's config.json: each calls its features get_image_features and get_text_features.
    "clip": Family(padding="longest", attention_mask=True, causal=True),
    # Trained on full-length texts without a mask (transformers docs, model_doc/siglip); so is fixed-size SigLIP 2.
    "siglip": Family(padding="max_length", attention_mask=False, causal=False, lowercase=True),
}

LEGACY_EOS = 2
"""The end-of-text id in old CLIP configs is wrong; the library then takes the highest id (CLIPTextModel.forward)."""


def load(card: ModelCard, options: LoadOptions) -> TransformersModel:
    """The adapter.

    Raises:
        ModelError: an unknown option or family; a checkpoint that is missing, not to be fetched, broken or incomplete.
    """
    check_options(card, OPTIONS)
    spec = _spec(card.spec)
    common = {
        "revision": card.options.get("revision", "main"),
        "local_files_only": options.offline,
        "trust_remote_code": options.trust_remote_code,
    }
    with hub_access(offline=options.offline), quiet_transformers():
        config = _loaded(spec, options, "config", transformers.AutoConfig, common)
        family = FAMILIES.get(config.model_type)
        if family is None:
            raise ModelError(
                f"{spec}: model type {config.model_type!r} is none that the transformers adapter knows",
                hint=f"It knows {', '.join(FAMILIES)}; many others load through the adapter open_clip.",
            )
        weights = {"config": config, "output_loading_info": True, "ignore_mismatched_sizes": True}  # refused below
        network, info = _loaded(spec, options, "weights", transformers.AutoModel, {**common, **weights})
        _refuse_incomplete(spec, info)
        tokenizer = _loaded(spec, options, "tokenizer", transformers.AutoTokenizer, common)
        processor = _loaded(spec, options, "image processor", transformers.AutoImageProcessor, common)
    notes = [f"weights that the model has no place for: {sorted(info['unexpected_keys'])[:3]}"]
    return TransformersModel(
        card, family, network.float(), tokenizer, processor, options.device, notes if info["unexpected_keys"] else []
    )


class TransformersModel:
    """A transformers dual encoder behind the ``VisionLanguageModel`` protocol.

    Attributes:
        network: the transformers module itself, for capabilities that need more of it.
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
        bias = getattr(network, "logit_bias", None)
        self.logit_scale = float(network.logit_scale.exp().item())
        self.logit_bias = 0.0 if bias is None else float(bias.item())
        self.max_length = int(network.config.text_config.max_position_embeddings)
        self.lowercase = bool(card.options.get("lowercase", False))
        self._tokenizer = tokenizer
        self._processor = processor
        self.identity = ModelIdentity(
            weights_sha256=state_sha256(network),
            parameters=count_parameters(network),
            architecture=f"{type(network).__name__} {_forward_config(network.config)}",
            preprocess=f"{type(processor).__name__} {json.dumps(processor.to_dict(), sort_keys=True, default=str)}",
            tokenizer=f"{type(tokenizer).__name__}(max_length={self.max_length}, padding={family.padding!r}, "
            f"lowercase={self.lowercase}, rules_sha256={huggingface_rules_sha256(tokenizer)})",
            libraries=library_versions("transformers", "tokenizers", "torchvision"),
            notes=(*notes, *self._case_notes()),
        )
        self.network = network.to(device).eval().requires_grad_(False)
        with torch.inference_mode():
            self.embedding_dim = int(self.encode_text(["a"]).shape[-1])
        prefix = CausalTextEncoder(self) if family.causal and tokenizer.padding_side == "right" else None
        offered = {"PrefixTextEncoder": prefix, "DenseEncoder": dense_encoder(card.name, network, processor)}
        self.capabilities: Mapping[str, object] = {name: what for name, what in offered.items() if what is not None}

    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        # Some checkpoints leave the conversion to the caller; of an image that is RGB already it changes nothing.
        batch = self._processor(images=image, return_tensors="pt", do_convert_rgb=True)
        return cast(Tensor, batch["pixel_values"][0])

    def encode_image(self, pixels: Tensor) -> Tensor:
        return F.normalize(_pooled(self.network.get_image_features(pixel_values=pixels)), dim=-1)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        if not texts:
            return torch.zeros(0, self.embedding_dim, device=self.device)
        batch = self.tokenize(texts)
        mask = batch["attention_mask"].to(self.device) if self.family.attention_mask else None
        return self.encode_ids(batch["input_ids"].to(self.device), mask)

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

    def encode_ids(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """(N, L) ids and their mask, or None, to (N, D), unit length."""
        return F.normalize(
            _pooled(self.network.get_text_features(input_ids=input_ids, attention_mask=attention_mask)), dim=-1
        )

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
        self._eos_id = int(model.network.config.text_config.eos_token_id)

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        return cast(Tensor, self._model.tokenize(texts)["input_ids"]) if texts else torch.zeros(0, 1, dtype=torch.long)

    def lengths(self, tokens: Tensor) -> Tensor:
        ends = tokens if self._eos_id == LEGACY_EOS else tokens.eq(self._eos_id).int()
        return ends.argmax(dim=-1) + 1

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        return self._model.encode_ids(tokens, None)


def _pooled(output: Any) -> Tensor:
    """The features: the library returned them bare until version 5, and as ``pooler_output`` since."""
    return cast(Tensor, output if isinstance(output, Tensor) else output.pooler_output)


def _spec(spec: str) -> str:
    """A local folder, or a hub repository's name.

    Raises:
        ModelError: nothing is named, or a path that does not exist or holds no model.
    """
    if not spec:
        raise ModelError("the transformers adapter needs a spec", hint="A local folder, or ORG/REPO of the hub.")
    folder = Path(spec).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"{folder.absolute()} has no config.json", hint="It should be what save_pretrained writes."
            )
        return str(folder)
    if spec.startswith(("/", "./", "../", "~")) or spec.count("/") > 1:
        raise ModelError(f"no folder at {folder.absolute()}", hint="Hub repositories are written ORG/REPO.")
    return spec


def _loaded(spec: str, options: LoadOptions, what: str, kind: Any, arguments: Mapping[str, Any]) -> Any:
    try:
        return kind.from_pretrained(spec, **arguments)
    except Exception as error:  # the library raises whatever files and network made it raise
        if "trust_remote_code" in str(error) and not options.trust_remote_code:
            raise ModelError(
                f"{spec}: its {what} comes with Python code of its own, which is not run unasked",
                hint="Read it, and pass --trust-remote-code if you trust it.",
            ) from error
        if Path(spec).is_dir():
            raise ModelError(f"{spec}: the {what} cannot be loaded: {type(error).__name__}: {error}") from error
        if isinstance(error, OSError):
            raise fetch_error(f"the {what} of {spec}", error, offline=options.offline, repository=spec) from error
        raise ModelError(f"the {what} of {spec} cannot be loaded: {type(error).__name__}: {error}") from error


def _refuse_incomplete(spec: str, info: Mapping[str, Any]) -> None:
    """The library draws what a checkpoint lacks at random and goes on; features of such a model mean nothing."""
    lacking = sorted(map(str, info["missing_keys"])) + sorted(map(str, info.get("mismatched_keys", ())))
    if lacking:
        raise ModelError(
            f"{spec}: the checkpoint lacks {len(lacking)} of the model's weights, such as {', '.join(lacking[:3])}",
            hint="It may hold one tower only, or belong to another configuration.",
        )


def _forward_config(config: Any) -> str:
    """The configuration without what has no part in the forward pass, such as the path it was loaded from."""
    aside = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"}

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kept(item) for key, item in value.items() if key not in aside}
        return value

    return json.dumps(kept(config.to_dict()), sort_keys=True, default=str)
