"""Compares the process's settings and a model's weights before and after a call.

The checks of models and of transfer methods use it.
"""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from vlmbench.models.memory.held import modules_of
from vlmbench.models.towers.weights import state_sha256


def process_state() -> dict[str, Any]:
    """The settings and random states of this process that a model or a transfer method might change."""
    return {
        "the default dtype of torch": torch.get_default_dtype(),
        "whether torch records gradients": torch.is_grad_enabled(),
        "the random state of torch": torch.get_rng_state().numpy().tobytes(),
        "the random state of NumPy": pickle.dumps(np.random.get_state()),
        "the random state of Python": random.getstate(),
        "torch's deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "the number of threads of torch": torch.get_num_threads(),
        "the precision of torch's matrix products": torch.get_float32_matmul_precision(),
        "the largest image that Pillow opens": PIL.Image.MAX_IMAGE_PIXELS,
        "the working folder": os.getcwd(),
        "the environment variables": dict(os.environ),
    }


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names of the settings that differ before and after a call."""
    return [name for name, value in before.items() if value != after[name]]


def weights_of(holder: object) -> dict[str, Tensor]:
    """Copies of all weights in an object: the parameters and buffers of its networks, and its own tensors."""
    found: dict[str, Tensor] = {}
    for number, module in enumerate(modules_of(holder)):
        tensors = {name: each for name, each in module.state_dict().items() if isinstance(each, Tensor)}
        found |= {f"{number}.{name}": tensor.detach().clone() for name, tensor in tensors.items()}
    own = {name: each for name, each in getattr(holder, "__dict__", {}).items() if isinstance(each, Tensor)}
    return found | {name: tensor.detach().clone() for name, tensor in own.items()}


def changed_weights(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> list[str]:
    """The names of the weights that differ, are missing, or are new."""
    same = {name for name in before.keys() & after.keys() if torch.equal(before[name], after[name])}
    return sorted((before.keys() | after.keys()) - same)


def hashes_of(holder: object) -> dict[str, str]:
    """As :func:`weights_of`, with a hash in place of each network's weights: large ones are not copied."""
    found = {f"network {number}": state_sha256(module) for number, module in enumerate(modules_of(holder))}
    own = {name: each for name, each in getattr(holder, "__dict__", {}).items() if isinstance(each, Tensor)}
    return found | {
        name: sha256(each.detach().float().cpu().numpy().tobytes()).hexdigest() for name, each in own.items()
    }
