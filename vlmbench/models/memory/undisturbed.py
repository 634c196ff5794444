"""Restores everything that an evaluation changes in a process, so that a training loop goes on as before.

:func:`vlmbench.evaluate` runs inside :func:`undisturbed`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from PIL import ImageFile
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

_ONE_AT_A_TIME = threading.RLock()
"""Held by an evaluation: what it changes belongs to the whole process, so two threads take turns."""


@contextmanager
def undisturbed(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Give the block the settings of a new process, and restore the caller's settings at its end.

    In the block, the modules are in evaluation mode and their parameters require no gradient. Autocast is off. New
    tensors are float32 and on the CPU, and float32 is not shortened to TensorFloat-32.

    All of this is restored at the end, also after an error or Ctrl-C. So are the mode of each submodule, the buffers,
    the number of torch's threads, and the random states of Python, NumPy and torch, on the CPU and on each accelerator.
    A second thread waits until the first is done.

    Args:
        modules: the modules that are evaluated.
    """
    with ExitStack() as put_back:
        put_back.enter_context(_ONE_AT_A_TIME)
        put_back.callback(_random_states())
        put_back.callback(_settings())
        for module in dict.fromkeys(modules):
            put_back.callback(_buffers(module))
            put_back.callback(_modes(module))
            put_back.callback(_wanted_gradients(module))
            _evaluate(module)
        put_back.enter_context(torch.inference_mode(False))
        put_back.enter_context(torch.enable_grad())
        put_back.enter_context(torch.device("cpu"))
        for kind in _device_types():
            put_back.enter_context(torch.autocast(kind, enabled=False))
        yield


def _device_types() -> list[str]:
    """The types of device for which the caller may have turned on autocast."""
    found = ["cpu"]
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def _random_states() -> Callable[[], None]:
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    on_cuda: Any = torch.cuda
    cuda = on_cuda.get_rng_state_all() if on_cuda.is_initialized() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None

    def put_back() -> None:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if cuda is not None:
            on_cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)

    return put_back


def _settings() -> Callable[[], None]:
    """Change torch's settings to those of a new process. Returns a function that restores the caller's settings."""
    threads, dtype, truncated = torch.get_num_threads(), torch.get_default_dtype(), ImageFile.LOAD_TRUNCATED_IMAGES
    cudnn, matmul = torch.backends.cudnn, torch.get_float32_matmul_precision()
    benchmark, allow_tf32, precisions = cudnn.benchmark, _cudnn_allows_tf32(), _float32_precisions()
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    cudnn.benchmark, cudnn.allow_tf32 = False, True  # the forward pass itself turns TensorFloat-32 off

    def put_back() -> None:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        ImageFile.LOAD_TRUNCATED_IMAGES = truncated
        torch.set_float32_matmul_precision(matmul)
        cudnn.benchmark = benchmark
        if allow_tf32 is not None:
            cudnn.allow_tf32 = allow_tf32
        for place, precision in precisions:
            if place.fp32_precision != precision:
                place.fp32_precision = precision

    return put_back


def _cudnn_allows_tf32() -> bool | None:
    """Torch's older setting; None if the caller used the newer ones, because torch then refuses to read it."""
    try:
        return bool(torch.backends.cudnn.allow_tf32)
    except RuntimeError:
        return None


def _float32_precisions() -> list[tuple[Any, str]]:
    """Torch's newer settings (2.9 and later) of how exact float32 is: each place with its present value."""
    backends: Any = torch.backends
    rooms = [(backends.cuda, "matmul"), *((backends.cudnn, name) for name in ("conv", "rnn"))]
    rooms += [(backends.mkldnn, name) for name in ("matmul", "conv")]
    places: list[Any] = [getattr(room, name, None) for room, name in rooms]
    return [(place, place.fp32_precision) for place in places if hasattr(place, "fp32_precision")]


def _evaluate(root: nn.Module) -> None:
    """Put a module into evaluation mode, also the parts that its own ``train`` method leaves out."""
    try:
        root.eval()
    except NotImplementedError:  # an exported program has one mode only
        return
    for module in root.modules():
        if getattr(module, "training", False):
            module.training = False


def _modes(root: nn.Module) -> Callable[[], None]:
    # A frozen module of TorchScript has no mode.
    modes = [(module, module.training) for module in root.modules() if hasattr(module, "training")]

    def put_back() -> None:
        try:
            for module, training in modes:  # a parent comes before its children, and sets their mode too
                if module.training != training:
                    module.train(training)  # the module's own method may do more than set a flag
        finally:
            for module, training in modes:
                module.training = training

    return put_back


def _wanted_gradients(root: nn.Module) -> Callable[[], None]:
    """Make no parameter require a gradient.

    If one does, torch multiplies matrices in another way, and the last digits of the features change.
    """
    wanted = [each for each in root.parameters() if not is_lazy(each) and each.requires_grad]
    for parameter in wanted:
        with torch.inference_mode(parameter.is_inference()):
            parameter.requires_grad_(False)

    def put_back() -> None:
        for parameter in wanted:
            with torch.inference_mode(parameter.is_inference()):
                parameter.requires_grad_(True)

    return put_back


def _buffers(root: nn.Module) -> Callable[[], None]:
    kept = [
        (module, name, buffer, _version(buffer), buffer.detach().clone())
        for module in root.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None and not is_lazy(buffer)
    ]

    def put_back() -> None:
        for module, name, buffer, version, values in kept:
            if _version(buffer) != version or version is None:
                with torch.inference_mode(buffer.is_inference()), torch.no_grad():
                    buffer.copy_(values)
            module._buffers[name] = buffer

    return put_back


def _version(tensor: Tensor) -> int | None:
    """How often a tensor was written to; None for a tensor of the inference mode, where torch does not count."""
    return None if tensor.is_inference() else tensor._version
