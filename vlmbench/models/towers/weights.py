"""Computes a model's identity: hashes of weights and vocabularies, counts of parameters, versions of libraries.

Every adapter uses it.
"""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor, nn


def state_sha256(module: nn.Module) -> str:
    """Compute a SHA-256 over the names, types, shapes and bytes of a module's parameters and persistent buffers.

    Names are sorted, and the hash does not depend on the file format or the device. A few threads hash the tensors in
    place, since hashing releases the interpreter lock. A tensor is copied only if it is not contiguous or not on the
    CPU, one per thread at a time.
    """
    state = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    names = sorted(state)
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        digests = pool.map(lambda name: _tensor_digest(state[name]), names)
        whole = hashlib.sha256()
        for name, digest in zip(names, digests, strict=True):
            tensor = state[name]
            whole.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
            whole.update(digest)
    return whole.hexdigest()


def _tensor_digest(tensor: Tensor) -> bytes:
    # The bytes are read through a uint8 view, because NumPy has no bfloat16.
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    data: Any = flat.view(torch.uint8).numpy()
    return hashlib.sha256(data).digest()


def json_sha256(value: object) -> str:
    """A short hash (16 hex digits) of plain data, such as a vocabulary or a configuration."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def huggingface_rules_sha256(tokenizer: Any) -> str:
    """A hash of the rules of a Hugging Face tokenizer, without padding and truncation, which its caller sets."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return json_sha256([type(tokenizer).__name__, tokenizer.get_vocab()])
    rules = json.loads(backend.to_str())
    return json_sha256({key: value for key, value in rules.items() if key not in ("padding", "truncation")})


def count_parameters(module: nn.Module) -> int:
    """The number of parameters of a module. Shared parameters count once."""
    return sum(parameter.numel() for parameter in module.parameters())


def library_versions(*names: str) -> dict[str, str]:
    """The installed versions of torch, pillow, numpy and the named distributions. Missing ones are left out."""
    versions = {}
    for name in ("torch", "pillow", "numpy", *names):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
