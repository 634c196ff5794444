"""What makes two runs the same run: the run id, the plan id, and the environment beside them."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vlmbench._version import __version__
from vlmbench.cards import ModelCard, TaskCard
from vlmbench.features.cache.key import source_sha256
from vlmbench.models.base import VisionLanguageModel
from vlmbench.records import SCHEMA, Environment
from vlmbench.tasks.base import Question, TaskOptions, TaskPlugin

_ID_LENGTH = 16
_PACKAGES = (
    *("torch", "torchvision", "open_clip_torch", "transformers", "pillow", "numpy", "datasets", "timm", "av"),
    *("pycocotools", "faster-coco-eval", "hotcoco", "opencv-contrib-python-headless"),
)


def task_version(card: TaskCard, plugin: TaskPlugin) -> str:
    """The card's version, then the plugin's."""
    return f"{card.version}.{plugin.version}"


def run_id(
    model: VisionLanguageModel,
    question: Question,
    *,
    version: str,
    precision: str,
    fingerprint: str,
    options: TaskOptions,
) -> str:
    """The hash of all that a pair's numbers depend on.

    The same card, weights, prompts and data give the same id, on any machine and device and with any batch size.
    """
    identity = model.identity
    return _hash(
        {
            "schema": SCHEMA,
            "model": [model.card.name, model.card.adapter, model.card.options],
            "adapter source": _plugin_source(type(model)),
            "weights": [
                identity.weights_sha256,
                identity.architecture,
                identity.preprocess,
                identity.tokenizer,
            ],
            "task": [question.card.name, question.card.plugin, version],
            "prompts": question.prompts_sha256,
            "protocol": dict(question.protocol(model)),
            "data": fingerprint,
            "precision": precision,
            "seed": options.seed,
        }
    )


def plan_id(model: ModelCard, task: TaskCard, options: TaskOptions, precision: str) -> str:
    """The hash of a pair as it was asked for, known before anything is loaded: it names failures."""
    return _hash([model.model_dump(), task.model_dump(), repr(replace(options, visuals=0)), precision])


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Versions and platform of this process."""
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
    """The source hash of a third party's adapter. Ours changes its numbers only with its libraries and versions."""
    return "" if kind.__module__.startswith("vlmbench.") else source_sha256(kind)


def _git_commit() -> str | None:
    """The commit of the vlmbench checkout that runs, with a mark where it was edited; None for a wheel."""
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
    except (OSError, subprocess.SubprocessError):  # no git here: the record says so with None
        return None
    return found.stdout.strip() or None
