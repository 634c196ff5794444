"""The family of Florence-2, which writes boxes as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import transformers

from vlmbench.errors import ModelError
from vlmbench.models.base import LoadOptions, Model
from vlmbench.models.hub_access import hub_access, quiet_transformers
from vlmbench.models.transformers.checkpoint import loaded
from vlmbench.models.transformers.family import Family, Parts
from vlmbench.models.transformers.grounded.florence import TASK, FlorenceDetector, label_reader, longest_answer
from vlmbench.models.transformers.heads import HeadModel
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import NO_CONFIDENCE

PARSER = "description_with_bboxes_or_polygons"
"""The library's parser of the task's answers. Its settings are in the processor's files."""

_ASIDE = frozenset({"transformers_version", "_from_model_config"})
"""Entries of a generation config that change no answer."""


def _model(family: Family, parts: Parts) -> Model:
    network, processor = parts.network, _processor(parts)
    generation = network.generation_config.to_diff_dict()
    most = int(network.config.text_config.max_position_embeddings)
    say(
        NO_CONFIDENCE,
        "the model gives no confidences, so all scores are 1, and average precision depends on the order of the boxes "
        "alone",
        brief="no confidences",
    )
    return HeadModel(
        parts,
        {
            "Detector": lambda parts: FlorenceDetector(parts, processor),
            "TokenReader": lambda _: label_reader(processor, most),
        },
        texts=f"one question {TASK} a label; places={processor.num_image_tokens}; "
        f"new_tokens={longest_answer(network)}; "
        f"generation={json.dumps({name: generation[name] for name in sorted(generation) if name not in _ASIDE})}",
    )


def _processor(parts: Parts) -> Any:
    """Load the processor, which knows the questions and parses the answers.

    Raises:
        ModelError: it is missing, or cannot parse answers.
    """
    offline = bool(parts.arguments.get("local_files_only"))
    options = LoadOptions(offline=offline, trust_remote_code=bool(parts.arguments.get("trust_remote_code")))
    with hub_access(offline=offline), quiet_transformers():
        processor = loaded(parts.spec, options, "processor", transformers.AutoProcessor, parts.arguments)
    if PARSER not in (getattr(processor, "post_processor_config", None) or {}):
        raise ModelError(
            f"{parts.spec}: the processor's files do not say how to parse the answers ({PARSER})",
            hint="Put the checkpoint's own processor_config.json beside config.json.",
        )
    return processor


FAMILIES: Mapping[str, Family] = {
    # Its image tower is convolutional and windowed, so the processor decides the size.
    "florence2": Family(model=_model, network="Florence2ForConditionalGeneration", any_image_size=True)
}
