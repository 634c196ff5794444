"""Weights and vocabularies: which they are (hashes, counts, versions), and a safe look into a checkpoint file."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vlmbench.errors import ModelError

TORCH_SUFFIXES = frozenset({".pt", ".pth", ".bin", ".ckpt"})
CHECKPOINT_SUFFIXES = TORCH_SUFFIXES | {".safetensors", ".npz", ".npy"}

TORCHSCRIPT_HINT = (
    "Convert it once, where you trust it, and keep 'openai' in the name if the weights are OpenAI's:\n"
    "  import torch; from safetensors.torch import save_file\n"
    "  state = torch.jit.load('FILE.pt', map_location='cpu').state_dict()\n"
    "  extra = ('input_resolution', 'context_length', 'vocab_size')\n"
    "  save_file({k: v.contiguous() for k, v in state.items() if k not in extra}, 'FILE-openai.safetensors')"
)


def state_sha256(module: nn.Module) -> str:
    """SHA-256 over the sorted names, types, shapes and raw bytes of a module's parameters and persistent buffers.

    Independent of the file format and of the device. Tensors are hashed in place, in a few threads (hashing lets go of
    the interpreter lock); only a tensor that is not contiguous or not on the CPU is copied, one per thread at a time.
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
    # Bytes are reached through a uint8 view: numpy has no bfloat16.
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    data: Any = flat.view(torch.uint8).numpy()
    return hashlib.sha256(data).digest()


def json_sha256(value: object) -> str:
    """A short hash (16 hex digits) of plain data, such as a vocabulary or a configuration."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def huggingface_rules_sha256(tokenizer: Any) -> str:
    """A hash of all that a Hugging Face tokenizer does to a text. Padding and truncation are left to its caller."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return json_sha256([type(tokenizer).__name__, tokenizer.get_vocab()])
    rules = json.loads(backend.to_str())
    return json_sha256({key: value for key, value in rules.items() if key not in ("padding", "truncation")})


def count_parameters(module: nn.Module) -> int:
    """How many parameters a module has; shared ones count once."""
    return sum(parameter.numel() for parameter in module.parameters())


def library_versions(*names: str) -> dict[str, str]:
    """Versions of torch, pillow, numpy and the named distributions, as installed. Absent ones are left out."""
    versions = {}
    for name in ("torch", "pillow", "numpy", *names):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


@dataclass(frozen=True)
class CheckpointHeader:
    """What a checkpoint file says of itself.

    Attributes:
        shapes: name to shape of every tensor, without the prefix that data-parallel training adds.
        entries: the names at the file's top level; of the tensors where there is no nesting.
        run_name: the training run's name that open_clip writes into its checkpoints.
    """

    shapes: Mapping[str, tuple[int, ...]]
    entries: tuple[str, ...] = ()
    run_name: str = ""


def read_header(path: Path) -> CheckpointHeader:
    """Names and shapes of a checkpoint's tensors, without reading their values where the format allows it.

    Only ``torch.load(weights_only=True)`` and safetensors are used: no file runs code here.

    Raises:
        ModelError: the file is missing, empty, corrupt, of an unknown format, or needs code to be read.
    """
    if not path.is_file():
        raise ModelError(f"no checkpoint file at {path.absolute()}", hint=_neighbours(path))
    if path.suffix not in CHECKPOINT_SUFFIXES:
        raise ModelError(
            f"{path}: {path.suffix or 'a file without a suffix'} is no known checkpoint format",
            hint=f"Known: {', '.join(sorted(CHECKPOINT_SUFFIXES))}.",
        )
    if path.stat().st_size == 0:
        raise ModelError(f"{path}: the file is empty", hint="Fetch it again.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in TORCH_SUFFIXES:
        return _read_torch(path)
    return CheckpointHeader(shapes={})  # big_vision's numpy archives: open_clip converts them by name


def _read_safetensors(path: Path) -> CheckpointHeader:
    try:
        with safe_open(str(path), framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ModelError(
            f"{path}: not a whole safetensors file ({error})", hint="It may be truncated: fetch it again."
        ) from error
    return _header(path, shapes, entries=tuple(shapes))


def _read_torch(path: Path) -> CheckpointHeader:
    zipped = zipfile.is_zipfile(path)
    if zipped and _is_torchscript(path):
        raise ModelError(
            f"{path}: a TorchScript archive, as OpenAI ships its CLIP weights. It holds code, which is not run here",
            hint=f"Use the tag instead of the file (ARCH/openai). {TORCHSCRIPT_HINT}",
        )
    try:
        # Mapped, the tensors' values stay on the disk; the old, unzipped format cannot be mapped.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error) or "Unsupported class" in str(error):
            raise ModelError(
                f"{path}: the pickle needs more than tensors to be read, and could run any code: {_brief(error)}",
                hint="Convert it where you trust it: safetensors.torch.save_file(state_dict, 'NAME.safetensors').",
            ) from error
        raise _corrupt(path, error) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise _corrupt(path, error) from error
    if not isinstance(content, Mapping):
        raise ModelError(f"{path}: holds a {type(content).__name__}, not a dictionary of weights")
    entries = tuple(str(name) for name in content)
    run_name = content.get("name", "")
    state = content.get("state_dict", content)
    state = state if isinstance(state, Mapping) else {}
    shapes = {str(name): tuple(value.shape) for name, value in state.items() if isinstance(value, Tensor)}
    return _header(path, shapes, entries=entries, run_name=run_name if isinstance(run_name, str) else "")


def _header(
    path: Path, shapes: Mapping[str, tuple[int, ...]], *, entries: tuple[str, ...], run_name: str = ""
) -> CheckpointHeader:
    if not shapes:
        raise ModelError(
            f"{path}: holds no weights; its entries are {', '.join(entries[:8]) or 'none'}",
            hint="A checkpoint is a dictionary of tensors, or has one under 'state_dict'.",
        )
    bare = {name.removeprefix("module."): shape for name, shape in shapes.items()}
    return CheckpointHeader(shapes=bare, entries=entries, run_name=run_name)


def _is_torchscript(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _corrupt(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{path}: not a whole torch checkpoint ({_brief(error)})",
        hint="It may be truncated, or another kind of file: fetch it again.",
    )


def _brief(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "GLOBAL" in line or "Unsupported" in line]
    return (telling or lines or [type(error).__name__])[0][:200]


def _neighbours(path: Path) -> str:
    folder = path.absolute().parent
    if not folder.is_dir():
        return f"The folder {folder} does not exist."
    found = sorted(item.name for item in folder.iterdir() if item.suffix in CHECKPOINT_SUFFIXES)
    return f"Checkpoints in {folder}: {', '.join(found[:8])}." if found else f"There are no checkpoints in {folder}."
