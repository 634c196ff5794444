"""Defines the model that the onnx adapter returns: a dual encoder whose towers are ONNX graphs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.files import regular_sha256
from vlmbench.models.base import ModelIdentity, Pixels
from vlmbench.models.onnx.graph_file import GraphFile
from vlmbench.models.onnx.images import ImageTransform
from vlmbench.models.onnx.ports import PIXELS
from vlmbench.models.onnx.texts import TextReader
from vlmbench.models.onnx.tower import Rows, Tower
from vlmbench.models.towers.weights import library_versions
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import OWN_PRECISION


class OnnxModel:
    """Two graphs, or one with both inputs, as a ``VisionLanguageModel``.

    The graphs compute in the types of their files. A remark tells if a run asks for another precision.
    """

    def __init__(
        self,
        card: ModelCard,
        device: torch.device,
        towers: tuple[Tower, Tower],
        transform: ImageTransform,
        reader: TextReader,
        identity: ModelIdentity,
        embedding_dim: int,
        scale: tuple[float, float],
    ) -> None:
        self.card = card
        self.device = device
        self.identity = identity
        self.embedding_dim = embedding_dim
        self.logit_scale, self.logit_bias = scale
        self.image_tower, self.text_tower = towers
        self._transform = transform
        self._reader = reader
        offered = {"TokenReader": reader.tokens, "BytePixels": transform.byte_pixels}
        self.capabilities: Mapping[str, object] = {name: what for name, what in offered.items() if what is not None}

    def preprocess(self, image: PIL.Image.Image) -> Pixels:
        rows = image_rows(self._transform.apply(image), self.image_tower)
        return rows[PIXELS] if set(rows) == {PIXELS} else rows

    def encode_image(self, pixels: Any) -> Tensor:
        self._tell_of_precision()
        rows = pixels if isinstance(pixels, Mapping) else {PIXELS: pixels}
        return F.normalize(self.image_tower.features(rows), dim=-1).to(self.device)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        self._tell_of_precision()
        if not texts:
            return torch.zeros(0, self.embedding_dim, device=self.device)
        rows = self._reader.rows(texts, self.text_tower.inputs)
        return F.normalize(self.text_tower.features(rows), dim=-1).to(self.device)

    def _tell_of_precision(self) -> None:
        if torch.is_autocast_enabled(self.device.type):
            say(
                OWN_PRECISION,
                "the graphs compute in the types of their files, so --precision changed nothing; the model option "
                "variant chooses other graphs, such as fp16",
                brief="the graphs' own precision",
            )


def image_rows(made: Rows, tower: Tower) -> Rows:
    """Those of a transform's tensors that the graph takes.

    Raises:
        ModelError: the graph takes a tensor that the transform does not make.
    """
    if missing := [name for name in tower.inputs.names if name not in made]:
        raise ModelError(
            f"{tower.session.file} needs {', '.join(missing)}, which the image transform does not make",
            hint="Copy the preprocessor_config.json that belongs to the graph; some need the transformers library.",
        )
    return {name: made[name] for name in tower.inputs.names}


def identity(
    graphs: Sequence[GraphFile],
    towers: tuple[Tower, Tower],
    transform: ImageTransform,
    reader: TextReader,
    revision: str | None,
) -> ModelIdentity:
    """Everything that determines the features.

    The device's execution provider is no part of it: a model has one identity on every device. The model option
    ``providers`` is a part of a run's id with the card's other options.

    Args:
        graphs: the image graph and the text graph, or the one that is both.
    """
    digests = [[regular_sha256(file) for file in graph.files] for graph in graphs]
    counts = [graph.parameters for graph in graphs]
    # Neither the names of files nor the number of threads changes a feature.
    sides = {
        tower.side: {"inputs": dict(tower.inputs.names), "output": tower.output, "at_once": tower.at_once}
        for tower in towers
    }
    return ModelIdentity(
        weights_sha256=sha256(json.dumps(digests).encode()).hexdigest(),
        parameters=sum(counts) if all(counts) else 0,
        architecture=f"onnx {json.dumps(sides, sort_keys=True)}",
        preprocess=transform.description,
        tokenizer=reader.description,
        libraries=library_versions(
            "onnxruntime", "onnxruntime-gpu", "open_clip_torch", "torchvision", "transformers", "tokenizers"
        ),
        revision=revision,
    )
