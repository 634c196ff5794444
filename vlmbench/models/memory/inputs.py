"""What comes before a module: its transform of images and its tokenizer, of any library, behind one call each."""

from __future__ import annotations

import copy
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import PIL.Image
import torch
from torch import Tensor

from vlmbench.errors import ModelError, UsageError
from vlmbench.models.base import BytePixels
from vlmbench.models.towers.byte_pixels import compose_bytes, open_clip_bytes
from vlmbench.models.towers.described import described
from vlmbench.models.towers.token_reader import TextTokens, library_counts
from vlmbench.models.towers.weights import huggingface_rules_sha256, json_sha256
from vlmbench.rgb import as_rgb

_MOST_CHANNELS = 4
_NO_LIMIT = 100_000
"""transformers gives a tokenizer without a limit one of 10^30 tokens."""


@dataclass(frozen=True, eq=False)
class Prepare:
    """An image of any mode to the pixels that the module takes.

    Args:
        transform: a function of an RGB image, or an image processor of transformers.
    """

    transform: Any

    def __post_init__(self) -> None:
        if not callable(self.transform):
            raise UsageError(
                "as_model: the module needs a transform, an RGB image to a tensor (3, H, W)",
                hint="Give the one for evaluation: as_model(module, transform, tokenizer).",
            )

    @property
    def is_processor(self) -> bool:
        return hasattr(self.transform, "to_dict") and hasattr(self.transform, "preprocess")

    def __call__(self, image: PIL.Image.Image) -> Tensor:
        """(3, H, W) float32.

        Raises:
            ModelError: the transform gives something else.
        """
        picture = as_rgb(image)
        if self.is_processor:
            pixels = self.transform(images=picture, return_tensors="pt")["pixel_values"][0]
        else:
            pixels = self.transform(picture)
        if not isinstance(pixels, Tensor) or pixels.ndim != 3:
            found = f"shape {tuple(pixels.shape)}" if isinstance(pixels, Tensor) else f"a {type(pixels).__name__}"
            raise ModelError(
                f"the transform gave {found} of an image, not a tensor (3, H, W)",
                hint="Let it end in ToTensor() and Normalize(…).",
            )
        if not pixels.is_floating_point():
            raise ModelError(
                f"the transform gave pixels of the type {str(pixels.dtype).removeprefix('torch.')}, not real numbers",
                hint="Let it end in ToTensor() and Normalize(…). If the module scales bytes, give pixels.float().",
            )
        if pixels.shape[0] > _MOST_CHANNELS >= pixels.shape[2]:
            raise ModelError(
                f"the transform gave the shape {tuple(pixels.shape)} of an image, with the channels last",
                hint="Give (3, H, W): pixels.permute(2, 0, 1).",
            )
        return pixels

    @property
    def described(self) -> str:
        """The transform in words."""
        if self.is_processor:
            return f"{type(self.transform).__name__} {json_sha256(self.transform.to_dict())}"
        return described(self.transform)

    @cached_property
    def byte_pixels(self) -> BytePixels | None:
        """The transform cut in two, if its last steps are known."""
        if not hasattr(self.transform, "transforms") or not type(self.transform).__module__.startswith("torchvision."):
            return None
        return open_clip_bytes(self.transform) or compose_bytes(self.transform)


@dataclass(frozen=True)
class LibraryTexts:
    """How a network of transformers wants its texts.

    Attributes:
        padding: to the longest text of a batch ("longest"), or to the full length ("max_length").
        max_length: where texts are cut.
        tensors: the names of what its text encoder takes.
    """

    padding: str
    max_length: int
    tensors: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Tokenize:
    """Texts to what the module's text encoder takes.

    Args:
        tokenizer: a function of a list of texts, or a tokenizer of transformers.
        texts: how a tokenizer of transformers is called, and which of its tensors are given on, by name; None: it
            pads to the longest text, and its ids are given on, bare.
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
        """N texts to (N, L) ids on the device, or to the tokenizer's tensors by name."""
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
        """The tokenizer in words."""
        if self.is_library:
            rules = huggingface_rules_sha256(self.tokenizer)
            how = "" if self.texts is None else f", {self.texts}"
            return f"{type(self.tokenizer).__name__}(max_length={self._most}, rules_sha256={rules}{how})"
        return described(self.tokenizer)

    @property
    def reader(self) -> TextTokens | None:
        """How many tokens texts have; None if that is not known."""
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
            f"the tokenizer gave a {type(tokens).__name__}, which is no table of token ids: {error}",
            hint="Let it pad all texts to one length and return a tensor (N, L).",
        ) from error
