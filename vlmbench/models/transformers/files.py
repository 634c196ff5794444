"""The weight files of a local transformers folder, where the library's own way to them is not enough."""

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

OPTION = "state_dict"
"""The model option that picks one of several state dicts in a file."""
_ANCHORS = 3
"""Names of weights by which a prefix of all names is found."""


def folder_weights(folder: Path, pick: str | None) -> WeightFiles:
    """The checkpoint that is loaded of a folder; a remark if others lie beside it.

    Args:
        pick: the option ``weights_file``.

    Raises:
        ModelError: there is none, shards are missing, an adapter lies beside it, or a file holds no weights at all.
    """
    files = chosen_files(folder, TRANSFORMERS_LAYOUT, pick)
    for file in files.files:
        if problem := no_weights(file):
            raise ModelError(f"{file}: the weights cannot be loaded: {problem[0]}", hint=problem[1])
    return files


def fitting_state(network: nn.Module, files: WeightFiles, pick: str | None) -> Mapping[str, Tensor] | None:
    """A state dict anywhere in a checkpoint that has every weight of the network under its name, and no other.

    The library looks at the top level alone, and under the names that it wrote.

    Args:
        pick: the option ``state_dict``.

    Returns:
        It, or None if there is none.

    Raises:
        ModelError: several fit and hold different weights, or the one that was picked is not there.
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
                f"{checkpoint.where}: a state dict that fits is under {labels[0]!r}, and other tensors lie beside it, "
                f"such as {min(beside[0].beside)}",
                hint=f"If they are no part of the model, pick it with the option {OPTION}: {labels[0]} in a card.",
            )
        raise ModelError(
            f"{checkpoint.where} holds {len(labels)} different state dicts that fit: {', '.join(map(repr, labels))}",
            hint=f"Name one with the model option {OPTION}: {labels[0]} in a card.",
        )
    return distinct[0].tensors if distinct else None


def library_reads(files: WeightFiles) -> bool:
    """Whether the library's own way leads to these weights.

    It needs an index to shards, and tensors alone at the top level of a ``.bin`` file.
    """
    folder = files.files[0].parent
    if files.sharded and not (folder / f"{files.name}{INDEX_SUFFIX}").is_file():
        return False
    if files.files[0].suffix == ".safetensors":
        return True
    return all(isinstance(value, Tensor) for value in files.read().content.values())


def gaps(network: nn.Module, files: WeightFiles) -> Mapping[str, list[str]]:
    """What the largest state dict of a checkpoint lacks of the network, as the library would say it."""
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
    """The checkpoint that the library loaded of a folder of the hub's cache; None if it has another name."""
    for name in TRANSFORMERS_LAYOUT.preferred:
        for file in (folder / name, folder / f"{name}{INDEX_SUFFIX}"):
            if file.is_file():
                return weight_files(file)
    return None


def refuse_quantised(where: str, network: nn.Module, tensors: Mapping[str, object]) -> None:
    """Refuse whole numbers in the place of weights: the library makes them floating-point numbers of another scale.

    Args:
        where: the folder or repository, for the message.
        tensors: as they lie in the file; what is under another name than the network's counts if its type is one that
            quantised weights have.

    Raises:
        ModelError: there are some.
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
            f"{where}: {len(found)} of the weights are whole numbers, as quantised weights are, such as {found[0]} "
            f"({kind}); without their scales they are other weights",
            hint="Name the weights that were not quantised.",
        )


def without_weights(architecture: Any, config: Any) -> nn.Module:
    """The network of a configuration with names and shapes alone, of a class or of the library's ``AutoModel``."""
    make = getattr(architecture, "from_config", architecture)
    with torch.device("meta"):
        network: nn.Module = make(config)
    return network


def refuse_adapter_weights(spec: str, names: Sequence[str]) -> None:
    """Refuse weights for which the network has no place, if they are an adapter's.

    Raises:
        ModelError: they are; without them it is another model.
    """
    if has_adapter(names):
        raise ModelError(
            f"{spec}: the checkpoint holds an adapter's weights (LoRA or another of peft's), such as {min(names)}, "
            "and without them it is another model",
            hint=f"{MERGE}.",
        )


def refuse_adapter(spec: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a hub repository that holds an adapter beside the base model's configuration.

    Args:
        arguments: ``revision`` and ``local_files_only``.

    Raises:
        ModelError: it does. The library loads the adapter if peft is installed, and ignores it if not.
    """
    from transformers.utils import find_adapter_config_file

    where = {name: arguments[name] for name in ("revision", "local_files_only")}
    try:
        found = find_adapter_config_file(spec, **where)
    except OSError:
        return  # the hub cannot be asked; what it has not given before is not loaded either
    if found is not None:
        raise ModelError(
            f"{spec}: the repository holds an adapter (LoRA or another of peft's); it is neither loaded nor ignored",
            hint=f"{MERGE}.",
        )


def _other_names(network: nn.Module) -> set[str]:
    """Names under which a tensor is there a second time: the library saves it once."""
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
        hint=f"It has {', '.join(labels[:8])}." if labels else None,
    )
