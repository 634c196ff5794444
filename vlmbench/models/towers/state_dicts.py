"""Finds state dicts inside a checkpoint, under any key, removes wrappers' prefixes, and compares them.

Adapters use it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vlmbench.remarks.base import say
from vlmbench.remarks.codes import SEVERAL_WEIGHTS
from vlmbench.wording import counted

State = Mapping[str, Tensor]

WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Parts that data parallelism, ``torch.compile`` and checkpointing add anywhere in parameters' names."""

COUNTERS = frozenset({"n_averaged"})
"""Entries that ``torch.optim.swa_utils.AveragedModel`` adds to the weights. They are not weights."""

TOP_LEVEL = "."
"""The label of the weights at a file's top level."""

_ADAPTER = re.compile(r"(^|[._])(lora|loha|lokr|ia3|dora)([._]|$)|[._]base_layer[._]|^base_model\.model\.")
_DEEPEST = 32
"""The number of levels of nesting that are searched."""
_ONCE = 6
"""Below this level each mapping and list is searched only once. So the search ends if one contains itself."""


@dataclass(frozen=True)
class Candidate:
    """Named tensors in one place of a checkpoint.

    Attributes:
        path: the keys that lead to them, outermost first; empty for the file's top level.
        prefix: the prefix that was removed from each name, with its final dot.
        tensors: the tensors whose names had the prefix; the names here are without it.
        beside: names of tensors in the same place that did not have the prefix.
    """

    path: tuple[str, ...]
    prefix: str
    tensors: State
    beside: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The values of the option ``state_dict`` that pick this candidate, the shortest first.

        One is the path with the prefix. The path alone is another if ``beside`` or the prefix is empty.
        """
        prefix = self.prefix.removesuffix(".")
        whole = ".".join([*self.path, *([prefix] if prefix else [])])
        path = ".".join(self.path)
        labels = (whole,) if prefix and self.beside else (path or whole, whole)
        return tuple(dict.fromkeys(label or TOP_LEVEL for label in labels))

    @property
    def label(self) -> str:
        """The shortest label that distinguishes it from others in the same place."""
        return self.labels[0]


def nested_states(content: Mapping[Any, Any]) -> list[Candidate]:
    """Every mapping in a checkpoint that holds named tensors, outermost first. Names lose their :data:`WRAPPERS`."""
    return [
        Candidate(path, "", _unwrapped(tensors))
        for path, node in _containers(content)
        if isinstance(node, Mapping) and (tensors := _tensors(node))
    ]


def tensor_lists(content: Mapping[Any, Any]) -> list[tuple[tuple[str, ...], Sequence[Tensor]]]:
    """Every list of tensors in a checkpoint, with the keys that lead to it. Lists of optimizers are left out."""
    return [
        (path, node)
        for path, node in _containers(content)
        if not isinstance(node, Mapping)
        and node
        and all(isinstance(value, Tensor) for value in node)
        and not any("optim" in key.lower() for key in path)
    ]


def tell_of_lists(where: str, content: Mapping[Any, Any], parameters: Sequence[Tensor]) -> None:
    """Remark on a list of tensors that was not loaded, if it is about as long as the model's list of parameters.

    torch_ema and diffusers save averaged weights in this way, in the parameters' order and without their names.

    Args:
        where: the file, for the message.
        parameters: the loaded parameters in the model's order. A list with equal values needs no remark.
    """
    loaded = {str(place): value.detach() for place, value in enumerate(parameters)}
    for path, values in tensor_lists(content):
        if abs(len(values) - len(parameters)) > len(parameters) // 10:
            continue
        if len(values) == len(loaded) and same_values(loaded, {str(at): value for at, value in enumerate(values)}):
            continue
        say(
            SEVERAL_WEIGHTS,
            f"{where} holds a list of {counted(len(values), 'tensor')} under {'.'.join(path)!r}, about as many as the "
            "model has. It was not loaded, because the tensors have no names. It may hold averaged weights (EMA)",
            brief=f"a list of weights under {'.'.join(path)}",
            count=len(values),
        )


def prefixed(candidate: Candidate, anchors: Iterable[str]) -> Iterator[Candidate]:
    """Yield the candidate itself and, for each prefix of an anchor in it, the tensors with that prefix.

    If anchors occur without a prefix, and all of these occur again with one, the names without a prefix are another
    candidate: ``visual.proj`` and ``ema.visual.proj`` are the weights of two models.

    Args:
        anchors: names of some of the network's parameters.
    """
    endings = tuple(anchors)
    found = {
        name[: -len(anchor)]
        for name in candidate.tensors
        for anchor in endings
        if name == anchor or name.endswith("." + anchor)
    }
    bare = [anchor for anchor in endings if anchor in candidate.tensors]
    copies = tuple(
        prefix for prefix in found if prefix and bare and all(prefix + anchor in candidate.tensors for anchor in bare)
    )
    if copies:
        plain = {
            name: value
            for name, value in candidate.tensors.items()
            if not name.startswith(copies) and name not in COUNTERS
        }
        yield Candidate(candidate.path, "", plain, tuple(name for name in candidate.tensors if name.startswith(copies)))
    for prefix in sorted(found | {""}, key=lambda prefix: (len(prefix), prefix)):
        inside = {name[len(prefix) :]: value for name, value in candidate.tensors.items() if name.startswith(prefix)}
        beside = tuple(name for name in candidate.tensors if not name.startswith(prefix) and name not in COUNTERS)
        inside = {name: value for name, value in inside.items() if name not in COUNTERS}
        yield Candidate(candidate.path, prefix, inside, beside)


def has_adapter(names: Iterable[str]) -> bool:
    """Whether these names belong to a LoRA or another adapter, or to a model wrapped in one."""
    return any(_ADAPTER.search(name) for name in names)


def same_values(one: State, other: State) -> bool | None:
    """Whether two states hold equal weights, up to the rounding of the coarser type; None: they share too few names.

    First, three places of each common tensor are compared, because training usually changes all places of all tensors.
    All numbers are compared only if these places are equal.
    """
    common = [name for name, value in one.items() if name in other and other[name].shape == value.shape]
    if not common or len(common) < min(len(one), len(other)) // 2:
        return None
    return all(_alike(_places(one[name]), _places(other[name])) for name in common) and all(
        _alike(one[name], other[name]) for name in common
    )


def _alike(a: Tensor, b: Tensor) -> bool:
    if a.dtype != b.dtype:
        coarser = min((a.dtype, b.dtype), key=lambda dtype: (dtype.itemsize, dtype == torch.bfloat16))
        a, b = a.to(coarser), b.to(coarser)
    return bool(
        torch.equal(a, b) or (torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(), b.nan_to_num()))
    )


def _places(tensor: Tensor, count: int = 512) -> Tensor:
    flat = tensor.detach().reshape(-1)
    middle = max(0, len(flat) // 2 - count // 2)
    return flat if len(flat) <= 3 * count else torch.cat([flat[:count], flat[middle : middle + count], flat[-count:]])


def _tensors(node: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {name: value for name, value in node.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _containers(content: Any) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any] | Sequence[Any]]]:
    """Every mapping, list and tuple, with the keys that lead to it, outermost first."""
    seen: set[int] = set()

    def below(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any] | Sequence[Any]]]:
        if not isinstance(node, (Mapping, list, tuple)) or len(path) > _DEEPEST:
            return
        if len(path) > _ONCE:
            if id(node) in seen:
                return
            seen.add(id(node))
        yield path, node
        if isinstance(node, Mapping):
            inner: Iterable[tuple[Any, Any]] = node.items()
        else:
            inner = enumerate(node[:_LONGEST_LIST])
        for key, value in inner:
            yield from below(value, (*path, str(key)))

    return below(content, ())


_LONGEST_LIST = 64
"""The number of entries of a list that are searched. Longer lists hold numbers or parameter groups."""


def _unwrapped(tensors: dict[str, Tensor]) -> State:
    bare = {".".join(part for part in name.split(".") if part not in WRAPPERS): name for name in tensors}
    # If two names become one, the wrappers' parts belong to the names and must stay.
    return tensors if len(bare) < len(tensors) else {name: tensors[whole] for name, whole in bare.items()}
