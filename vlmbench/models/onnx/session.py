"""Opens graphs with onnxruntime, on the device that the user asked for. The adapter uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from vlmbench.errors import ModelError, first_line
from vlmbench.models.onnx.graph_file import GraphFile
from vlmbench.wording import listed

TORCH_TYPES: Mapping[str, torch.dtype] = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
    "tensor(int64)": torch.int64,
    "tensor(int32)": torch.int32,
    "tensor(bool)": torch.bool,
}
"""The types of inputs that vlmbench can fill, under onnxruntime's names."""
_PROVIDERS: Mapping[str, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_FATAL = 4
"""The severity from which onnxruntime prints messages. Errors are raised anyway."""
_LONGEST_REASON = 300
_NO_MEMORY = ("Failed to allocate memory", "BFCArena", "bad allocation", "out of memory")


def providers_for(device: torch.device, asked: Sequence[str] | None) -> list[Any]:
    """The execution providers of onnxruntime for a device.

    Args:
        asked: the model option ``providers``; None: those of the device.

    Raises:
        ModelError: the installed onnxruntime does not have one of them.
    """
    available = onnxruntime.get_available_providers()
    if asked is not None:
        if not asked:
            raise ModelError(
                "the model option providers is an empty list",
                hint=f"The installed onnxruntime has {listed(available)}.",
            )
        if lacking := [name for name in asked if name not in available]:
            raise ModelError(
                f"the installed onnxruntime has no provider {', '.join(map(repr, lacking))}",
                hint=f"It has {listed(available)}.",
            )
        return [_set_up(name, device) for name in dict.fromkeys(asked)]
    name = _PROVIDERS.get(device.type)
    if name is None:
        raise ModelError(
            f"the onnx adapter does not know the device {device.type!r}",
            hint="Use --device cpu or cuda, or set the model option providers in a card.",
        )
    if name not in available:
        raise ModelError(
            f"the installed onnxruntime has no {name}, so it cannot use the device {device}",
            hint="Install onnxruntime-gpu in place of onnxruntime, or use --device cpu.",
        )
    return [_set_up(name, device)]


def _set_up(provider: str, device: torch.device) -> Any:
    """A provider with its settings.

    By default, CUDA's uses the first device, and rounds what it multiplies to TensorFloat-32. vlmbench does neither.
    """
    if provider != _PROVIDERS["cuda"]:
        return provider
    return (provider, {"device_id": device.index or 0, "use_tf32": 0})


class Session:
    """One graph, ready to run.

    Args:
        providers: see :func:`providers_for`.

    Attributes:
        file: the graph's file.
        inputs: the graph's inputs by name, each with a ``shape`` and a ``type``.
        outputs: the graph's outputs by name.

    Raises:
        ModelError: onnxruntime cannot load the graph, or cannot use the provider.
    """

    def __init__(self, graph: GraphFile, providers: Sequence[Any]) -> None:
        self.file = graph.path
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = _FATAL
        settings.intra_op_num_threads = torch.get_num_threads()
        settings.inter_op_num_threads = 1
        if graph.half:
            # The next level up, which is the default, rearranges tensors for convolutions on a CPU. With it,
            # onnxruntime 1.32 ends the whole process on some float16 graphs (a segmentation fault).
            settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        try:
            self._session = onnxruntime.InferenceSession(str(graph.path), settings, providers=list(providers))
        except Exception as error:  # onnxruntime has many kinds of errors, and none is the parent of the others
            raise _load_error(graph, error) from error
        wanted = [name if isinstance(name, str) else name[0] for name in providers]
        if missing := [name for name in wanted if name not in self._session.get_providers()]:
            raise ModelError(
                f"{self.file}: onnxruntime has {missing[0]} but could not start it, and would use another",
                hint="A library that it needs is missing or has another version (CUDA, cuDNN). Or use --device cpu.",
            )
        self.inputs: Mapping[str, Any] = {each.name: each for each in self._session.get_inputs()}
        self.outputs: Mapping[str, Any] = {each.name: each for each in self._session.get_outputs()}
        self._settings = onnxruntime.RunOptions()
        self._settings.only_execute_path_to_fetches = True

    def run(self, output: str, feeds: Mapping[str, Tensor]) -> Tensor:
        """Compute one output in float32 on the CPU. Nodes that it does not depend on are not computed.

        Args:
            feeds: every input, in any type: each is converted to the graph's.

        Raises:
            GraphError: the graph fails.
            MemoryError: it does not fit into memory.
        """
        arrays = {name: self._array(name, value) for name, value in feeds.items()}
        try:
            (found,) = self._session.run([output], arrays, self._settings)
        except Exception as error:  # see above
            if any(sign in str(error) for sign in _NO_MEMORY):
                raise MemoryError(str(error)) from error
            raise GraphError(
                f"{self.file} cannot be computed: {first_line(str(error), most=_LONGEST_REASON)}"
            ) from error
        return torch.from_numpy(np.ascontiguousarray(found)).float()

    def _array(self, name: str, value: Tensor) -> Any:
        return value.to(device="cpu", dtype=TORCH_TYPES[self.inputs[name].type]).contiguous().numpy()


class GraphError(ModelError):
    """A graph that onnxruntime loaded fails on some inputs, or returns something of the wrong shape."""


def shape_of(port: Any) -> tuple[int | str | None, ...]:
    """The shape of an input or output. A number is fixed, a name or None is not; () if the rank is unknown."""
    return tuple(cast("Sequence[int | str | None]", port.shape or ()))


def fixed(size: int | str | None) -> int | None:
    """A fixed size; None for one that may vary."""
    return size if isinstance(size, int) and size > 0 else None


def _load_error(graph: GraphFile, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())
    path = Path(graph.path)
    if "opset" in reason.lower() and "support" in reason:
        return ModelError(
            f"{path} needs version {graph.opset} of ONNX's operators, which onnxruntime {onnxruntime.__version__} does "
            "not have",
            hint="pip install -U onnxruntime, or export the model with a lower opset_version.",
        )
    if "IR version" in reason:
        return ModelError(
            f"{path} is in a newer form than onnxruntime {onnxruntime.__version__} reads: "
            f"{first_line(reason, most=_LONGEST_REASON)}",
            hint="pip install -U onnxruntime, or export the model with an older onnx.",
        )
    if "External data path" in reason:
        return ModelError(
            f"{path} keeps weights in a file that is a link to a place outside the graph's folder, and onnxruntime "
            "follows no such link",
            hint="Copy the file that the link leads to into the folder, in place of the link.",
        )
    if "NOT_IMPLEMENTED" in reason or "Could not find an implementation" in reason:
        return ModelError(
            f"{path} has an operator that this provider cannot compute: {first_line(reason, most=_LONGEST_REASON)}",
            hint="Choose another variant with the model option variant, or another device.",
        )
    return ModelError(f"{path}: onnxruntime cannot load it: {first_line(reason, most=_LONGEST_REASON)}")
