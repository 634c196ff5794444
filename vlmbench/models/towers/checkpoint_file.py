"""Reads one checkpoint file without running code from it, with errors that say what is wrong. Adapters use it."""

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
from vlmbench.wording import listed

TORCH_SUFFIXES = frozenset({".pt", ".pth", ".bin", ".ckpt"})
NUMPY_SUFFIXES = frozenset({".npz", ".npy"})
CHECKPOINT_SUFFIXES = TORCH_SUFFIXES | NUMPY_SUFFIXES | {".safetensors"}

FOREIGN_SUFFIXES: Mapping[str, str] = {
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
    "If you trust the file, convert it once on a machine where its code may run. "
    "If the weights are OpenAI's, keep 'openai' in the name:\n"
    "  import torch; from safetensors.torch import save_file\n"
    "  state = torch.jit.load('FILE.pt', map_location='cpu').state_dict()\n"
    "  extra = ('input_resolution', 'context_length', 'vocab_size')\n"
    "  save_file({k: v.contiguous() for k, v in state.items() if k not in extra}, 'FILE-openai.safetensors')"
)

_BEGINNING = 512
"""The number of first bytes that show the type of a file."""
_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint. If the format allows it, the tensors' values stay on the disk until they are used.

    Attributes:
        where: the file, or the folder and name of its shards, for messages.
        content: the file's top level: named tensors, or mappings that hold them. It is empty for NumPy archives, which
            open_clip reads itself.
    """

    where: str
    content: Mapping[Any, Any]

    @property
    def run_name(self) -> str:
        """The name of the training run, which open_clip writes into its checkpoints; "" without one."""
        name = self.content.get("name", "")
        return name if isinstance(name, str) else ""


def read_checkpoint(path: Path) -> Checkpoint:
    """Open a checkpoint file.

    Only ``torch.load(weights_only=True)`` and safetensors are used, so a file cannot run code.

    Raises:
        ModelError: the file is missing, empty, corrupt, of an unknown format, not a checkpoint, or only code reads it.
    """
    if path.is_dir():
        raise ModelError(
            f"{path.absolute()} is a folder, not a checkpoint file",
            hint="Write open_clip:local-dir:FOLDER if it has an open_clip_config.json, or "
            "transformers:FOLDER if save_pretrained wrote it.",
        )
    if not path.is_file():
        raise ModelError(f"no checkpoint file at {path.absolute()}", hint=_neighbours(path))
    if path.suffix not in CHECKPOINT_SUFFIXES:
        if path.suffix == ".onnx":
            raise ModelError(
                f"{path} is an ONNX graph, not a checkpoint",
                hint=f"Write onnx:{path.parent} if the graphs of images and texts, the tokenizer and the image "
                "processor are in this folder.",
            )
        foreign = FOREIGN_SUFFIXES.get(path.suffix)
        what = f"{foreign}, and no adapter reads it" if foreign else "not a known checkpoint format"
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
    """Check a file's first bytes. If it holds no weights, return what it is and what to do; else None."""
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
            f"{path}: the safetensors file is broken ({error})", hint="It may be truncated: fetch it again."
        ) from error


def _read_torch(path: Path) -> Mapping[Any, Any]:
    zipped = zipfile.is_zipfile(path)
    if zipped and _is_torchscript(path):
        raise ModelError(
            f"{path}: the file is a TorchScript archive, like OpenAI's CLIP weights. It holds code, "
            "which vlmbench does not run",
            hint=f"Use the tag instead of the file (ARCH/openai). {TORCHSCRIPT_HINT}",
        )
    try:
        # With mmap the tensors' values stay on the disk. The old format without zip does not allow mmap.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error) or "Unsupported class" in str(error):
            raise ModelError(
                f"{path}: the pickle holds other objects than tensors. Loading it could run any code: {_brief(error)}",
                hint="If you trust the file, convert it on a machine where its code may run: "
                "safetensors.torch.save_file(state_dict, 'NAME.safetensors').",
            ) from error
        raise _corrupt(path, error) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise _corrupt(path, error) from error
    if not isinstance(content, Mapping):
        raise ModelError(f"{path}: the file holds a {type(content).__name__}, not a dictionary of weights")
    return content


def _is_torchscript(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _corrupt(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{path}: the torch checkpoint is broken ({_brief(error)})",
        hint="It may be truncated, or a file of another type: fetch it again.",
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
    return f"Checkpoints in {folder}: {listed(found, most=8)}." if found else f"There are no checkpoints in {folder}."
