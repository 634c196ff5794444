"""Computes run ids and plan ids, which identify runs, and collects the environment of a run for its record.

Runs use it to find an earlier record that answers the same question.
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vlmbench._version import __version__
from vlmbench.cards import ModelCard, Role, SourceSpec, TaskCard
from vlmbench.features.cache.key import source_sha256
from vlmbench.models.base import Model
from vlmbench.records import Environment
from vlmbench.tasks.base import Question, TaskOptions, TaskPlugin
from vlmbench.transfer import METHODS

_ID_LENGTH = 16
_SCHEMA = "vlmbench.record/1"
"""The schema of the first records. Later schemas of the file do not change the question, so ids keep this one."""
_FIRST_FIELDS: Mapping[type, str] = {
    ModelCard: "name adapter spec options title description method objective framework architecture image_encoder "
    "text_encoder training_data data_size samples_seen image_size embedding_dim parameters gflops weights weights_at "
    "models licence paper url notes",
    TaskCard: "name plugin version title description sources samples classes templates multi_label protocol metrics "
    "main_metric licence citation source_url notes",
    SourceSpec: "kind location other_locations split revision folders options",
    TaskOptions: "limit stratified seed class_names templates protocol visuals",
}
"""The fields that plan ids always contain. A later field is in an id only if it differs from its default, so that ids
do not change for users who do not use it."""
_FACTS: Mapping[type, frozenset[str]] = {ModelCard: frozenset({"family", "capabilities", "verified"})}
"""Later fields that are in no plan id: the name of a model's code and what it can do are no part of a question."""
_PACKAGES = (
    *("torch", "torchvision", "open_clip_torch", "transformers", "pillow", "numpy", "datasets", "timm", "av"),
    *("pycocotools", "faster-coco-eval", "hotcoco", "opencv-contrib-python-headless"),
)


def task_version(card: TaskCard, plugin: TaskPlugin) -> str:
    """The version of the card, a dot, and the version of the plugin."""
    return f"{card.version}.{plugin.version}"


def run_id(
    model: Model,
    question: Question,
    *,
    version: str,
    precision: str,
    fingerprint: str,
    options: TaskOptions,
    other_fingerprints: Mapping[Role, str] | None = None,
    other_models: Mapping[str, Model] | None = None,
    answers: str | None = None,
) -> str:
    """The hash of everything that a pair's numbers depend on.

    The same card, weights, prompts and data give the same id, on any machine and device and with any batch size.

    Args:
        fingerprint: the fingerprint of the scored samples.
        other_fingerprints: the fingerprints of the samples of other roles.
        other_models: the models that a transfer method uses beside this one.
        answers: the hash of the file of answers, if they were made elsewhere.
    """
    return _hash(
        {
            "schema": _SCHEMA,
            "model": [model.card.name, model.card.adapter, model.card.options],
            "adapter source": _plugin_source(type(model)),
            "weights": _weights(model),
            "task": [question.card.name, question.card.plugin, version],
            "prompts": question.prompts_sha256,
            "protocol": full_protocol(model, question, options),
            "data": fingerprint,
            "precision": precision,
            "seed": options.seed,
            **({"other data": dict(other_fingerprints)} if other_fingerprints else {}),
            **({"transfer": _method(options.transfer.method)} if options.transfer.adapts else {}),
            **({"other models": {name: _other(other) for name, other in other_models.items()}} if other_models else {}),
            **({"answers": answers} if answers else {}),
        }
    )


def _weights(model: Model) -> list[str]:
    identity = model.identity
    return [identity.weights_sha256, identity.architecture, identity.preprocess, identity.tokenizer]


def _other(model: Model) -> list[Any]:
    """What determines the features of another model."""
    return [_plugin_source(type(model)), *_weights(model)]


def full_protocol(model: Model, question: Question, options: TaskOptions) -> dict[str, Any]:
    """The protocol that the kind of task states, with the transfer method unless it is zero-shot."""
    return {**options.transfer.protocol, **question.protocol(model)}


def _method(name: str) -> list[Any]:
    """The version of a transfer method, and the hash of its code if it comes from another package."""
    method = METHODS.get(name)
    return [method.version, _plugin_source(type(method))]


def plan_id(model: ModelCard, task: TaskCard, options: TaskOptions, precision: str) -> str:
    """The hash of a pair as the user asked for it. It is known before anything is loaded, and names failures."""
    return _hash([_described(model), _described(task), _options_text(options), precision])


def _described(value: Any) -> Any:
    """A card with its parts as plain data. Later fields are left out if they have their defaults or are only facts."""
    if isinstance(value, list):
        return [_described(each) for each in value]
    if not isinstance(value, BaseModel):
        return value
    first = next(_FIRST_FIELDS[kind] for kind in type(value).__mro__ if kind in (*_FIRST_FIELDS, BaseModel)).split()
    defaults = {name: spec.get_default(call_default_factory=True) for name, spec in type(value).model_fields.items()}
    facts = _FACTS.get(type(value), frozenset())
    chosen = {name: getattr(value, name) for name in defaults if name not in facts}
    return {name: _described(found) for name, found in chosen.items() if name in first or found != defaults[name]}


def _options_text(options: TaskOptions) -> str:
    """``repr`` of the options, without pictures, which change no number, and without later fields at their defaults."""
    defaults, first = TaskOptions(), _FIRST_FIELDS[TaskOptions].split()
    chosen = {spec.name: getattr(options, spec.name) for spec in fields(TaskOptions)} | {"visuals": 0}
    said = [f"{name}={value!r}" for name, value in chosen.items() if name in first or value != getattr(defaults, name)]
    return f"TaskOptions({', '.join(said)})"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The versions and the platform of this process."""
    return Environment(
        vlmbench=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        packages={name: found for name in _PACKAGES if (found := _version(name))},
        git=_git_commit(),
    )


def _hash(data: Any) -> str:
    return sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:_ID_LENGTH]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _plugin_source(kind: type) -> str:
    """The source hash of another package's class. Classes of vlmbench change numbers only with their versions."""
    return "" if kind.__module__.startswith("vlmbench.") else source_sha256(kind)


def _git_commit() -> str | None:
    """The commit of the running vlmbench checkout, with a mark if files were edited; None for a wheel."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):  # git is missing: the record has None
        return None
    return found.stdout.strip() or None
