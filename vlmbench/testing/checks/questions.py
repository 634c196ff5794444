"""Checks the question of a kind of task, before a model answers it. :func:`vlmbench.testing.check_task` calls it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from vlmbench.cards import Role, TaskCard
from vlmbench.data.base import ImageDataset
from vlmbench.models.base import Model
from vlmbench.tasks.base import TaskOptions, TaskPlugin
from vlmbench.testing.conformance import Inspection
from vlmbench.testing.toy_models import toy_model

_LIMIT = 5


class _Nothing:
    """A model without encoders and capabilities."""

    def __init__(self) -> None:
        toy = toy_model()
        self.card, self.identity, self.device = toy.card, toy.identity, toy.device
        self.capabilities: Mapping[str, object] = {}


def check_question(
    inspection: Inspection,
    plugin: TaskPlugin,
    card: TaskCard,
    datasets: Mapping[Role, ImageDataset],
    model: Model,
) -> None:
    """Check the question that the plugin makes of a card, its data and options."""
    options, samples = TaskOptions(), len(datasets["test"].samples)
    with inspection.promise(
        "ask gives a question with the card, the data, the indices and a hash of the prompts",
        fix="Set card, dataset, indices (of samples, each once) and prompts_sha256 (64 hexadecimal digits).",
    ):
        question = plugin.ask(card, datasets, options)
        inspection.require(
            question.card == card and question.dataset is datasets["test"], "card or dataset is not the given one"
        )
        indices = list(question.indices)
        inspection.require(len(set(indices)) == len(indices), "an index is there twice")
        inspection.require(all(0 <= index < samples for index in indices), f"an index is not from 0 to {samples - 1}")
        inspection.require(
            re.fullmatch("[0-9a-f]{64}", question.prompts_sha256), f"prompts_sha256 is {question.prompts_sha256!r}"
        )
    with inspection.promise(
        "The same card, data and options give the same question",
        fix="Use the seed of the options, and hash nothing that changes from call to call.",
    ):
        first, second = (plugin.ask(card, datasets, options) for _ in range(2))
        inspection.require(list(first.indices) == list(second.indices), "the indices differ")
        inspection.require(first.prompts_sha256 == second.prompts_sha256, "prompts_sha256 differs")
        inspection.require(first.protocol(model) == second.protocol(model), "protocol() differs")
    with inspection.promise(
        "options.limit is the number of samples, which the seed chooses",
        fix="Use vlmbench.tasks.subset.choose(dataset.samples, options).",
    ):
        limited = replace(options, limit=_LIMIT)
        chosen = [list(plugin.ask(card, datasets, limited).indices) for _ in range(2)]
        inspection.require(
            len(chosen[0]) == min(_LIMIT, samples), f"a limit of {_LIMIT} gives {len(chosen[0])} samples"
        )
        inspection.require(chosen[0] == chosen[1], "the same seed chooses other samples")
    with inspection.promise(
        "protocol gives plain values, and one of them is the metrics",
        fix="Use only texts, numbers, lists and mappings, because it is written as JSON.",
    ):
        protocol = dict(plugin.ask(card, datasets, options).protocol(model))
        inspection.require(json.loads(json.dumps(protocol)) == protocol, "it changes when it is written as JSON")
        inspection.require("metrics" in protocol, "it does not name the metrics")
    promise = "Other templates give another prompts_sha256"
    if plugin.class_prompts:
        with inspection.promise(promise, fix="Make prompts_sha256 a hash of the class names and templates."):
            other = plugin.ask(card, datasets, replace(options, templates=("quite another {}",)))
            inspection.require(
                other.prompts_sha256 != plugin.ask(card, datasets, options).prompts_sha256,
                "another template gives the same prompts_sha256",
            )
    with inspection.promise(
        "unsupported gives the reason why a model without any capability cannot answer",
        fix="Use vlmbench.models.base.lacks_encoders, or look for the capability that you need.",
    ):
        reason = plugin.ask(card, datasets, options).unsupported(_Nothing())
        inspection.require(isinstance(reason, str) and reason.strip(), f"it returns {reason!r}")
