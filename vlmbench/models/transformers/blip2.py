"""Defines the capability of BLIP-2: the vectors of an image's queries, and the one vector of a text.

Its family of transformers checkpoints offers it. Source: ``Blip2ForImageTextRetrieval.forward`` of the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.base import Model
from vlmbench.models.multi_vector import Ensemble, Similarity
from vlmbench.models.towers.token_reader import TextTokens, library_counts
from vlmbench.models.transformers.family import Family, Parts
from vlmbench.models.transformers.heads import HeadModel
from vlmbench.rgb import as_rgb

CONTEXT_LENGTH = 35
"""The number of tokens at which the authors cut captions to retrieve them: ``compute_sim_matrix`` of
salesforce/LAVIS lavis/models/blip2_models/blip2.py."""


class Blip2Vectors:
    """The :class:`~vlmbench.models.multi_vector.MultiVectorEncoder` of BLIP-2.

    The checkpoints hold no temperature, so the scale is 1. A text has one vector, for which CLIP's prompt ensemble is
    defined. No tokens stand for the image before a text: the library's processor adds some, and its network takes them
    away again.
    """

    similarity: Similarity = "max over image vectors"
    ensemble: Ensemble = "mean of vectors"
    text_vectors = 1
    logit_scale = 1.0

    def __init__(self, parts: Parts) -> None:
        self._network: Any = parts.network
        self._tokenizer, self._processor, self._device = parts.tokenizer, parts.processor, parts.device
        self.embedding_dim = int(self._network.text_projection.out_features)
        self.image_vectors = int(self._network.query_tokens.shape[1])

    def preprocess(self, image: PIL.Image.Image) -> Tensor:
        return cast(Tensor, self._processor(images=as_rgb(image), return_tensors="pt")["pixel_values"][0])

    def encode_image_vectors(self, pixels: Tensor) -> Tensor:
        network = self._network
        seen = network.vision_model(pixel_values=pixels, return_dict=True).last_hidden_state
        queries = network.qformer(
            query_embeds=network.query_tokens.expand(len(seen), -1, -1),
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long, device=seen.device),
            return_dict=True,
        ).last_hidden_state
        return F.normalize(network.vision_projection(queries), dim=-1)

    def encode_text_vectors(self, texts: Sequence[str]) -> Tensor:
        if not texts:
            return torch.zeros(0, 1, self.embedding_dim, device=self._device)
        batch = self._tokenized(texts)
        network = self._network
        read = network.qformer(
            query_embeds=network.embeddings(input_ids=batch["input_ids"].to(self._device)),
            query_length=0,
            attention_mask=batch["attention_mask"].to(self._device),
            return_dict=True,
        ).last_hidden_state
        return F.normalize(network.text_projection(read[:, :1]), dim=-1)

    def token_ids(self, texts: Sequence[str]) -> Tensor:
        """Map N strings to (N, L) ids; N may be 0."""
        return cast(Tensor, self._tokenized(texts)["input_ids"]) if texts else torch.zeros(0, 1, dtype=torch.long)

    def reader(self) -> TextTokens:
        """How much of a text is read."""
        return TextTokens(CONTEXT_LENGTH, self.token_ids, lambda texts: library_counts(self._tokenizer, texts))

    def _tokenized(self, texts: Sequence[str]) -> Any:
        return self._tokenizer(
            list(texts),
            padding="longest",
            truncation=True,
            max_length=CONTEXT_LENGTH,
            return_attention_mask=True,
            return_tensors="pt",
        )


def blip2_model(family: Family, parts: Parts) -> Model:
    """Make the model of a checkpoint."""
    return HeadModel(
        parts,
        {"MultiVectorEncoder": Blip2Vectors, "TokenReader": lambda known: Blip2Vectors(known).reader()},
        texts=f"max_length={CONTEXT_LENGTH}, padding='longest'",
    )
