"""Which of a checkpoint's state dicts an open_clip network takes: the one that fits it, and never a part of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import open_clip.factory
import torch
from torch import Tensor, nn

from vlmbench.errors import ModelError
from vlmbench.models.open_clip.shape_mismatch import listed, mismatch_error
from vlmbench.models.towers.checkpoint_file import Checkpoint
from vlmbench.models.towers.state_dicts import (
    TOP_LEVEL,
    Candidate,
    State,
    has_adapter,
    nested_states,
    prefixed,
    same_values,
)
from vlmbench.models.towers.weight_folder import MERGE
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import MISSING_WEIGHTS, SEVERAL_WEIGHTS

OPTION = "state_dict"
"""The model option that picks one."""

_ANCHORS = ("logit_scale", "visual.conv1.weight", "visual.proj", "token_embedding.weight")
"""Names of weights by which a prefix of all names is found."""
_STALE = frozenset({"text.transformer.embeddings.position_ids"})
"""Buffers that older versions of the libraries saved; open_clip deletes them, too."""


@dataclass(frozen=True)
class Fit:
    """How a state dict stands to a network.

    Attributes:
        candidate: where it is in the checkpoint.
        state: under open_clip's present names.
        missing, unexpected, differing: sentences' parts: names, and for ``differing`` the two shapes or types.
    """

    candidate: Candidate
    state: dict[str, Tensor]
    missing: Sequence[str]
    unexpected: Sequence[str]
    differing: Sequence[str]

    @property
    def whole(self) -> bool:
        """Every weight of the network is there, of its shape, and nothing else of this state dict is left."""
        return not (self.missing or self.unexpected or self.differing)

    @property
    def exact(self) -> bool:
        """It is whole, and nothing lies beside it under the same key."""
        return self.whole and not self.candidate.beside


def chosen_state(name: str, network: nn.Module, checkpoint: Checkpoint, pick: str | None) -> dict[str, Tensor]:
    """The state dict of the checkpoint to load, under open_clip's present names.

    Args:
        name: the architecture, for messages.
        pick: the option ``state_dict``: the keys that lead to it, joined by dots.

    Raises:
        ModelError: none fits, or several do, that differ and of which open_clip's own rule names none.
    """
    fits = _fits(network, checkpoint)
    if pick is not None:
        return _picked(name, checkpoint, fits, pick).state
    fitting = _distinct([fit for fit in fits if fit.exact])
    if not fitting:
        raise _none_fits(name, checkpoint, fits)
    if len(fitting) == 1:
        return fitting[0].state
    # open_clip reads what lies under "state_dict", or else the file's top level.
    usual = [fit for fit in fitting if fit.candidate.path in ((), ("state_dict",))]
    labels = [repr(fit.candidate.label) for fit in fitting]
    if len(usual) != 1:
        raise ModelError(
            f"{checkpoint.where} holds {len(fitting)} different state dicts that fit {name}: {', '.join(labels)}",
            hint=f"Name one with the model option {OPTION}: {fitting[0].candidate.label} in a card. Averaged weights "
            "(EMA) are what most authors publish numbers of.",
        )
    taken = _shown(usual[0])
    say(
        SEVERAL_WEIGHTS,
        f"{checkpoint.where} holds {len(fitting)} different state dicts that fit, and {taken!r} was loaded, as "
        f"open_clip does; the model option {OPTION} picks another",
        brief=f"1 of {len(fitting)} state dicts: {taken}",
        count=len(fitting),
        examples=[_shown(fit) for fit in fitting],
    )
    return usual[0].state


def load_state(network: Any, state: dict[str, Tensor]) -> None:
    """Load a chosen state into its network, strictly, as ``open_clip.load_checkpoint`` does from a file.

    Positional embeddings are stretched to the network's size.
    """
    for name in ("logit_scale", "logit_bias"):
        own = getattr(network, name, None)
        if name in state and own is not None:
            state[name] = state[name].reshape(own.shape)
    if "logit_bias" not in state and getattr(network, "logit_bias", None) is not None:
        state["logit_bias"] = torch.zeros_like(state["logit_scale"])
        say(
            MISSING_WEIGHTS,
            "the checkpoint has no logit_bias, which the architecture has, and 0 was taken, as open_clip does",
            brief="no logit_bias",
        )
    open_clip.factory.resize_pos_embed(state, network)
    open_clip.factory.resize_text_pos_embed(state, network)
    network.load_state_dict(state, strict=True)


def _fits(network: Any, checkpoint: Checkpoint) -> list[Fit]:
    wanted = network.state_dict()
    found = nested_states(checkpoint.content)
    # An optimizer's state is one mapping of a few tensors for each parameter: no need to try them all.
    large = [one for one in found if len(one.tensors) >= len(wanted) // 2]
    tried = large or sorted(found, key=lambda one: len(one.tensors))[-1:]
    return [_fit(network, wanted, candidate) for one in tried for candidate in prefixed(one, _ANCHORS)]


def _fit(network: Any, wanted: State, candidate: Candidate) -> Fit:
    state = dict(candidate.tensors)
    if "logit_scale" in state:
        state = _present_names(network, state)
    missing = [name for name in wanted if name not in state and name != "logit_bias"]
    unexpected = [name for name in state if name not in wanted]
    differing = [
        f"{name} is {tuple(state[name].shape)}, not {tuple(value.shape)}"
        if state[name].shape != value.shape
        else f"{name} is {str(state[name].dtype).removeprefix('torch.')}, as quantised weights are"
        for name, value in wanted.items()
        if name in state and not _loadable(network, name, state[name], value)
    ]
    return Fit(candidate, state, missing, unexpected, differing)


def _present_names(network: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    converted: Mapping[str, Tensor] = open_clip.factory.convert_state_dict(network, state)
    if "positional_embedding" in converted and not hasattr(network, "positional_embedding"):
        converted = open_clip.factory.convert_to_custom_text_state_dict(converted)
    return {name: value for name, value in converted.items() if name not in _STALE}


def _loadable(network: Any, name: str, found: Tensor, wanted: Tensor) -> bool:
    if found.dtype.is_floating_point != wanted.dtype.is_floating_point:
        return False
    if found.shape == wanted.shape:
        return True
    if name in ("logit_scale", "logit_bias"):
        return found.numel() == wanted.numel()
    if found.ndim != 2 or wanted.ndim != 2 or found.shape[1] != wanted.shape[1]:
        return False
    if name == "visual.positional_embedding":
        side = round((len(found) - 1) ** 0.5)  # a square of patches and the class token
        return hasattr(network.visual, "grid_size") and side * side == len(found) - 1
    return name in ("positional_embedding", "text.positional_embedding")


def _distinct(fits: Sequence[Fit]) -> list[Fit]:
    """Without those that hold the same weights as an earlier one."""
    kept: list[Fit] = []
    for fit in fits:
        if not any(same_values(fit.state, other.state) for other in kept):
            kept.append(fit)
    return kept


def _picked(name: str, checkpoint: Checkpoint, fits: Sequence[Fit], pick: str) -> Fit:
    named = [fit for fit in fits if pick in fit.candidate.labels]
    whole = [fit for fit in named if fit.whole]
    if whole:
        return whole[0]
    fitting = [fit for fit in fits if fit.whole]
    inside = {fit.candidate.path for fit in named} & {fit.candidate.path for fit in fitting}
    if named and not inside:
        raise _misfit(name, checkpoint, _closest(named))
    labels = dict.fromkeys(fit.candidate.label for fit in fitting or fits if fit.candidate.label != TOP_LEVEL)
    raise ModelError(
        f"{checkpoint.where} has no state dict {pick!r}" + (f" that fits {name}" if inside else ""),
        hint=f"It has {', '.join(list(labels)[:8])}."
        if labels
        else "Its tensors are at the top level: drop the option.",
    )


def _none_fits(name: str, checkpoint: Checkpoint, fits: Sequence[Fit]) -> ModelError:
    if not fits:
        entries = ", ".join(str(entry) for entry in list(checkpoint.content)[:8])
        return ModelError(
            f"{checkpoint.where}: holds no weights; its entries are {entries or 'none'}",
            hint="A checkpoint is a dictionary of tensors, or has one under a key such as 'state_dict'.",
        )
    partly = [fit for fit in fits if fit.whole]
    closest = _closest(partly or fits)
    if has_adapter([*closest.candidate.tensors, *closest.candidate.beside]):
        return ModelError(
            f"{checkpoint.where}: holds a LoRA adapter's weights beside the model's, or alone; without them it is "
            "another model",
            hint=f"{MERGE}.",
        )
    if partly:
        labels = list(dict.fromkeys(fit.candidate.label for fit in partly))
        top = f" ({TOP_LEVEL!r} is the top level)" if TOP_LEVEL in labels else ""
        beside = closest.candidate.beside
        return ModelError(
            f"{checkpoint.where}: a state dict that fits {name} is under {', '.join(map(repr, labels))}{top}, and "
            f"other tensors lie beside it:\n{chr(10).join(listed('beside', beside))}",
            hint=f"If they are no part of the model, pick it with the model option {OPTION}: {labels[0]} in a card.",
        )
    return _misfit(name, checkpoint, closest)


def _shown(fit: Fit) -> str:
    return "the top level" if fit.candidate.label == TOP_LEVEL else fit.candidate.label


def _misfit(name: str, checkpoint: Checkpoint, fit: Fit) -> ModelError:
    where = f"{checkpoint.where}, {'.'.join(fit.candidate.path)}," if fit.candidate.path else checkpoint.where
    return mismatch_error(
        name, where, fit.state, missing=fit.missing, unexpected=fit.unexpected, differing=fit.differing
    )


def _closest(fits: Sequence[Fit]) -> Fit:
    """The one that has most of the network's weights; of equals, that with the fewest others, then the largest."""
    return max(
        fits,
        key=lambda fit: (-len(fit.missing) - len(fit.differing), -len(fit.unexpected), len(fit.candidate.tensors)),
    )
