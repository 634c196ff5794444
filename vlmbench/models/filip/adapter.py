"""Loads FILIP's checkpoints of Sense-GVT/DeCLIP, a file of weights: ``filip:PATH``. Runs call it.

An image has a vector for each patch, and a text one for each of the 77 places of its tokens. The authors average over
all places, with those of the padding after a text, and so does this model: :mod:`.network` has the sources. The class
token, and the training's choice of the 16 best places, have no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import PIL.Image
import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

from vlmbench.cards import ModelCard
from vlmbench.models.base import LoadOptions, ModelIdentity
from vlmbench.models.filip.network import FilipNetwork, Sizes, built
from vlmbench.models.filip.weights import filip_weights, refuse_misfits
from vlmbench.models.multi_vector import Ensemble, Similarity
from vlmbench.models.open_clip.text import describe_tokenizer, token_reader, tokenized
from vlmbench.models.options import Kinds, check_options
from vlmbench.models.towers.byte_pixels import compose_bytes
from vlmbench.models.towers.described import one_line_repr
from vlmbench.models.towers.weights import count_parameters, library_versions, state_sha256
from vlmbench.paths import user_path
from vlmbench.rgb import as_rgb

OPTIONS: Mapping[str, Kinds] = {"state_dict": (str,)}
"""``state_dict``: the key of one of the state dicts in the file."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESIZE, CROP = 256, 224
"""The authors' transform ``ONECROP`` (prototype/data/imagenet_dataloader.py). A network of another image size has the
same proportion."""


def load(card: ModelCard, options: LoadOptions) -> FilipModel:
    """Load a model.

    Raises:
        ModelError: the option is unknown, or the file is missing, broken, or not of FILIP.
    """
    check_options(card, OPTIONS)
    path = user_path(card.spec)
    sizes, state = filip_weights(path, card.options.get("state_dict"))
    with torch.device("meta"):
        empty = FilipNetwork(sizes)
    refuse_misfits(str(path), empty.state_dict(), state)
    return FilipModel(card, sizes, built(sizes, state), torch.device(options.device))


class FilipModel:
    """A ``Model`` with the capability :class:`~vlmbench.models.multi_vector.MultiVectorEncoder`."""

    similarity: Similarity = "token-wise"
    ensemble: Ensemble = "mean of vectors"

    def __init__(self, card: ModelCard, sizes: Sizes, network: FilipNetwork, device: torch.device) -> None:
        self.card, self.device = card, device
        self.embedding_dim = sizes.dense_dim
        self.image_vectors, self.text_vectors = sizes.patches, sizes.context_length
        self.logit_scale = float(network.logit_scale_dense.exp())
        self._tokenizer = SimpleTokenizer(context_length=sizes.context_length)
        self._transform = Compose(
            [
                Resize(round(sizes.image_size * RESIZE / CROP), interpolation=InterpolationMode.BILINEAR),
                CenterCrop(sizes.image_size),
                ToTensor(),
                Normalize(MEAN, STD),
            ]
        )
        self.identity = ModelIdentity(
            weights_sha256=state_sha256(network),
            parameters=count_parameters(network),
            architecture=f"FILIP {sizes}, all patches and all places of tokens",
            preprocess=f"{one_line_repr(self._transform)} of RGB",
            tokenizer=describe_tokenizer(self._tokenizer),
            libraries=library_versions("open_clip_torch", "torchvision"),
        )
        self.network = network.to(device)
        offered = {
            "MultiVectorEncoder": self,
            "BytePixels": compose_bytes(self._transform),
            "TokenReader": token_reader(self._tokenizer),
        }
        self.capabilities: Mapping[str, object] = {name: what for name, what in offered.items() if what is not None}

    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        return cast(Tensor, self._transform(as_rgb(image)))

    def encode_image_vectors(self, pixels: Tensor) -> Tensor:
        return self.network.encode_patches(pixels)

    def encode_text_vectors(self, texts: Sequence[str]) -> Tensor:
        return self.network.encode_tokens(tokenized(self._tokenizer, texts).to(self.device))
