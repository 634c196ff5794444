"""Wraps the transform and the tokenizer of a model in memory, of any library, so that each is one call.

:class:`Prepare` turns an image into pixels, and :class:`Tokenize` turns texts into tokens.

:mod:`vlmbench.models.memory.encoders` and :mod:`vlmbench.models.memory.recognised` use them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import PIL.Image
import torch
from torch import Tensor

from vlmbench.errors import ModelError, UsageError
from vlmbench.models.base import BytePixels, Pixels
from vlmbench.models.towers.byte_pixels import compose_bytes, open_clip_bytes
from vlmbench.models.towers.described import described
from vlmbench.models.towers.token_reader import TextTokens, library_counts
from vlmbench.models.towers.weights import huggingface_rules_sha256, json_sha256
from vlmbench.rgb import as_rgb
from vlmbench.wording import listed

_MOST_CHANNELS = 4
_NO_LIMIT = 100_000
"""A larger limit means no limit: transformers writes 10^30 tokens for a tokenizer without a limit."""


@dataclass(frozen=True, eq=False)
class Prepare:
    """Turns an image of any mode into the pixels that the module takes.

    Args:
        transform: a function of an RGB image, or an image processor of transformers.
        names: the outputs of an image processor that the module takes. If there are several, pixels are a mapping.
    """

    transform: Any
    names: tuple[str, ...] = ("pixel_values",)

    def __post_init__(self) -> None:
        if not callable(self.transform):
            raise UsageError(
                "as_model: the module needs a transform, which turns an RGB image into a tensor (3, H, W)",
                hint="Give the transform for evaluation: as_model(module, transform, tokenizer).",
            )

    @property
    def is_processor(self) -> bool:
        return hasattr(self.transform, "to_dict") and hasattr(self.transform, "preprocess")

    def __call__(self, image: PIL.Image.Image) -> Pixels:
        """The pixels of an image: a tensor (3, H, W), or the named tensors that the module takes.

        Raises:
            ModelError: the transform returns something else.
        """
        picture = as_rgb(image)
        if len(self.names) > 1:
            return self._named(self.transform(picture) if not self.is_processor else self._processed(picture))
        pixels = self._processed(picture)["pixel_values"][0] if self.is_processor else self.transform(picture)
        if not isinstance(pixels, Tensor) or pixels.ndim != 3:
            found = f"shape {tuple(pixels.shape)}" if isinstance(pixels, Tensor) else f"a {type(pixels).__name__}"
            raise ModelError(
                f"the transform returned {found} for an image, not a tensor (3, H, W)",
                hint="Let the transform end with ToTensor() and Normalize(…).",
            )
        if not pixels.is_floating_point():
            kind = str(pixels.dtype).removeprefix("torch.")
            raise ModelError(
                f"the transform returned pixels of the type {kind}, not real numbers",
                hint="Let it end in ToTensor() and Normalize(…). If the module scales bytes, give pixels.float().",
            )
        if pixels.shape[0] > _MOST_CHANNELS >= pixels.shape[2]:
            raise ModelError(
                f"the transform returned the shape {tuple(pixels.shape)} of an image, with the channels last",
                hint="Give (3, H, W): pixels.permute(2, 0, 1).",
            )
        return pixels

    def _processed(self, picture: PIL.Image.Image) -> Any:
        return self.transform(images=picture, return_tensors="pt")

    def _named(self, made: Any) -> Mapping[str, Tensor]:
        """The tensors of the first image that an image processor made, or of the image that a function made."""
        missing = [name for name in self.names if not isinstance(made, Mapping) or name not in made]
        if missing:
            raise ModelError(
                f"the transform returned a {type(made).__name__} without {listed(missing)}",
                hint="Give the image processor of the checkpoint as the transform.",
            )
        return {name: made[name][0] if self.is_processor else made[name] for name in self.names}

    @property
    def described(self) -> str:
        """A text that describes the transform. It is a part of the model's identity."""
        if self.is_processor:
            return f"{type(self.transform).__name__} {json_sha256(self.transform.to_dict())}"
        return described(self.transform)

    @cached_property
    def byte_pixels(self) -> BytePixels | None:
        """The transform in two halves: workers send images as bytes, and the device does the rest.

        None if the last steps of the transform are not known.
        """
        if not hasattr(self.transform, "transforms") or not type(self.transform).__module__.startswith("torchvision."):
            return None
        return open_clip_bytes(self.transform) or compose_bytes(self.transform)


@dataclass(frozen=True)
class LibraryTexts:
    """How a network of transformers takes its texts.

    Attributes:
        padding: "longest" pads to the longest text of a batch, "max_length" to ``max_length``.
        max_length: the number of tokens after which texts are cut.
        tensors: the names of the tensors that its text encoder takes.
    """

    padding: str
    max_length: int
    tensors: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Tokenize:
    """Turns texts into the input of the module's text encoder.

    Args:
        tokenizer: a function of a list of texts, or a tokenizer of transformers.
        texts: how a tokenizer of transformers is called, and which of its tensors the encoder gets, by name. If it is
            None, the tokenizer pads to the longest text, and the encoder gets only the tensor of token ids.
    """

    tokenizer: Any
    texts: LibraryTexts | None = None

    def __post_init__(self) -> None:
        if not callable(self.tokenizer):
            raise UsageError(
                "as_model: the module needs a tokenizer, a list of texts to token ids",
                hint="Give it: as_model(module, transform, tokenizer).",
            )

    @property
    def is_library(self) -> bool:
        """Whether it is a tokenizer of transformers."""
        return hasattr(self.tokenizer, "model_max_length") and hasattr(self.tokenizer, "pad")

    @property
    def _most(self) -> int | None:
        if self.texts is not None:
            return self.texts.max_length
        most = self.tokenizer.model_max_length
        return int(most) if most < _NO_LIMIT else None

    def __call__(self, texts: Sequence[str], device: torch.device) -> Any:
        """Tokenize N texts: token ids (N, L) on the device, or the tokenizer's tensors by name."""
        if not self.is_library:
            return _on(self.tokenizer(list(texts)), device)
        most, padding = self._most, self.texts.padding if self.texts else "longest"
        options = {"padding": padding, "truncation": most is not None, "max_length": most, "return_tensors": "pt"}
        batch = self.tokenizer(list(texts), **options)
        if self.texts is None:
            return _on(batch["input_ids"], device)
        return _on({name: batch[name] for name in self.texts.tensors}, device)

    @property
    def described(self) -> str:
        """A text that describes the tokenizer. It is a part of the model's identity."""
        if self.is_library:
            rules = huggingface_rules_sha256(self.tokenizer)
            how = "" if self.texts is None else f", {self.texts}"
            return f"{type(self.tokenizer).__name__}(max_length={self._most}, rules_sha256={rules}{how})"
        return described(self.tokenizer)

    @property
    def reader(self) -> TextTokens | None:
        """Counts the tokens of texts; None if the tokenizer states no limit."""
        most = self._most if self.is_library else None
        if most is None:
            return None
        return TextTokens(
            most, lambda texts: self._ids(texts, most), lambda texts: library_counts(self.tokenizer, texts)
        )

    def _ids(self, texts: Sequence[str], most: int) -> Tensor:
        if not texts:
            return torch.zeros(0, 1, dtype=torch.long)
        batch = self.tokenizer(list(texts), padding="max_length", truncation=True, max_length=most, return_tensors="pt")
        ids: Tensor = batch["input_ids"]
        return ids


def _on(tokens: Any, device: torch.device) -> Any:
    if isinstance(tokens, Tensor):
        return tokens.to(device)
    if isinstance(tokens, MutableMapping):  # of its own kind, such as the BatchEncoding of transformers
        moved = copy.copy(tokens)
        moved.update({name: _on(part, device) for name, part in tokens.items()})
        return moved
    if isinstance(tokens, tuple) and tokens and all(isinstance(part, Tensor) for part in tokens):
        return tuple(part.to(device) for part in tokens)
    if isinstance(tokens, list) and tokens and all(isinstance(part, str) for part in tokens):
        return tokens  # a text encoder that reads texts
    try:
        return torch.as_tensor(tokens).to(device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"the tokenizer returned a {type(tokens).__name__}, which is not a table of token ids: {error}",
            hint="Let the tokenizer pad all texts to one length and return a tensor (N, L).",
        ) from error
