"""Chooses the state dict in a checkpoint that fits an open_clip network completely. The adapter uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import open_clip.factory
import torch
from torch import Tensor, nn

from vlmbench.errors import ModelError
from vlmbench.models.open_clip.shape_mismatch import mismatch_error, some
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
from vlmbench.wording import listed

OPTION = "state_dict"
"""The model option that picks a state dict."""

_ANCHORS = ("logit_scale", "visual.conv1.weight", "visual.proj", "token_embedding.weight")
"""Weights whose names are used to find a common prefix."""
_STALE = frozenset({"text.transformer.embeddings.position_ids"})
"""Buffers that older versions of the libraries saved. open_clip also deletes them."""


@dataclass(frozen=True)
class Fit:
    """How well a state dict fits a network.

    Attributes:
        candidate: the state dict in its place in the checkpoint.
        state: the tensors under open_clip's current names.
        missing, unexpected: the names of weights.
        differing: names with the two shapes or types, in words.
    """

    candidate: Candidate
    state: dict[str, Tensor]
    missing: Sequence[str]
    unexpected: Sequence[str]
    differing: Sequence[str]

    @property
    def whole(self) -> bool:
        """Whether the state dict has every weight of the network in its shape, and no other tensors."""
        return not (self.missing or self.unexpected or self.differing)

    @property
    def exact(self) -> bool:
        """Whether the state dict fits completely, and its key leads to no other tensors."""
        return self.whole and not self.candidate.beside


def chosen_state(name: str, network: nn.Module, checkpoint: Checkpoint, pick: str | None) -> dict[str, Tensor]:
    """Choose the state dict of the checkpoint to load. Names are open_clip's current names.

    Args:
        name: the architecture, for messages.
        pick: the option ``state_dict``: the keys that lead to it, joined by dots.

    Raises:
        ModelError: no state dict fits; or several different ones fit, and open_clip's own rule chooses none of them.
    """
    fits = _fits(network, checkpoint)
    if pick is not None:
        return _picked(name, checkpoint, fits, pick).state
    fitting = _distinct([fit for fit in fits if fit.exact])
    if not fitting:
        raise _none_fits(name, checkpoint, fits)
    if len(fitting) == 1:
        return fitting[0].state
    # open_clip reads the entry "state_dict", or else the file's top level.
    usual = [fit for fit in fitting if fit.candidate.path in ((), ("state_dict",))]
    labels = [repr(fit.candidate.label) for fit in fitting]
    if len(usual) != 1:
        raise ModelError(
            f"{checkpoint.where} holds {len(fitting)} different state dicts that fit {name}: {listed(labels)}",
            hint=f"Choose one: set the model option {OPTION}: {fitting[0].candidate.label} in a card. Most authors "
            "publish the numbers of averaged weights (EMA).",
        )
    taken = _shown(usual[0])
    say(
        SEVERAL_WEIGHTS,
        f"{checkpoint.where} holds {len(fitting)} different state dicts that fit. {taken!r} was loaded, as open_clip "
        f"does. The model option {OPTION} picks another",
        brief=f"1 of {len(fitting)} state dicts: {taken}",
        count=len(fitting),
        examples=[_shown(fit) for fit in fitting],
    )
    return usual[0].state


def load_state(network: Any, state: dict[str, Tensor]) -> None:
    """Load a chosen state into its network, strictly, as ``open_clip.load_checkpoint`` does from a file.

    Positional embeddings are interpolated to the network's size.
    """
    for name in ("logit_scale", "logit_bias"):
        own = getattr(network, name, None)
        if name in state and own is not None:
            state[name] = state[name].reshape(own.shape)
    if "logit_bias" not in state and getattr(network, "logit_bias", None) is not None:
        state["logit_bias"] = torch.zeros_like(state["logit_scale"])
        say(
            MISSING_WEIGHTS,
            "the checkpoint lacks logit_bias, which the architecture has. 0 was used instead, as in open_clip",
            brief="no logit_bias",
        )
    open_clip.factory.resize_pos_embed(state, network)
    open_clip.factory.resize_text_pos_embed(state, network)
    network.load_state_dict(state, strict=True)


def _fits(network: Any, checkpoint: Checkpoint) -> list[Fit]:
    wanted = network.state_dict()
    found = nested_states(checkpoint.content)
    # An optimizer's state has a small mapping for each parameter. These mappings need not be tried.
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
        else f"{name} is {str(state[name].dtype).removeprefix('torch.')}, a type of quantised weights"
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
    """Drop every fit whose weights are equal to those of an earlier fit."""
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
        hint=f"It has {listed(list(labels), most=8)}."
        if labels
        else "Its tensors are at the top level: remove the option.",
    )


def _none_fits(name: str, checkpoint: Checkpoint, fits: Sequence[Fit]) -> ModelError:
    if not fits:
        entries = listed([str(entry) for entry in checkpoint.content], most=8)
        return ModelError(
            f"{checkpoint.where}: the file holds no weights; "
            + (f"its entries are {entries}" if entries else "it is empty"),
            hint="A checkpoint is a dictionary of tensors, or has one under a key such as 'state_dict'.",
        )
    partly = [fit for fit in fits if fit.whole]
    closest = _closest(partly or fits)
    if has_adapter([*closest.candidate.tensors, *closest.candidate.beside]):
        return ModelError(
            f"{checkpoint.where}: the file holds the weights of a LoRA adapter; without them it is a different model",
            hint=f"{MERGE}.",
        )
    if partly:
        labels = list(dict.fromkeys(fit.candidate.label for fit in partly))
        top = f" ({TOP_LEVEL!r} is the top level)" if TOP_LEVEL in labels else ""
        beside = closest.candidate.beside
        return ModelError(
            f"{checkpoint.where}: the state dict {listed(list(map(repr, labels)), 'or')}{top} fits {name}, but there "
            f"are other tensors beside it:\n{chr(10).join(some('other tensors', beside))}",
            hint=f"If they do not belong to the model, set the model option {OPTION}: {labels[0]} in a card.",
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
    """The fit with most of the network's weights; of equal ones, with the fewest others, then the most tensors."""
    return max(
        fits,
        key=lambda fit: (-len(fit.missing) - len(fit.differing), -len(fit.unexpected), len(fit.candidate.tensors)),
    )
