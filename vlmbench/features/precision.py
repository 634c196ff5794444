"""Checks the devices and precisions that the user names, and runs forward passes in them.

Runs and :func:`vlmbench.load_model` check names here; the engine computes in the precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, cast, get_args

import torch

from vlmbench.errors import UsageError
from vlmbench.registry import did_you_mean

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def check_precision(name: str) -> Precision:
    """Check the name of a precision.

    Raises:
        UsageError: there is no such precision.
    """
    if name not in PRECISIONS:
        raise UsageError(f"unknown precision {name!r}", hint=did_you_mean(name, PRECISIONS))
    return cast(Precision, name)


def resolve_device(name: str) -> str:
    """Find the torch device of a name.

    Args:
        name: "auto" (the first CUDA device, else Apple's, else the CPU), or a torch device.

    Raises:
        UsageError: this machine has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        reason = str(error).splitlines()[0]
        raise UsageError(f"device {name!r} cannot be used: {reason}", hint="Try --device cpu, or auto.") from error
    return str(device)


@contextmanager
def forward_pass(device: torch.device, precision: Precision, *, gradients: bool = False) -> Iterator[None]:
    """Run a model in the block, under autocast for bf16 and fp16, and without gradients by default.

    fp32 is true fp32: TensorFloat-32, which cuDNN's convolutions use by default, is switched off.
    """
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.inference_mode(not gradients):
            if precision == "fp32":
                yield
            else:
                with torch.autocast(device.type, dtype=_AUTOCAST[precision]):
                    yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed
