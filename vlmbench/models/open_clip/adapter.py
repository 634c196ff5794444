"""Loads every architecture, tag, local checkpoint, local folder and hub repository of open_clip. Runs call it.

A spec is ``ARCH/TAG``, ``ARCH/path/to/checkpoint``, ``local-dir:PATH`` or ``hf-hub:ORG/REPO``. A spec does not fix the
activation and the image transform. :mod:`.activation_and_transform` chooses them, with remarks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import open_clip
import PIL.Image
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.errors import MissingDependencyError, ModelError, install_command
from vlmbench.models.base import LoadOptions, ModelIdentity
from vlmbench.models.hub_access import fetch_error, hub_access
from vlmbench.models.open_clip.build import Built, build, open_clip_log
from vlmbench.models.open_clip.byte_level import byte_level_tokenizer
from vlmbench.models.open_clip.dense.encoder import dense_encoder
from vlmbench.models.open_clip.libraries import refuse_without_libraries
from vlmbench.models.open_clip.packed_text import packed_text_encoder
from vlmbench.models.open_clip.spec import Source, parse_spec
from vlmbench.models.open_clip.text import (
    causal_text_encoder,
    describe_tokenizer,
    masked_text_encoder,
    token_reader,
    tokenized,
)
from vlmbench.models.open_clip.tunable import tunable_image_tower, tunable_towers
from vlmbench.models.options import Kinds, check_options
from vlmbench.models.towers.byte_pixels import open_clip_bytes
from vlmbench.models.towers.described import described, one_line_repr
from vlmbench.models.towers.weights import count_parameters, library_versions, state_sha256
from vlmbench.paths import user_path
from vlmbench.rgb import as_rgb

OPTIONS: Mapping[str, Kinds] = {
    "pretrained": (str,),
    "quick_gelu": (bool,),
    "image_size": (int, list),
    "image_mean": (list, tuple),
    "image_std": (list, tuple),
    "image_interpolation": (str,),
    "image_resize_mode": (str,),
    "context_length": (int,),
    "random_seed": (int,),
    "state_dict": (str,),
    "weights_file": (str,),
}
"""``state_dict`` picks one of a checkpoint's state dicts by its key (``model_ema``; nested: ``state.ema``).
``weights_file`` picks one of a folder's files by its name. ``random_seed`` makes random weights instead of loading
them, for tests and parity checks; the spec is then ``ARCH``."""


def load(card: ModelCard, options: LoadOptions) -> OpenClipModel:
    """Load a model.

    Raises:
        UnknownNameError: there is no such architecture or tag.
        ModelError: an option is unknown; weights are missing, corrupt, of another architecture, or not to be fetched.
        MissingDependencyError: the tokenizer or a tower needs a package that is not installed.
    """
    check_options(card, OPTIONS)
    seeded = "random_seed" in card.options
    source = parse_spec(card.spec, card.options.get("pretrained"), seeded=seeded)
    refuse_without_libraries(source)
    with hub_access(offline=options.offline):
        built = build(source, card.options, offline=options.offline)
        tokenizer = _tokenizer(source, built, card.options.get("context_length"), offline=options.offline)
    return OpenClipModel(card, built, tokenizer, torch.device(options.device))


class OpenClipModel:
    """An open_clip network as a ``VisionLanguageModel``.

    Args:
        built: the network, in evaluation mode, on any device.
        transform: an image to what the network takes; None: the network's own. With another transform the model offers
            no features of patches, since those take the network's own colours.

    Attributes:
        network: the open_clip module, for capabilities that use more of its parts.
    """

    def __init__(
        self,
        card: ModelCard,
        built: Built,
        tokenizer: Any,
        device: torch.device,
        transform: Callable[[PIL.Image.Image], Tensor] | None = None,
    ) -> None:
        network = cast(Any, built.network)
        self.card = card
        self.device = device
        self.embedding_dim = int(built.config["embed_dim"])
        self.logit_scale = float(network.logit_scale.exp().item())
        self.logit_bias = 0.0 if network.logit_bias is None else float(network.logit_bias.item())
        colours = PreprocessCfg(**network.visual.preprocess_cfg)
        own_transform = image_transform_v2(colours, is_train=False)
        self._transform = own_transform if transform is None else transform
        is_own = repr(self._transform) == repr(own_transform)
        self._tokenizer = tokenizer
        self.identity = ModelIdentity(
            weights_sha256=state_sha256(network),
            parameters=count_parameters(network),
            architecture=f"open_clip.{type(network).__name__} {json.dumps(built.config, sort_keys=True)}",
            preprocess=f"{colours} {one_line_repr(self._transform)}" if is_own else described(self._transform),
            tokenizer=describe_tokenizer(tokenizer),
            libraries=library_versions("open_clip_torch", "torchvision", "timm", "transformers", "tokenizers"),
            revision=built.revision,
        )
        self.network = network.to(device)
        causal = causal_text_encoder(network, tokenizer)
        offered = {
            "PrefixTextEncoder": causal or masked_text_encoder(network, tokenizer),
            "PackedTextEncoder": packed_text_encoder(network, tokenizer, causal),
            "DenseEncoder": dense_encoder(card.name, network, colours) if is_own else None,
            "BytePixels": open_clip_bytes(self._transform),
            "TokenReader": token_reader(tokenizer),
            "TunableTowers": tunable_towers(causal),
            "TunableImageTower": tunable_image_tower(network),
        }
        self.capabilities: Mapping[str, object] = {name: what for name, what in offered.items() if what is not None}

    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        return cast(Tensor, self._transform(as_rgb(image)))

    def encode_image(self, pixels: Tensor) -> Tensor:
        return cast(Tensor, self.network.encode_image(pixels, normalize=True))

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        if not texts:
            return torch.zeros(0, self.embedding_dim, device=self.device)
        tokens = tokenized(self._tokenizer, texts).to(self.device)
        return cast(Tensor, self.network.encode_text(tokens, normalize=True))


def _tokenizer(source: Source, built: Built, context_length: int | None, *, offline: bool) -> Any:
    if source.schema == "local-dir":
        folder = user_path(source.location)
        if plain := byte_level_tokenizer(folder, built.config["text_cfg"], context_length):
            return plain
    try:
        with open_clip_log():
            return open_clip.get_tokenizer(source.name, context_length=context_length)
    except ImportError as error:
        raise MissingDependencyError(
            f"the tokenizer of {source.name} needs a package that is not installed: {error}",
            hint=install_command(str(error.name or "transformers").split(".")[0]),
        ) from error
    except Exception as error:  # a fetch can fail in any way
        if source.schema == "local-dir":
            folder = Path(source.location).absolute()
            raise ModelError(f"{folder}: the tokenizer cannot be read: {error}") from error
        repository = built.config["text_cfg"].get("hf_tokenizer_name")
        raise fetch_error(f"the tokenizer of {source.name}", error, offline=offline, repository=repository) from error
