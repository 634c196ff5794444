"""Loads weight files of transformers checkpoints that the library alone cannot load. The adapter uses it.

It also refuses weights that the library would load wrongly: quantised ones, and adapters without their base model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vlmbench.errors import ModelError
from vlmbench.models.towers.checkpoint_file import no_weights
from vlmbench.models.towers.shards import INDEX_SUFFIX, WeightFiles, weight_files
from vlmbench.models.towers.state_dicts import Candidate, has_adapter, nested_states, prefixed, same_values
from vlmbench.models.towers.weight_folder import MERGE, TRANSFORMERS_LAYOUT, chosen_files
from vlmbench.wording import counted, either, listed

OPTION = "state_dict"
"""The model option that picks a state dict if a file has several."""
_ANCHORS = 3
"""The number of weights whose names are used to find a common prefix."""


def folder_weights(folder: Path, pick: str | None) -> WeightFiles:
    """Choose the checkpoint of a folder. A remark tells if there are others.

    Args:
        pick: the option ``weights_file``.

    Raises:
        ModelError: there is no checkpoint, shards are missing, the folder holds an adapter, or a file holds no weights.
    """
    files = chosen_files(folder, TRANSFORMERS_LAYOUT, pick)
    for file in files.files:
        if problem := no_weights(file):
            raise ModelError(f"{file}: the weights cannot be loaded: {problem[0]}", hint=problem[1])
    return files


def fitting_state(network: nn.Module, files: WeightFiles, pick: str | None) -> Mapping[str, Tensor] | None:
    """Find a state dict that has exactly the network's weights. It can be anywhere in the checkpoint.

    The library itself looks only at the top level, and only for its own names.

    Args:
        pick: the option ``state_dict``.

    Returns:
        The state dict; None if the checkpoint has no such state dict.

    Raises:
        ModelError: several fit and hold different weights, or the picked one does not exist.
    """
    shared = _other_names(network)
    wanted = {name: value for name, value in network.state_dict().items() if name not in shared}
    checkpoint = files.read()
    anchors = [name for name in wanted if name.count(".")][:_ANCHORS]
    found = [part for node in nested_states(checkpoint.content) for part in prefixed(node, anchors)]
    fitting = [part for part in found if _fits(part, wanted, shared)]
    if pick is not None:
        named = [part for part in fitting if pick in part.labels]
        if not named:
            raise _no_such(checkpoint.where, pick, fitting or found)
        return named[0].tensors
    distinct: list[Candidate] = []
    for part in fitting:
        if not part.beside and not any(same_values(part.tensors, other.tensors) for other in distinct):
            distinct.append(part)
    beside = [part for part in fitting if part.beside and not has_adapter(part.beside)]
    if len(distinct) > 1 or (beside and not distinct):
        labels = list(dict.fromkeys(part.label for part in distinct or beside))
        if len(labels) == 1:
            raise ModelError(
                f"{checkpoint.where}: the state dict {labels[0]!r} fits, but there are other tensors beside it, "
                f"such as {min(beside[0].beside)}",
                hint=f"If they do not belong to the model, set the model option {OPTION}: {labels[0]} in a card.",
            )
        raise ModelError(
            f"{checkpoint.where} holds {len(labels)} different state dicts that fit: {listed(list(map(repr, labels)))}",
            hint=f"Choose one: set the model option {OPTION}: {labels[0]} in a card.",
        )
    return distinct[0].tensors if distinct else None


def library_reads(files: WeightFiles) -> bool:
    """Whether the library itself can read these weights.

    Shards must have an index, and the top level of a ``.bin`` file must hold only tensors.
    """
    folder = files.files[0].parent
    if files.sharded and not (folder / f"{files.name}{INDEX_SUFFIX}").is_file():
        return False
    if files.files[0].suffix == ".safetensors":
        return True
    return all(isinstance(value, Tensor) for value in files.read().content.values())


def gaps(network: nn.Module, files: WeightFiles) -> Mapping[str, list[str]]:
    """Compare a checkpoint's largest state dict with the network, in the form of the library's report."""
    wanted = network.state_dict()
    states = nested_states(files.read().content)
    found = max((one.tensors for one in states), key=len, default={})
    shared = _other_names(network)
    common = [name for name in wanted if name in found]
    return {
        "missing_keys": [name for name in wanted if name not in found and name not in shared],
        "unexpected_keys": [name for name in found if name not in wanted],
        "mismatched_keys": [name for name in common if found[name].shape != wanted[name].shape],
    }


def fetched_weights(folder: Path) -> WeightFiles | None:
    """The checkpoint that the library loaded from a folder of the hub's cache; None if its name is unusual."""
    for name in TRANSFORMERS_LAYOUT.preferred:
        for file in (folder / name, folder / f"{name}{INDEX_SUFFIX}"):
            if file.is_file():
                return weight_files(file)
    return None


def refuse_quantised(where: str, network: nn.Module, tensors: Mapping[str, object]) -> None:
    """Refuse quantised weights: the library would convert their integers to floating point without their scales.

    Args:
        where: the folder or repository, for the message.
        tensors: the file's content. An integer tensor counts if the network has a floating-point weight of its name, or
            if the network does not have its name and its type is int8 or uint8.

    Raises:
        ModelError: there are such tensors.
    """
    wanted = network.state_dict()
    found = [
        name
        for name, value in tensors.items()
        if isinstance(value, Tensor)
        and not (value.is_floating_point() or value.is_complex())
        and (wanted[name].is_floating_point() if name in wanted else value.dtype in (torch.int8, torch.uint8))
    ]
    if found:
        value = tensors[found[0]]
        kind = str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else ""
        raise ModelError(
            f"{where}: {counted(len(found), 'weight')} {either(len(found), 'is', 'are')} quantised to integers "
            f"({found[0]} is {kind}); without their scales they are different weights",
            hint="Load the weights as they were before quantisation.",
        )


def without_weights(architecture: Any, config: Any) -> nn.Module:
    """Build a network with names and shapes but no values, from a class or the library's ``AutoModel``."""
    make = getattr(architecture, "from_config", architecture)
    with torch.device("meta"):
        network: nn.Module = make(config)
    return network


def refuse_adapter_weights(spec: str, names: Sequence[str]) -> None:
    """Refuse an adapter's weights among those for which the network has no place.

    Raises:
        ModelError: there are some. Without them it would be a different model.
    """
    if has_adapter(names):
        raise ModelError(
            f"{spec}: the checkpoint holds an adapter's weights (LoRA or another type of peft), such as {min(names)}; "
            "without them it is a different model",
            hint=f"{MERGE}.",
        )


def refuse_adapter(spec: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a hub repository that holds an adapter beside the base model's configuration.

    Args:
        arguments: ``revision`` and ``local_files_only``.

    Raises:
        ModelError: it does. The library would load the adapter only if peft is installed.
    """
    from transformers.utils import find_adapter_config_file

    where = {name: arguments[name] for name in ("revision", "local_files_only")}
    try:
        found = find_adapter_config_file(spec, **where)
    except OSError:
        return  # the hub cannot be reached, so nothing new is loaded from it either
    if found is not None:
        raise ModelError(
            f"{spec}: the repository holds an adapter (LoRA or another type of peft), which vlmbench does not load",
            hint=f"{MERGE}.",
        )


def _other_names(network: nn.Module) -> set[str]:
    """The further names of tensors with several names. The library saves each tensor only once."""
    seen: set[int] = set()
    twice = set()
    for name, value in network.state_dict(keep_vars=True).items():
        if id(value) in seen:
            twice.add(name)
        seen.add(id(value))
    return twice


def _fits(part: Candidate, wanted: Mapping[str, Tensor], shared: set[str]) -> bool:
    return all(
        name in part.tensors and part.tensors[name].shape == value.shape for name, value in wanted.items()
    ) and not [name for name in part.tensors if name not in wanted and name not in shared]


def _no_such(where: str, pick: str, parts: Sequence[Candidate]) -> ModelError:
    labels = [label for label in dict.fromkeys(part.label for part in parts) if label]
    return ModelError(
        f"{where} has no state dict {pick!r} that fits the model",
        hint=f"It has {listed(labels, most=8)}." if labels else None,
    )
