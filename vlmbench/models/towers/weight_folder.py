"""Chooses a checkpoint among the weight files of one folder. The adapters of open_clip and transformers use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.errors import ModelError
from vlmbench.models.towers.checkpoint_file import TORCH_SUFFIXES
from vlmbench.models.towers.shards import INDEX_SUFFIX, WeightFiles, grouped, weight_files
from vlmbench.models.towers.state_dicts import Candidate, State, has_adapter, nested_states, prefixed, same_values
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import SEVERAL_WEIGHTS
from vlmbench.wording import listed

OPTION = "weights_file"
"""The model option that picks a file."""
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", "adapter_model.pt")
MERGE = (
    "Merge the adapter once on a machine with peft: PeftModel.from_pretrained(BASE, FOLDER).merge_and_unload(), save "
    "the result, and load that"
)
_WEIGHTLESS = ("optimizer", "scheduler", "training_args", "random_states", "rng_state", "scaler", "global_step")
"""Beginnings of the names of other files that trainers write into the folder of the weights."""


@dataclass(frozen=True)
class Layout:
    """How a library names its weight files.

    Attributes:
        library: the library's name.
        preferred: the names that it looks for, in its documented order.
        anything: whether it takes a file of another name if none of these exists.
        foreign: beginnings of names that belong to another library. Such files are ignored.
        suffixes: the suffixes that it looks for. If ``anything`` is set and no such file exists, files of other
            suffixes are taken; otherwise those files are only compared with the chosen one.
    """

    library: str
    preferred: Sequence[str]
    anything: bool
    foreign: tuple[str, ...]
    suffixes: tuple[str, ...] = (".safetensors", ".bin", ".pth")


OPEN_CLIP_LAYOUT = Layout(
    "open_clip",
    (  # open_clip.factory._find_checkpoint_in_dir
        "open_clip_model.safetensors",
        "open_clip_pytorch_model.safetensors",
        "open_clip_pytorch_model.bin",
        "open_clip_pytorch_model.pth",
        "model.safetensors",
        "pytorch_model.bin",
        "pytorch_model.pth",
        "model.pth",
    ),
    anything=True,
    foreign=(),
)
TRANSFORMERS_LAYOUT = Layout(
    "transformers",
    ("model.safetensors", "pytorch_model.bin"),  # transformers.modeling_utils._get_resolved_checkpoint_files
    anything=False,
    foreign=("open_clip_",),
    suffixes=(".safetensors", ".bin"),
)


def chosen_files(folder: Path, layout: Layout, pick: str | None) -> WeightFiles:
    """Choose the checkpoint of a folder.

    If other files hold different weights, a remark names the chosen one. Files with equal weights need no choice.

    Args:
        pick: the option ``weights_file``: a file's name, a shard's, or an index's.

    Raises:
        ModelError: there is no checkpoint; several differ and the library's documentation prefers none of them; a shard
            is missing; or the folder holds an adapter, and without it the weights would be a different model.
    """
    if pick is not None:
        return _picked(folder, pick)
    _refuse_adapter(folder, [file.name for file in folder.iterdir()])
    found, neighbours = _found(folder, layout)
    rank = {name: place for place, name in enumerate(layout.preferred)}
    found.sort(key=lambda one: (rank.get(one.name, len(rank)), not one.name.endswith(".safetensors"), one.name))
    if not found or not (layout.anything or found[0].name in rank):
        raise _no_weights(folder, layout, found)
    taken, others = found[0], found[1:]
    if not (others or neighbours):
        return taken
    state = _main_state(taken)
    rivals = [other for other in others if _another(state, other, folder)]
    differing = [*rivals, *(other for other in neighbours if _another(state, other, folder))]
    if not differing:
        return taken
    shown = [one.shown for one in (taken, *differing)]
    if rivals and taken.name not in rank:
        raise ModelError(
            f"{folder.absolute()} has {len(shown)} files of different weights, and {layout.library} prefers none of "
            f"their names: {listed(shown)}",
            hint=f"Set the model option {OPTION}: {shown[0]} in a card, or keep only one of the files in the folder.",
        )
    say(
        SEVERAL_WEIGHTS,
        f"{folder} has {len(shown)} files of different weights. {shown[0]} was loaded, because {layout.library} "
        f"prefers it. The model option {OPTION} picks another",
        brief=f"1 of {len(shown)} weight files: {shown[0]}",
        count=len(shown),
        examples=shown,
    )
    return taken


def _no_weights(folder: Path, layout: Layout, found: Sequence[WeightFiles]) -> ModelError:
    what = f"the weights cannot be loaded: {folder.absolute()} has no weight file that {layout.library} looks for"
    if names := listed([one.shown for one in found], most=8):
        return ModelError(f"{what}; it has {names}", hint=f"Set the model option {OPTION}: NAME in a card.")
    return ModelError(what, hint=f"It looks for files ending in {', '.join(layout.suffixes)}.")


def _found(folder: Path, layout: Layout) -> tuple[list[WeightFiles], list[WeightFiles]]:
    """The checkpoints among which the library would choose, and the other checkpoints of the folder."""
    files = [
        file
        for file in folder.iterdir()
        if file.is_file() and not file.name.startswith((*_WEIGHTLESS, *layout.foreign, "."))
    ]
    indexes = [file for file in files if file.name.endswith(INDEX_SUFFIX)]
    usual = [file for file in files if file.suffix in layout.suffixes]
    others = sorted(file for file in files if file.suffix in TORCH_SUFFIXES and file not in usual)
    if layout.anything and not usual:
        return grouped([*indexes, *others]), []
    found = grouped([*indexes, *usual])
    try:
        return found, grouped(others)
    except ModelError:  # a checkpoint that is not loaded lacks shards
        return found, [WeightFiles(file.name, (file,)) for file in others]


def _picked(folder: Path, pick: str) -> WeightFiles:
    if Path(pick).name != pick or not (folder / pick).is_file():
        here = sorted(file.name for file in folder.iterdir() if file.suffix in {".safetensors", *TORCH_SUFFIXES})
        raise ModelError(
            f"the option {OPTION} is {pick!r}, but {folder.absolute()} has no such file",
            hint=f"It has {listed(here, most=8)}." if here else None,
        )
    return weight_files(folder / pick)


def _refuse_adapter(folder: Path, names: Sequence[str]) -> None:
    there = [name for name in ADAPTER_FILES if name in names]
    if there:
        raise _adapter_error(folder, ", ".join(there))


def _adapter_error(folder: Path, files: str) -> ModelError:
    return ModelError(
        f"{folder.absolute()} holds an adapter (LoRA or another type of peft): {files}. Without it the weights "
        "are those of a different model",
        hint=f"{MERGE}. To load only the base model, set the model option {OPTION} to its file in a card.",
    )


def _another(state: State, other: WeightFiles, folder: Path) -> bool:
    """Whether a file holds different values of the same weights. An adapter in it is an error."""
    try:
        beside = _main_state(other)
    except ModelError:
        return True  # a file that cannot be read may be different
    if has_adapter(beside):
        raise _adapter_error(folder, other.shown)
    anchors = [*state][:_ANCHORS]
    found = [same_values(state, part.tensors) for part in prefixed(Candidate((), "", beside), anchors)]
    return True not in found and False in found


_ANCHORS = 3
"""The number of weights whose names are used to find a common prefix."""


def _main_state(files: WeightFiles) -> State:
    """The largest state dict of a checkpoint."""
    states = nested_states(files.read().content)
    return max((found.tensors for found in states), key=len, default={})
