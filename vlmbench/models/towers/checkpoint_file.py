"""One checkpoint file, opened without running code of its own: what is in it, or a sentence on what is wrong."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from vlmbench.errors import ModelError

TORCH_SUFFIXES = frozenset({".pt", ".pth", ".bin", ".ckpt"})
NUMPY_SUFFIXES = frozenset({".npz", ".npy"})
CHECKPOINT_SUFFIXES = TORCH_SUFFIXES | NUMPY_SUFFIXES | {".safetensors"}

FOREIGN_SUFFIXES: Mapping[str, str] = {
    ".onnx": "an ONNX graph",
    ".gguf": "a GGUF file of llama.cpp",
    ".ggml": "a GGML file",
    ".h5": "weights of TensorFlow",
    ".msgpack": "weights of Flax",
    ".tflite": "a TFLite graph",
    ".engine": "a TensorRT engine",
    ".mlmodel": "a Core ML model",
    ".pkl": "a Python pickle, which can hold any code",
}
"""Formats that no adapter reads."""

TORCHSCRIPT_HINT = (
    "Convert it once, where you trust it, and keep 'openai' in the name if the weights are OpenAI's:\n"
    "  import torch; from safetensors.torch import save_file\n"
    "  state = torch.jit.load('FILE.pt', map_location='cpu').state_dict()\n"
    "  extra = ('input_resolution', 'context_length', 'vocab_size')\n"
    "  save_file({k: v.contiguous() for k, v in state.items() if k not in extra}, 'FILE-openai.safetensors')"
)

_BEGINNING = 512
"""Bytes that tell what a file is."""
_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds. Where the format allows it, tensors' values are still on the disk.

    Attributes:
        where: the file, or the folder and the name of its shards, for messages.
        content: the file's top level: tensors by name, or mappings that hold them. Empty for numpy archives, which
            open_clip converts by name.
    """

    where: str
    content: Mapping[Any, Any]

    @property
    def run_name(self) -> str:
        """The training run's name that open_clip writes into its checkpoints; empty without one."""
        name = self.content.get("name", "")
        return name if isinstance(name, str) else ""


def read_checkpoint(path: Path) -> Checkpoint:
    """Open a checkpoint file.

    Only ``torch.load(weights_only=True)`` and safetensors are used: no file runs code here.

    Raises:
        ModelError: the file is missing, empty, corrupt, of an unknown format, no checkpoint, or needs code to be read.
    """
    if path.is_dir():
        raise ModelError(
            f"{path.absolute()} is a folder, not a checkpoint file",
            hint="A folder with an open_clip_config.json is open_clip:local-dir:FOLDER; what save_pretrained writes is "
            "transformers:FOLDER.",
        )
    if not path.is_file():
        raise ModelError(f"no checkpoint file at {path.absolute()}", hint=_neighbours(path))
    if path.suffix not in CHECKPOINT_SUFFIXES:
        foreign = FOREIGN_SUFFIXES.get(path.suffix)
        what = f"{foreign}, and no adapter reads it" if foreign else "no known checkpoint format"
        raise ModelError(
            f"{path}: {path.suffix or 'a file without a suffix'} is {what}",
            hint=f"Known: {', '.join(sorted(CHECKPOINT_SUFFIXES))}.",
        )
    if problem := no_weights(path):
        raise ModelError(f"{path}: {problem[0]}", hint=problem[1])
    if path.suffix in NUMPY_SUFFIXES:
        return Checkpoint(str(path), {})
    return Checkpoint(str(path), _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path))


def no_weights(path: Path) -> tuple[str, str] | None:
    """What a file is if its first bytes show that it holds no weights, and what to do about it; else None."""
    if path.stat().st_size == 0:
        return "the file is empty", "Fetch it again."
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    if beginning.startswith(_POINTER):
        return (
            "the file is a Git LFS pointer of a few lines, not the weights that it points to",
            "Fetch the weights: git lfs pull, or hf download.",
        )
    text = beginning.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"<" and any(mark in text.lower() for mark in (b"<!doctype", b"<html", b"<?xml")):
        return (
            "the file is a web page, saved under a checkpoint's name",
            "Fetch the file itself.",
        )
    if text[:1] in (b"{", b"[") and text[1:].lstrip()[:1] in (b'"', b"{", b"}"):
        return "the file is JSON, such as a server's error message, not weights", "Fetch it again."
    for magic, what in ((b"\x1f\x8b", "a gzip archive"), (b"7z\xbc\xaf", "a 7z archive"), (b"Rar!", "a RAR archive")):
        if beginning.startswith(magic):
            return f"the file is {what}", "Unpack it, and name the checkpoint inside."
    return None


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        return load_file(str(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"{path}: not a whole safetensors file ({error})", hint="It may be truncated: fetch it again."
        ) from error


def _read_torch(path: Path) -> Mapping[Any, Any]:
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
    return content


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
