"""Reads what an ONNX file says of itself: operators, other files with its weights, number of parameters.

The adapter uses it before onnxruntime opens the file. Field numbers are those of onnx.proto (github.com/onnx/onnx).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePosixPath

from vlmbench.errors import ModelError
from vlmbench.files import open_regular
from vlmbench.models.onnx.protobuf import BrokenMessageError, Value, fields, message, numbers, text
from vlmbench.models.towers.checkpoint_file import no_weights
from vlmbench.wording import counted, listed

_MODEL_OPSETS, _MODEL_GRAPH, _MODEL_FUNCTIONS = 8, 7, 25
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_FUNCTION_NODES, _FUNCTION_DOMAIN = 7, 10
_GRAPH_NODES, _GRAPH_INITIALIZERS, _GRAPH_SPARSE = 1, 5, 15
_NODE_OPERATOR, _NODE_ATTRIBUTES, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_SPARSE_PARTS = (1, 2)
"""The values and the places of a sparse tensor: two tensors."""
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_PLACES = 1, 2, 8, 13
_PLACE_KEY, _PLACE_VALUE = 1, 2

_HALF = 10
_REAL_TYPES = frozenset({1, _HALF, 11, 16})
"""FLOAT, FLOAT16, DOUBLE and BFLOAT16."""
_BYTE_TYPES = frozenset({2, 3, 17, 18, 19, 20})
"""UINT8, INT8 and the 8-bit floating-point types."""
_SCALES = ("_scale", "_zero_point")
"""How onnxruntime's quantizers name what they add to a weight."""
_PACKED = frozenset({"MatMulNBits", "MatMulBnb4", "GatherBlockQuantized", "DequantizeBlockwise"})
"""Operators of onnxruntime whose weights hold several numbers in a byte."""
_SUB_BYTE_TYPES = frozenset({21, 22, 23, 25, 26})
"""UINT4, INT4, FLOAT4E2M1, and the 2-bit types."""
_KNOWN_DOMAINS = ("", "ai.onnx", "com.microsoft")
_KNOWN_BEGINNINGS = ("ai.onnx.", "com.ms.")
"""The operators that onnxruntime has without libraries of others."""
_EXTENSIONS = "ai.onnx.contrib"
"""The operators of the package onnxruntime-extensions."""


@dataclass(frozen=True)
class GraphFile:
    """What is written in an ONNX file.

    Attributes:
        path: the file.
        opset: the version of ONNX's operators that the file needs; 0 if it states none.
        external: the other files that hold values of its weights, relative to the file's folder, each with the number
            of bytes that it must have.
        parameters: the number of values of its weights; 0 if they are packed, so that it is unknown.
        half: whether weights are in float16.
    """

    path: Path
    opset: int
    external: Mapping[str, int]
    parameters: int
    half: bool

    @property
    def files(self) -> list[Path]:
        """The file and the other files of its weights."""
        return [self.path, *(self.path.parent / name for name in self.external)]


@dataclass(frozen=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    type: int
    place: dict[str, str]


def read_graph_file(path: Path) -> GraphFile:
    """Read an ONNX file, without the values of its weights.

    Raises:
        ModelError: the file is missing, is not a complete ONNX file, or needs operators of a library of its own; or a
            file of its weights has a place outside its folder.
    """
    if not path.is_file():
        raise ModelError(f"no ONNX file at {path.absolute()}")
    if problem := no_weights(path):
        raise ModelError(f"{path}: {problem[0]}", hint=problem[1])
    try:
        with open_regular(path) as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    return _read(path, memoryview(content))


def check_external(graph: GraphFile) -> None:
    """Refuse a graph if a file of its weights is missing or too short.

    Raises:
        ModelError: there is such a file.
    """
    for name, needed in graph.external.items():
        file = graph.path.parent / name
        if not file.is_file():
            raise ModelError(
                f"{graph.path} keeps its weights in {name}, which is not beside it",
                hint=f"Copy {name} into {graph.path.absolute().parent}, or fetch it again.",
            )
        if problem := no_weights(file):
            raise ModelError(f"{file}: {problem[0]}", hint=problem[1])
        if (size := file.stat().st_size) < needed:
            raise ModelError(
                f"{file} is truncated: it has {counted(size, 'byte')}, but {graph.path.name} reads {needed:,}",
                hint="Fetch it again.",
            )


def _read(path: Path, content: memoryview) -> GraphFile:
    try:
        found = list(fields(content))
        graphs = [message(value) for number, value in found if number == _MODEL_GRAPH]
        functions = [list(fields(message(value))) for number, value in found if number == _MODEL_FUNCTIONS]
        opsets = [_opset(message(value)) for number, value in found if number == _MODEL_OPSETS]
        if not graphs or not opsets:
            raise BrokenMessageError("it has no graph")
        own = {text(value) for each in functions for number, value in each if number == _FUNCTION_DOMAIN}
        inside = [message(value) for each in functions for number, value in each if number == _FUNCTION_NODES]
        nodes = [node for graph in graphs for node in _nodes(graph)] + [each for node in inside for each in _deep(node)]
        tensors = [tensor for graph in graphs for tensor in _initializers(graph)]
        stored = [*tensors, *(tensor for node in nodes for tensor in _of_node(node))]
        operators = {_operator(node) for node in nodes}
    except (BrokenMessageError, RecursionError) as error:
        raise ModelError(
            f"{path}: the file is not a complete ONNX graph ({error})",
            hint="It may be truncated, or a file of another type: fetch it again.",
        ) from error
    _refuse_foreign(path, {domain for domain, _ in operators} - own)
    external = _external(stored)
    _refuse_outside(path, external)
    packed = bool(_PACKED & {name for _, name in operators}) or any(one.type in _SUB_BYTE_TYPES for one in tensors)
    return GraphFile(
        path,
        max((version for domain, version in opsets if domain in ("", "ai.onnx")), default=0),
        external,
        0 if packed else sum(prod(tensor.shape) for tensor in tensors if _is_weight(tensor)),
        any(tensor.type == _HALF for tensor in stored),
    )


def _external(tensors: Iterable[_Tensor]) -> dict[str, int]:
    """The other files of the weights, each with the number of its first bytes that hold them."""
    needed: dict[str, int] = {}
    for place in (tensor.place for tensor in tensors if "location" in tensor.place):
        name, end = place["location"], _number(place.get("offset")) + _number(place.get("length"))
        needed[name] = max(needed.get(name, 0), end)
    return dict(sorted(needed.items()))


def _number(value: str | None) -> int:
    return int(value) if value is not None and value.isdecimal() else 0


def _is_weight(tensor: _Tensor) -> bool:
    return tensor.type in _REAL_TYPES | _BYTE_TYPES and not tensor.name.endswith(_SCALES)


def _refuse_foreign(path: Path, domains: set[str]) -> None:
    foreign = sorted(
        domain
        for domain in domains
        if domain == _EXTENSIONS or not (domain in _KNOWN_DOMAINS or domain.startswith(_KNOWN_BEGINNINGS))
    )
    if foreign:
        raise ModelError(
            f"{path} has operators of {listed(foreign)}, which only a library of their authors can compute",
            hint="vlmbench loads no such library, because it is code. Export the model with ONNX's own operators.",
        )


def _refuse_outside(path: Path, external: Iterable[str]) -> None:
    outside = [
        name for name in external if PurePosixPath(name).is_absolute() or ".." in Path(name).parts or "\\" in name
    ]
    if outside:
        raise ModelError(
            f"{path} names the file {outside[0]!r} for its weights, which is outside its folder",
            hint="Put all files of the graph into one folder, and save the graph again.",
        )


def _opset(content: memoryview) -> tuple[str, int]:
    domain, version = "", 0
    for number, value in fields(content):
        if number == _OPSET_DOMAIN:
            domain = text(value)
        elif number == _OPSET_VERSION and isinstance(value, int):
            version = value
    return domain, version


def _nodes(graph: memoryview) -> Iterator[memoryview]:
    """The nodes of a graph and of the graphs inside them, such as branches."""
    for number, value in fields(graph):
        if number == _GRAPH_NODES:
            yield from _deep(message(value))


def _deep(node: memoryview) -> Iterator[memoryview]:
    yield node
    for graph in _attribute_values(node, _ATTRIBUTE_GRAPHS):
        yield from _nodes(graph)


def _of_node(node: memoryview) -> Iterator[_Tensor]:
    """The tensors that a node holds, and the weights of the graphs inside it."""
    for content in _attribute_values(node, _ATTRIBUTE_TENSORS):
        yield _tensor(content)
    for content in _attribute_values(node, _ATTRIBUTE_SPARSE):
        yield from _sparse(content)
    for graph in _attribute_values(node, _ATTRIBUTE_GRAPHS):
        yield from _initializers(graph)


def _attribute_values(node: memoryview, wanted: tuple[int, ...]) -> Iterator[memoryview]:
    for number, value in fields(node):
        if number == _NODE_ATTRIBUTES:
            for inner, content in fields(message(value)):
                if inner in wanted:
                    yield message(content)


def _operator(node: memoryview) -> tuple[str, str]:
    domain = name = ""
    for number, value in fields(node):
        if number == _NODE_OPERATOR:
            name = text(value)
        elif number == _NODE_DOMAIN:
            domain = text(value)
    return domain, name


def _initializers(graph: memoryview) -> Iterator[_Tensor]:
    for number, value in fields(graph):
        if number == _GRAPH_INITIALIZERS:
            yield _tensor(message(value))
        elif number == _GRAPH_SPARSE:
            yield from _sparse(message(value))


def _sparse(content: memoryview) -> Iterator[_Tensor]:
    for number, value in fields(content):
        if number in _SPARSE_PARTS:
            yield _tensor(message(value))


def _tensor(content: memoryview) -> _Tensor:
    name, shape, kind, place = "", [], 0, {}
    for number, value in fields(content):
        if number == _TENSOR_SHAPE:
            shape += numbers(value)
        elif number == _TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_NAME:
            name = text(value)
        elif number == _TENSOR_PLACES:
            entry: dict[int, Value] = dict(fields(message(value)))
            place[text(entry.get(_PLACE_KEY, 0))] = text(entry.get(_PLACE_VALUE, 0))
    return _Tensor(name, tuple(shape), kind, place)
