"""What a model is here: all that a run can be asked with, dual encoders among them, and capabilities beside it.

An adapter is a function ``(card, options) -> Model``. It registers under a name, either in
:data:`vlmbench.models.ADAPTERS`, through the entry point group ``vlmbench.models``, or from a Python file that the
command line names. What the user must know of how a model was loaded, such as a corrected activation, the adapter says
with :func:`vlmbench.remarks.base.say`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

import PIL.Image
import torch
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.errors import UnsupportedError


@dataclass(frozen=True)
class LoadOptions:
    """How to load a model.

    Attributes:
        device: a torch device ("cpu", "cuda", "cuda:1", "mps").
        offline: never ask a hub; only files that are here already.
        trust_remote_code: let a hub repository's own Python code run. Off unless the user asked for it.
    """

    device: str = "cpu"
    offline: bool = False
    trust_remote_code: bool = False


@dataclass(frozen=True)
class ModelIdentity:
    """All that fixes a model's features: with equal identities, equal inputs give equal features.

    Attributes:
        weights_sha256: over every parameter's and buffer's name, type, shape and values.
        parameters: how many parameters the towers have.
        architecture: all that shapes the forward pass besides the weights, such as the configuration and activation.
        preprocess: the image transform in words, complete enough that two different transforms differ.
        tokenizer: the tokenizer in words, with its context length and a hash of its vocabulary.
        libraries: version of each package whose code makes the features.
        revision: the commit of the hub repository from which the weights were fetched; None for local files. The
            weights' hash says what they are, so it has no part in a run's id.
        stated: whether the other fields are all that fixes the features. False for an object whose code is not known:
            then nothing that was computed earlier is taken for its answer.
    """

    weights_sha256: str
    parameters: int
    architecture: str
    preprocess: str
    tokenizer: str
    libraries: Mapping[str, str]
    revision: str | None = None
    stated: bool = True

    @property
    def answers_again(self) -> bool:
        """Whether cached features and earlier records may stand for what the model would answer now."""
        return self.stated and bool(self.weights_sha256)


class Model(Protocol):
    """All that a run can be asked with: a dual encoder, a detector, or whatever offers a capability that a task needs.

    ``device`` is where its weights are; ``capabilities`` is by the protocol's name, see :func:`capability`.
    """

    card: ModelCard
    identity: ModelIdentity
    device: torch.device
    capabilities: Mapping[str, object]


Pixels: TypeAlias = Tensor | Mapping[str, Tensor]
"""An image as a model takes it: (3, H, W), or several tensors by name, such as pixels and which of them are padding."""


class VisionLanguageModel(Model, Protocol):
    """Images and texts into one space of ``embedding_dim`` dimensions: a dual encoder.

    ``preprocess`` is called from several threads at once. The encoders are called under ``torch.inference_mode``,
    possibly under autocast, with inputs on the model's device, and return features on that device.
    ``logit_scale`` is exp'd; it is 1.0 and ``logit_bias`` 0.0 where the model has none.
    """

    embedding_dim: int
    logit_scale: float
    logit_bias: float

    def preprocess(self, image: PIL.Image.Image) -> Pixels:
        """The model's own transform. Returns (3, H, W) float32, or several tensors by name.

        A run gives it RGB images alone. Users may have any: those of this package take them through
        :func:`vlmbench.rgb.as_rgb`, which leaves RGB as it is.
        """

    def encode_image(self, pixels: Any) -> Tensor:
        """(B, 3, H, W), or each tensor of a mapping with B rows, to (B, D), unit length."""

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N strings to (N, D), unit length. The plain path: every other way must give the same."""


ENCODERS = ("preprocess", "encode_image", "encode_text", "embedding_dim", "logit_scale", "logit_bias")
"""What a :class:`VisionLanguageModel` has beyond a :class:`Model`."""


_INSTEAD: Mapping[str, str] = {
    "Detector": "for boxes (-t demo-detection-native, or your own with -t coco:DIR)",
    "Segmenter": "for the class of each pixel (-t demo-segmentation)",
}
"""What a model can be asked that has a capability and no encoders."""
_OF_ENCODERS = frozenset({"PrefixTextEncoder", "PackedTextEncoder", "BytePixels", "TokenReader"})
"""Capabilities that make encoders faster or tell of them, and answer nothing by themselves."""


def lacks_encoders(model: Model) -> str | None:
    """Why the model is no :class:`VisionLanguageModel`, and what would help; None where it is one."""
    missing = [name for name in ENCODERS if not hasattr(model, name)]
    if not missing:
        return None
    named = [name for name in missing if name.startswith("encode_")] or missing
    able = [_INSTEAD.get(name, f"what needs {name}") for name in model.capabilities if name not in _OF_ENCODERS]
    instead = f"; this one can be asked {', and '.join(able)}" if able else ""
    return (
        f"it does not bring whole images and texts into one space (it lacks {', '.join(named)}). "
        f"That takes a dual encoder, such as -m demo-clip{instead}"
    )


def dual_encoder(model: Model) -> VisionLanguageModel:
    """The model, as one that encodes images and texts.

    Raises:
        UnsupportedError: it is none.
    """
    if reason := lacks_encoders(model):
        raise UnsupportedError(f"{model.card.name}: {reason}")
    return cast(VisionLanguageModel, model)


Adapter = Callable[[ModelCard, LoadOptions], Model]


@runtime_checkable
class PrefixTextEncoder(Protocol):
    """The capability of text towers whose features do not depend on what follows the text.

    Causal towers that pool at the end-of-text token have it (nothing after that token can reach it), and so have
    towers that mask their padding. Then sorting by length and cutting each batch to its longest text is exact.
    """

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """N strings to (N, L) int64 token ids, on the CPU, padded to the context length or the longest text."""

    def lengths(self, tokens: Tensor) -> Tensor:
        """(N, L) to (N,) int64: how many leading tokens each text needs."""

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        """(N, l) token ids on the model's device, l at least the longest length, to (N, D), unit length."""


@dataclass(frozen=True)
class TokenPacks:
    """B sequences that each hold a piece of a prefix tree of prompts, L nodes and E prompts at most.

    Attributes:
        tokens: (B, L) int64 token ids.
        depths: (B, L) int64, the position that each token has in its prompts.
        sees: (B, L, L) bool, whether the token of the row may see the token of the column: its ancestors and itself.
        ends: (B, E) int64, the place of each prompt's last token.
        ended: (B, E) bool, which of ``ends`` are prompts; the others fill up.
    """

    tokens: Tensor
    depths: Tensor
    sees: Tensor
    ends: Tensor
    ended: Tensor


@runtime_checkable
class PackedTextEncoder(Protocol):
    """The capability of causal text towers that can be walked with any mask and any positions.

    Then prompts that begin alike can share the work of their beginning, see :mod:`vlmbench.features.texts.prefix_tree`.
    ``tokenize`` and ``lengths`` are those of :class:`PrefixTextEncoder`.
    """

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """N strings to (N, L) int64 token ids, on the CPU."""

    def lengths(self, tokens: Tensor) -> Tensor:
        """(N, L) to (N,) int64: how many leading tokens each text needs; the last of them is where it is read."""

    def encode_packs(self, packs: TokenPacks) -> Tensor:
        """Packs of M prompts, on the model's device, to (M, D), unit length, pack by pack."""


@runtime_checkable
class TokenReader(Protocol):
    """The capability of models that can tell how much of a text they read.

    Tokens that the tokenizer puts around a text, such as its start and end, count wherever tokens are counted.
    """

    context_length: int
    """How many tokens of a text the model reads; of a longer one the end is cut off."""

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """N strings to (N, L) int64 token ids as the model reads them, cut and padded, on the CPU."""

    def token_counts(self, texts: Sequence[str]) -> Sequence[int]:
        """How many tokens each of N strings has before it is cut.

        Of a text that surely fits, any number up to the context length will do, so that it need not be tokenised.
        """


@runtime_checkable
class DenseEncoder(Protocol):
    """The capability of image towers that tell what is where: a feature for each patch, in the space of the texts.

    How patches are read out of a tower that was trained for one feature an image is a choice, and each published one
    has a name. None of them changes what ``encode_image`` gives.
    """

    readouts: tuple[str, ...]
    """The names of the readouts on offer, the default first."""
    patch_size: int
    """Pixels a side of the square that one feature stands for."""

    def normalise(self, image: PIL.Image.Image) -> Tensor:
        """An image in any mode to (3, H, W) float32 at its own size: the model's colours, without resizing or crop."""

    def encode_patches(self, pixels: Tensor, readout: str) -> Tensor:
        """(B, 3, H, W), H and W multiples of :attr:`patch_size`, to (B, D, h, w), unit length at each place.

        Raises:
            UnknownNameError: there is no such readout.
            ModelError: a height or width that is no multiple of the patch size.
        """


@dataclass(frozen=True)
class Detections:
    """What a detector found in one image, N boxes.

    Attributes:
        boxes: (N, 4) left, top, right, bottom in the image's own pixels.
        scores: (N,) higher is surer.
        labels: (N,) int64, which of the texts.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


@runtime_checkable
class Detector(Protocol):
    """The capability of models that find boxes for texts by themselves."""

    def detect(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        """RGB images and C texts to each image's boxes, as the library's own post-processing gives them, unfiltered
        by score (no threshold above 0) so that average precision sees the whole ranking."""


@runtime_checkable
class Segmenter(Protocol):
    """The capability of models that give every pixel a score for each text by themselves."""

    def segment(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Tensor]:
        """RGB images and C texts to each image's (C, H, W) scores at its own size; the highest wins."""


C = TypeVar("C")


def capability(model: Model, kind: type[C]) -> C | None:
    """What the model offers under this capability's name, or None.

    Args:
        kind: the capability's protocol, such as :class:`PrefixTextEncoder`; runtime checkable.
    """
    offered = model.capabilities.get(kind.__name__)
    return offered if isinstance(offered, kind) else None


@runtime_checkable
class BytePixels(Protocol):
    """The capability of image transforms whose last two steps are torchvision's ToTensor and Normalize.

    Then what comes before can stay in bytes, a quarter of the size, and the last two steps are taken for a whole batch
    at once, on the model's device. Both ways give the same bits.
    """

    def to_bytes(self, image: PIL.Image.Image) -> Pixels:
        """An image in any mode to (3, H, W) uint8: ``preprocess`` before ToTensor. Called from several threads.

        Where ``preprocess`` gives several tensors by name, so does this, the pixels among them as bytes.
        """

    def from_bytes(self, pixels: Any) -> Pixels:
        """(B, 3, H, W) uint8 on any device to float32 there: to the bit what ``preprocess`` gives for each image."""
