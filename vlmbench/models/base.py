"""Defines the protocols of a model: what every model has, what a dual encoder has, and further capabilities.

Adapters implement them; the engine and the tasks use them. An adapter is a function ``(card, options) -> Model``. It
registers under a name in :data:`vlmbench.models.ADAPTERS`, through the entry point group ``vlmbench.models``, or from a
Python file that the command line names. If the user must know how a model was loaded, for example with a corrected
activation, the adapter reports it with :func:`vlmbench.remarks.base.say`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

import PIL.Image
import torch
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.errors import UnsupportedError
from vlmbench.run_lengths import RunLengths
from vlmbench.wording import listed


@dataclass(frozen=True)
class LoadOptions:
    """How to load a model.

    Attributes:
        device: a torch device ("cpu", "cuda", "cuda:1", "mps").
        offline: use only files on this machine, and never ask a hub.
        trust_remote_code: allow a hub repository to run its own Python code. Only the user may switch this on.
    """

    device: str = "cpu"
    offline: bool = False
    trust_remote_code: bool = False


@dataclass(frozen=True)
class ModelIdentity:
    """Everything that determines a model's features. With equal identities, equal inputs give equal features.

    Attributes:
        weights_sha256: a hash of the name, type, shape and values of every parameter and buffer.
        parameters: the number of parameters of the towers.
        architecture: everything but the weights that shapes the forward pass, such as configuration and activation.
        preprocess: the image transform in words, complete enough that two different transforms differ.
        tokenizer: the tokenizer in words, with its context length and a hash of its vocabulary.
        libraries: the version of each package whose code computes the features.
        revision: the commit of the hub repository from which the weights were fetched; None for local files. It is no
            part of a run's id, because the weights' hash is.
        stated: whether the other fields determine the features completely. False for an object whose code is unknown:
            then no earlier result counts as its answer.
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
        """Whether cached features and earlier records may be used in place of new answers of the model."""
        return self.stated and bool(self.weights_sha256)


class Model(Protocol):
    """Any model that a run can use: a dual encoder, a detector, or a model with another capability that a task needs.

    ``device`` holds its weights. ``capabilities`` maps a protocol's name to its implementation, see :func:`capability`.
    """

    card: ModelCard
    identity: ModelIdentity
    device: torch.device
    capabilities: Mapping[str, object]


Pixels: TypeAlias = Tensor | Mapping[str, Tensor]
"""An image as a model's input: (3, H, W), or several named tensors, such as the pixels and a mask of padding."""


class VisionLanguageModel(Model, Protocol):
    """A dual encoder: it maps images and texts into one space of ``embedding_dim`` dimensions.

    ``preprocess`` is called from several threads at once. The encoders are called under ``torch.inference_mode``,
    possibly under autocast, with inputs on the model's device, and return features on that device.
    ``logit_scale`` is the factor itself, not its logarithm. A model without a scale or bias has 1.0 or 0.0 there.
    """

    embedding_dim: int
    logit_scale: float
    logit_bias: float

    def preprocess(self, image: PIL.Image.Image) -> Pixels:
        """Apply the model's own transform. Returns (3, H, W) float32, or several named tensors.

        A run passes only RGB images. Users may pass other modes: models of this package convert them with
        :func:`vlmbench.rgb.as_rgb`, which does not change RGB images.
        """

    def encode_image(self, pixels: Any) -> Tensor:
        """Encode (B, 3, H, W), or a mapping of tensors with B rows, to (B, D), unit length."""

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Encode N strings to (N, D), unit length. Every other way to encode texts must give equal features."""


ENCODERS = ("preprocess", "encode_image", "encode_text", "embedding_dim", "logit_scale", "logit_bias")
"""The attributes that a :class:`VisionLanguageModel` has in addition to those of a :class:`Model`."""


_INSTEAD: Mapping[str, str] = {
    "Answers": "for the tasks whose answers are in its folder",
    "Detector": "for boxes (-t demo-detection-native, or your own with -t coco:DIR)",
    "InstanceSegmenter": "for the mask of each object (-t demo-instances)",
    "Segmenter": "for the class of each pixel (-t demo-segmentation)",
    "ClipEncoder": "for the zero-shot class of clips (in a card: kind: frames, options: {frames: N})",
    "MultiVectorEncoder": "for zero-shot classification and retrieval (-t demo-scenes, -t demo-retrieval)",
}
"""What a model without encoders can do, by its capability."""
_OF_ENCODERS = frozenset(
    {"PrefixTextEncoder", "PackedTextEncoder", "BytePixels", "TokenReader", "TunableTowers", "TunableImageTower"}
)
"""Capabilities that make encoders faster or describe them. A task cannot be answered with them alone."""


def lacks_encoders(model: Model) -> str | None:
    """Explain why the model is not a :class:`VisionLanguageModel` and what would help; None if it is one."""
    missing = [name for name in ENCODERS if not hasattr(model, name)]
    if not missing:
        return None
    named = [name for name in missing if name.startswith("encode_")] or missing
    others = [name for name in model.capabilities if name not in _OF_ENCODERS]
    able = [_INSTEAD.get(name, f"for tasks that need {name}") for name in others]
    instead = f". This model can be used {listed(able)}" if able else ""
    lacking = f"it does not map whole images and texts into one space (it lacks {listed(named)})"
    if "MultiVectorEncoder" in model.capabilities:
        lacking = "it gives an image several vectors, and not one"
    return f"{lacking}. The task needs a dual encoder, such as -m demo-clip{instead}"


def dual_encoder(model: Model) -> VisionLanguageModel:
    """The model, if it encodes images and texts.

    Raises:
        UnsupportedError: it is not a dual encoder.
    """
    if reason := lacks_encoders(model):
        raise UnsupportedError(f"{model.card.name}: {reason}")
    return cast(VisionLanguageModel, model)


Adapter = Callable[[ModelCard, LoadOptions], Model]


@runtime_checkable
class PrefixTextEncoder(Protocol):
    """The capability of text towers whose features do not depend on the padding after the text.

    Causal towers that pool at the end-of-text token have it, because later tokens cannot change that token. Towers that
    mask their padding have it, too. For both it is exact to sort by length and to cut each batch to its longest text.
    """

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Map N strings to (N, L) int64 token ids on the CPU, padded to the context length or to the longest text."""

    def lengths(self, tokens: Tensor) -> Tensor:
        """Map (N, L) to (N,) int64: the number of leading tokens that each text needs."""

    def encode_tokens(self, tokens: Tensor) -> Tensor:
        """Encode (N, l) token ids on the model's device to (N, D), unit length; l is at least the longest length."""


@dataclass(frozen=True)
class TokenPacks:
    """B sequences. Each holds a piece of a prefix tree of prompts, with at most L nodes and E prompts.

    Attributes:
        tokens: (B, L) int64 token ids.
        depths: (B, L) int64, the position of each token in its prompts.
        sees: (B, L, L) bool; [b, i, j] is true if token i attends to token j, which is i itself or an ancestor of i.
        ends: (B, E) int64, the place of each prompt's last token.
        ended: (B, E) bool, which of ``ends`` belong to prompts; the others are filling.
    """

    tokens: Tensor
    depths: Tensor
    sees: Tensor
    ends: Tensor
    ended: Tensor


@runtime_checkable
class PackedTextEncoder(Protocol):
    """The capability of causal text towers that can run with any attention mask and any positions.

    So a common beginning of prompts is computed only once, see :mod:`vlmbench.features.texts.prefix_tree`.
    ``tokenize`` and ``lengths`` are those of :class:`PrefixTextEncoder`.
    """

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Map N strings to (N, L) int64 token ids on the CPU."""

    def lengths(self, tokens: Tensor) -> Tensor:
        """Map (N, L) to (N,) int64: the number of leading tokens that each text needs. The last of them is pooled."""

    def encode_packs(self, packs: TokenPacks) -> Tensor:
        """Encode packs of M prompts on the model's device to (M, D), unit length, in the order of the packs."""


@runtime_checkable
class TokenReader(Protocol):
    """The capability of models that can tell how much of a text they read.

    All counts of tokens include those that the tokenizer adds around a text, such as start and end.
    """

    context_length: int
    """The number of tokens of a text that the model reads. Longer texts lose their end."""

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Map N strings to (N, L) int64 token ids on the CPU, cut and padded as the model reads them."""

    def token_counts(self, texts: Sequence[str]) -> Sequence[int]:
        """Count the tokens of each of N strings before the cut.

        For a text that certainly fits, any number up to the context length is allowed, so it need not be tokenised.
        """


@runtime_checkable
class DenseEncoder(Protocol):
    """The capability of image towers that give each patch a feature in the space of the texts.

    A tower was trained for one feature of the whole image, so there are several ways to read features of patches. Each
    published way, a readout, has a name. No readout changes the results of ``encode_image``.
    """

    readouts: tuple[str, ...]
    """The names of the readouts. The first is the default."""
    patch_size: int
    """The side, in pixels, of the square that one feature describes."""

    def normalise(self, image: PIL.Image.Image) -> Tensor:
        """Map an image in any mode to (3, H, W) float32 with the model's colours, without resizing or cropping."""

    def encode_patches(self, pixels: Tensor, readout: str) -> Tensor:
        """Encode (B, 3, H, W) to (B, D, h, w), unit length at each place. H and W are multiples of :attr:`patch_size`.

        Raises:
            UnknownNameError: there is no such readout.
            ModelError: a height or width is not a multiple of the patch size.
        """


@dataclass(frozen=True)
class Detections:
    """The N boxes that a detector found in one image.

    Attributes:
        boxes: (N, 4) left, top, right, bottom in the pixels of the original image.
        scores: (N,) higher is more certain.
        labels: (N,) int64, the index of the text of each box.
        masks: the mask of each box's object, of the size of the original image; None: the detector gives no masks.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: Sequence[RunLengths] | None = None


@runtime_checkable
class Detector(Protocol):
    """The capability of models that find boxes for texts with their own heads."""

    def detect(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        """Find boxes for C texts in RGB images.

        Returns:
            Each image's boxes as the library's own post-processing gives them. They are not filtered by score (no
            threshold above 0), so that average precision sees the whole ranking.
        """


@runtime_checkable
class InstanceSegmenter(Protocol):
    """The capability of models that find objects for texts, each with a box and a mask."""

    def segment_instances(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        """Find objects for C texts in RGB images.

        Returns:
            Each image's objects with masks. As in :meth:`Detector.detect`, no score is too low. Masks need far more
            memory than boxes, so only the objects with the highest scores should have one made.
        """


@runtime_checkable
class Segmenter(Protocol):
    """The capability of models whose own heads give every pixel a score for each text."""

    def segment(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Tensor]:
        """Score RGB images for C texts: (C, H, W) for each image at its original size. The highest score wins."""


@runtime_checkable
class Answers(Protocol):
    """The capability of systems that answered elsewhere: their answers are in a folder, one file or folder a task."""

    folder: Path
    """The folder of the answers."""

    def path(self, task: str, suffixes: Sequence[str]) -> Path | None:
        """The file of the answers to a task, or their folder; None if there is neither.

        Args:
            task: the task's name. :func:`vlmbench.paths.safe_name` makes a file name of it.
            suffixes: the endings of file names that the task's kind reads, such as ".csv"; "" for a folder.

        Raises:
            ModelError: there are two.
        """

    def names(self) -> Sequence[str]:
        """The names of all files and folders of answers."""

    def sha256(self, path: Path) -> str:
        """The hex hash of the content of such a file; for a folder, of the names and contents of all files in it.

        Raises:
            ModelError: it cannot be read.
        """


C = TypeVar("C")


def capability(model: Model, kind: type[C]) -> C | None:
    """The model's implementation of a capability, or None.

    Args:
        kind: the capability's protocol, such as :class:`PrefixTextEncoder`. It must be runtime checkable.
    """
    offered = model.capabilities.get(kind.__name__)
    return offered if isinstance(offered, kind) else None


@runtime_checkable
class BytePixels(Protocol):
    """The capability of image transforms whose last two steps are torchvision's ToTensor and Normalize.

    Images can then stay bytes, a quarter of the size, until they are on the model's device. The last two steps run
    there for a whole batch. Both ways give equal bits.
    """

    def to_bytes(self, image: PIL.Image.Image) -> Pixels:
        """Map an image in any mode to (3, H, W) uint8: ``preprocess`` up to ToTensor. Several threads call it at once.

        If ``preprocess`` returns several named tensors, so does this method, with the pixels as bytes.
        """

    def from_bytes(self, pixels: Any) -> Pixels:
        """Map (B, 3, H, W) uint8 on any device to float32 there, equal to ``preprocess`` of each image in every bit."""
