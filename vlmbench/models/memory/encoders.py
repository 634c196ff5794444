"""Makes a dual encoder from a torch module of any library, its transform, its tokenizer and its two encoders.

:mod:`vlmbench.models.memory.recognised` uses it for modules that have no adapter of their own here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models.base import ModelIdentity, Pixels
from vlmbench.models.memory.inputs import Prepare, Tokenize
from vlmbench.models.towers.described import described_shortly
from vlmbench.models.towers.token_reader import TextTokens
from vlmbench.models.towers.weights import count_parameters, library_versions, state_sha256
from vlmbench.wording import counted

Encode = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a model that the caller gave. A part that was left out is None."""

    module: nn.Module
    transform: Any = None
    tokenizer: Any = None
    encode_image: Encode | None = None
    encode_text: Encode | None = None
    logit_scale: float | None = None
    logit_bias: float | None = None


class ModuleModel:
    """A torch module with the ``VisionLanguageModel`` protocol. It has the weights that the module has now.

    The module runs without gradients, but outside torch's inference mode. Some modules keep a computed tensor for
    later, such as a table of positions. If it were a tensor of the inference mode, training would fail afterwards.

    Pixels are converted to the type of the weights. Features are converted to float32, then scaled to unit length.

    Args:
        prepare: turns an image into pixels.
        tokenize: turns texts into the input of ``text``.
        image: encodes pixels (B, 3, H, W) as features (B, D).
        text: encodes the output of ``tokenize`` as features (N, D).
        reader: counts the tokens of texts; None if that is not possible.
    """

    def __init__(
        self,
        card: ModelCard,
        parts: Parts,
        prepare: Prepare,
        tokenize: Tokenize,
        image: Encode,
        text: Encode,
        reader: TextTokens | None = None,
    ) -> None:
        module = parts.module
        self.card = card
        self.device = module_device(module)
        self.network = module
        self.logit_scale, self.logit_bias = logit_factors(parts)
        self._prepare, self._tokenize, self._image, self._text = prepare, tokenize, image, text
        self._dtype = weights_dtype(module)
        self.identity = ModelIdentity(
            weights_sha256=state_sha256(module),
            parameters=count_parameters(module),
            architecture=described_shortly(module),
            preprocess=prepare.described,
            tokenizer=tokenize.described,
            libraries=library_versions("torchvision", "open_clip_torch", "timm", "transformers", "tokenizers"),
        )
        self.embedding_dim = 0
        self.embedding_dim = int(self.encode_text(["a"]).shape[-1])
        offered = {"BytePixels": prepare.byte_pixels, "TokenReader": reader}
        self.capabilities: Mapping[str, object] = {name: what for name, what in offered.items() if what is not None}

    def preprocess(self, image: PIL.Image.Image) -> Pixels:
        return self._prepare(image)

    def encode_image(self, pixels: Pixels) -> Tensor:
        with _outside_inference_mode():
            if isinstance(pixels, Mapping):
                named = {name: self._own(tensor) for name, tensor in pixels.items()}
                return self._unit_rows(self._image(named), "encode_image", len(next(iter(named.values()))))
            return self._unit_rows(self._image(pixels.to(self._dtype, copy=True)), "encode_image", len(pixels))

    def _own(self, tensor: Tensor) -> Tensor:
        """A copy, in the type of the weights if it holds real numbers."""
        return tensor.to(self._dtype, copy=True) if tensor.is_floating_point() else tensor.clone()

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        if not texts:
            return torch.zeros(0, self.embedding_dim, device=self.device)
        with _outside_inference_mode():
            return self._unit_rows(self._text(self._tokenize(texts, self.device)), "encode_text", len(texts))

    def _unit_rows(self, output: Any, what: str, rows: int) -> Tensor:
        """Features of any length, as a library returns them, to float32 rows of unit length.

        Raises:
            ModelError: it is no tensor of rows, one for each input and as long as those of the other encoder.
        """
        features = _features(output, what)
        if len(features) != rows or not features.shape[1]:
            raise ModelError(
                f"{what} of the module returned shape {tuple(features.shape)}, not one row of features for each "
                f"of {counted(rows, 'input')}"
            )
        if self.embedding_dim not in (0, features.shape[1]):
            raise ModelError(
                f"{what} of the module returned features of length {features.shape[1]}, and those of encode_text "
                f"have the length {self.embedding_dim}",
                hint="Both must be in one space: give the encoders with their projections.",
            )
        return F.normalize(features.float(), dim=-1)


@contextmanager
def _outside_inference_mode() -> Iterator[None]:
    with torch.inference_mode(False), torch.no_grad():
        yield


def _features(output: Any, what: str) -> Tensor:
    """Find the features in an encoder's output.

    Raises:
        ModelError: the output contains no tensor of real numbers with two dimensions.
    """
    for name in ("pooler_output", "image_embeds", "text_embeds"):
        if not isinstance(output, Tensor) and getattr(output, name, None) is not None:
            output = getattr(output, name)
    if not isinstance(output, Tensor) or output.ndim != 2 or output.is_complex() or output.is_sparse:
        found = f"a {type(output).__name__}"
        if isinstance(output, Tensor):
            found = (
                f"shape {tuple(output.shape)}" if output.ndim != 2 else f"a tensor of {output.dtype}, {output.layout}"
            )
        raise ModelError(
            f"{what} of the module returned {found}, not features (B, D)",
            hint="Give as_model a function that returns features: encode_image=… or encode_text=….",
        )
    return output


def module_device(module: nn.Module) -> torch.device:
    """The device of a module: that of its first parameter or buffer. It is the CPU if the module has neither."""
    first = next(iter([*module.parameters(), *module.buffers()]), None)
    return torch.device("cpu") if first is None else first.device


def weights_dtype(module: nn.Module) -> torch.dtype:
    """The floating-point type in which a module computes: that of its first convolution or linear layer.

    Other parameters are not asked first. Scales and positions often stay float32 in a module that is otherwise in 16
    bits.
    """
    layers = [layer.weight for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear)]
    floats = (value.dtype for value in (*layers, *module.parameters()) if value.dtype.is_floating_point)
    return next(floats, torch.float32)


def logit_factors(parts: Parts) -> tuple[float, float]:
    """The scale and the bias of the logits, as the caller gave them.

    If the caller left one out, it comes from the module. The module keeps the logarithm of the scale.

    Raises:
        ModelError: they are NaN or infinite.
    """
    scale, bias = (getattr(parts.module, name, None) for name in ("logit_scale", "logit_bias"))
    stated = parts.logit_scale
    if stated is None:
        stated = float(scale.float().exp().item()) if isinstance(scale, Tensor) and scale.numel() == 1 else 1.0
    added = parts.logit_bias
    if added is None:
        added = float(bias.item()) if isinstance(bias, Tensor) and bias.numel() == 1 else 0.0
    if not (math.isfinite(stated) and math.isfinite(added)):
        raise ModelError(
            f"the logits of the module have the factor {stated} and the bias {added}, which must be finite",
            hint="Its training may have diverged. Other factors: as_model(…, logit_scale=…, logit_bias=…).",
        )
    return stated, added
