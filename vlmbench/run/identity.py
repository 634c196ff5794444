"""What makes two runs the same run: the run id, the plan id, and the environment beside them."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import vlmbench
from vlmbench.cards import ModelCard, TaskCard
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


def feature_space(model: VisionLanguageModel, encoder: str, precision: str) -> dict[str, Any]:
    """Everything that can change a feature, as the cache's key.

    The code that makes features is part of it: of ours the files, since a checkout changes between versions; of a third
    party's adapter its file, or its package's folder.

    Args:
        model: the loaded model.
        encoder: "image" or "text".
        precision: fp32, bf16 or fp16.
    """
    identity, card = model.identity, model.card
    return {
        "encoder": encoder,
        "model": card.name,
        "adapter": [card.adapter, card.spec, card.options, _adapter_code(type(model))],
        "weights": identity.weights_sha256,
        "architecture": identity.architecture,
        "input": identity.preprocess if encoder == "image" else identity.tokenizer,
        "precision": precision,
        "embedding_dim": model.embedding_dim,
        "device": model.device.split(":")[0],
        "libraries": {**dict(identity.libraries), "vlmbench": vlmbench.__version__},
        "code": _own_code(),
    }


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Versions and platform of this process."""
    return Environment(
        vlmbench=vlmbench.__version__,
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


def _source_sha256(kind: type) -> str:
    """The hash of the file that defines an adapter: a plugin's code may change while its weights do not."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return sha256(Path(file).read_bytes()).hexdigest()[:_ID_LENGTH] if file and Path(file).is_file() else ""


def _adapter_code(kind: type) -> str:
    """The hash of an adapter's code: its file, and where that is part of a package the files beside it."""
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if not file or not getattr(module, "__package__", None):
        return _source_sha256(kind)
    folder = Path(file).parent
    return _files_sha256(folder.glob("*.py"), folder)


@lru_cache(maxsize=1)
def _own_code() -> str:
    """The hash of the rooms that make features: what decodes, preprocesses and encodes."""
    root = Path(vlmbench.__file__).parent
    rooms = [*(root / "models").glob("*.py"), *(root / "features").glob("*.py"), root / "data/decode.py"]
    return _files_sha256(rooms, root)


def _files_sha256(paths: Iterable[Path], root: Path) -> str:
    """Over the files' contents and their places under ``root``: two rooms may have files of one name."""
    found = {str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()}
    return _hash(found)


def _plugin_source(kind: type) -> str:
    """The source hash of a third party's adapter. Ours changes its numbers only with its libraries and versions."""
    return "" if kind.__module__.startswith("vlmbench.") else _source_sha256(kind)


def _git_commit() -> str | None:
    """The commit of the vlmbench checkout that runs, with a mark where it was edited; None for a wheel."""
    root = Path(vlmbench.__file__).parent.parent
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
