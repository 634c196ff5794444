"""Builds an open_clip network: fetches, checks and loads its weights, with remarks. The adapter uses it."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from huggingface_hub import hf_hub_download
from open_clip.model import set_model_preprocess_cfg
from open_clip.pretrained import download_pretrained, download_pretrained_from_hf
from torch import nn

from vlmbench.errors import ModelError
from vlmbench.files import read_text
from vlmbench.models.hub_access import fetch_error, fetched_revision
from vlmbench.models.open_clip.activation_and_transform import choose_activation, choose_transform
from vlmbench.models.open_clip.pretrained import Facts, facts_of_file, facts_of_tag
from vlmbench.models.open_clip.spec import Source
from vlmbench.models.open_clip.state import chosen_state, load_state
from vlmbench.models.towers.checkpoint_file import NUMPY_SUFFIXES, Checkpoint
from vlmbench.models.towers.shards import INDEX_SUFFIX, WeightFiles, shard_names, weight_files
from vlmbench.models.towers.skip_init import build_without_init, nan_weights
from vlmbench.models.towers.state_dicts import tell_of_lists
from vlmbench.models.towers.weight_folder import OPEN_CLIP_LAYOUT, chosen_files
from vlmbench.paths import user_path
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import LIBRARY, POSITIONS_INTERPOLATED, RANDOM_WEIGHTS
from vlmbench.wording import counted, either, listed

CONFIG_FILE = "open_clip_config.json"
DECIDED_HERE = (
    "Multiple checkpoints found",
    "No pretrained weights loaded",
    "Could not find/download default weights",
    "Local config loaded, but no CLIP weights found",
)
"""Beginnings of open_clip's warnings about missing weights. They are dropped, since this module loads the weights."""


@dataclass(frozen=True)
class Built:
    """A network with its weights.

    Attributes:
        network: ``CLIP``, ``CustomTextCLIP`` or ``CoCa``, float32 on the CPU, in evaluation mode.
        config: open_clip's model config as it was built, including the activation.
        revision: the commit of the hub repository from which the weights were fetched; None for other weights.
    """

    network: nn.Module
    config: dict[str, Any]
    revision: str | None = None


def build(source: Source, options: Mapping[str, Any], *, offline: bool) -> Built:
    """Build the network of a source, with its weights.

    Args:
        offline: fetch nothing. The caller must keep the hub's libraries off the network.

    Raises:
        ModelError: the weights cannot be fetched or read, or do not fit.
    """
    config = _config(source, options.get("image_size"), offline=offline)
    files = _fetch(source, options.get("weights_file"), offline=offline)
    checkpoint = files.read() if files else None
    facts = _facts(source, checkpoint)
    quick_gelu = choose_activation(source, bool(config.get("quick_gelu")), options.get("quick_gelu"), facts)
    transform = choose_transform(source, options, facts)
    image_size = options.get("image_size")
    size = tuple(image_size) if isinstance(image_size, list) else image_size
    seed = options.get("random_seed")
    # For timm's towers open_clip sets the image size after it has loaded the weights.
    late_size = size if files and "timm_model_name" in config["vision_cfg"] else None
    shapes: dict[str, tuple[int, ...]] = {}
    builds: list[nn.Module] = []

    def create() -> nn.Module:
        torch.manual_seed(seed or 0)
        network: nn.Module = open_clip.create_model(
            source.name,
            load_weights=False,
            pretrained_text=False,
            force_image_size=None if late_size else size,
            force_context_length=options.get("context_length"),
            force_preprocess_cfg=transform,
            # An argument of the network, because force_quick_gelu can only switch it on.
            **({} if quick_gelu is None else {"quick_gelu": quick_gelu}),
        )
        builds.append(network)
        if files and files.files[0].suffix in NUMPY_SUFFIXES:
            open_clip.load_checkpoint(network, str(files.files[0]))
        elif checkpoint:
            state = chosen_state(source.name, network, checkpoint, options.get("state_dict"))
            shapes.update({name: tuple(value.shape) for name, value in state.items()})
            load_state(network, state)
        if late_size:
            _set_size(network, late_size)
        if seed is not None:
            _draw_the_rest(network)
        return network

    with open_clip_log() as said, torch.random.fork_rng(devices=[]):
        try:
            network = create() if seed is not None else build_without_init(create)
        except ModelError:
            raise
        except Exception as error:  # files and options can make open_clip and torch raise any error
            what = f"{checkpoint.where} as {source.name}" if checkpoint else source.name
            raise ModelError(f"open_clip cannot load {what}: {type(error).__name__}: {error}") from error
    if checkpoint and len(builds) > 1:
        _refuse_nan(checkpoint, network)
    said = [message for message in said if not message.removeprefix("open_clip: ").startswith(DECIDED_HERE)]
    if seed is not None:
        say(RANDOM_WEIGHTS, f"the weights are random (seed {seed}), so the numbers mean nothing")
    else:
        for logged in dict.fromkeys(said):
            say(LIBRARY, logged)
    _tell_of_interpolated(network, shapes)
    if checkpoint and options.get("state_dict") is None:
        tell_of_lists(checkpoint.where, checkpoint.content, list(network.parameters()))
    config["quick_gelu"] = bool(config.get("quick_gelu")) if quick_gelu is None else quick_gelu
    revision = fetched_revision(files.files[0]) if files else None
    return Built(network.eval().requires_grad_(False), config, revision)


def _draw_the_rest(network: Any) -> None:
    """Draw the weights that open_clip does not initialise: a CoCa's projection to captions.

    It gives no feature, but it is part of the hash of all weights.
    """
    projection = getattr(getattr(network, "text_decoder", None), "text_projection", None)
    if projection is not None:
        torch.nn.init.normal_(projection, std=projection.shape[0] ** -0.5)


def _set_size(network: Any, size: int | tuple[int, int]) -> None:
    network.visual.set_input_size(size)
    set_model_preprocess_cfg(network, {**network.visual.preprocess_cfg, "size": network.visual.image_size})


def _refuse_nan(checkpoint: Checkpoint, network: nn.Module) -> None:
    # CoCa's decoder has a projection that is neither trained nor used, and was saved with uninitialised memory.
    names = [name for name in nan_weights(network) if not name.startswith("text_decoder.")]
    if names:
        raise ModelError(
            f"{checkpoint.where}: {counted(len(names), 'weight')} {either(len(names), 'holds', 'hold')} NaN "
            f"(not a number): {listed(names, most=3)}",
            hint="Name another checkpoint: the training diverged, or the file is damaged.",
        )


def _config(source: Source, image_size: Any, *, offline: bool) -> dict[str, Any]:
    if source.schema is None:
        return _checked_config(source, open_clip.get_model_config(source.name))
    try:
        path = Path(source.location) / CONFIG_FILE
        if source.schema == "hf-hub":
            path = Path(download_pretrained_from_hf(source.location, filename=CONFIG_FILE))
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{source.name}: open_clip_config.json is not valid JSON: {error}") from error
    except Exception as error:  # a fetch can fail in any way
        raise fetch_error(f"the config of {source.name}", error, offline=offline, repository=source.location) from error
    whole = content if isinstance(content, dict) else {}
    config = _checked_config(source, whole.get("model_cfg", whole))
    if image_size is None:
        _refuse_other_size(source, config, whole.get("preprocess_cfg"))
    return config


def _checked_config(source: Source, config: Any) -> dict[str, Any]:
    if not isinstance(config, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
        raise ModelError(
            f"{source.name}: open_clip_config.json has no model_cfg with embed_dim, vision_cfg and text_cfg"
        )
    return config


def _refuse_other_size(source: Source, config: Mapping[str, Any], preprocess: Any) -> None:
    """Refuse a transform's config with another image size than the network's, because open_clip would ignore it."""
    size = preprocess.get("size") if isinstance(preprocess, dict) else None
    vision = config["vision_cfg"]
    network = vision.get("image_size", 224) if isinstance(vision, dict) else None
    if size is None or network is None or _pair(size) == _pair(network):
        return
    raise ModelError(
        f"{source.name}: in open_clip_config.json preprocess_cfg has the size {size}, but vision_cfg has the "
        f"image_size {network}",
        hint="Make them equal, or set the model option image_size in a card. They may belong to different weights.",
    )


def _pair(size: Any) -> Any:
    return [size, size] if isinstance(size, int) else list(size) if isinstance(size, (list, tuple)) else size


def _fetch(source: Source, weights_file: str | None, *, offline: bool) -> WeightFiles | None:
    """Find the checkpoint's files, and fetch them if necessary. None for random weights."""
    if weights_file is not None and source.schema != "local-dir":
        raise ModelError(
            f"the option weights_file needs a local folder, and {source.name} is not one: remove the option"
        )
    if source.path is not None:
        return weight_files(source.path)
    if source.schema == "local-dir":
        return chosen_files(Path(source.location), OPEN_CLIP_LAYOUT, weights_file)
    if source.schema == "hf-hub":
        return _fetch_repository(source, offline=offline)
    return weight_files(_fetch_tag(source.name, source.tag, offline=offline)) if source.tag else None


def _fetch_repository(source: Source, *, offline: bool) -> WeightFiles:
    try:
        return weight_files(Path(download_pretrained_from_hf(source.location)))
    except Exception:  # a fetch can fail in any way
        try:
            if shards := _fetch_shards(source.location):
                return shards
        except ModelError:
            raise
        except Exception as failed:  # a shard could not be fetched
            error = failed
        raise fetch_error(
            f"the weights of {source.name}", error, offline=offline, repository=source.location
        ) from error


def _fetch_shards(repository: str) -> WeightFiles | None:
    """Fetch the shards of a repository if it has an index of them under open_clip's names; else None."""
    for name in ("open_clip_model.safetensors", "open_clip_pytorch_model.bin"):
        try:
            index = Path(hf_hub_download(repository, name + INDEX_SUFFIX))
        except Exception:  # it does not exist or cannot be reached; the caller reports the error of the whole file
            continue
        for shard in shard_names(index):
            hf_hub_download(repository, shard)
        return weight_files(index)
    return None


def _fetch_tag(architecture: str, tag: str, *, offline: bool) -> Path:
    entry = open_clip.get_pretrained_cfg(architecture, tag)
    repository = entry.get("hf_hub", "").rpartition("/")[0] or None
    what = f"the weights {architecture}/{tag}"
    if offline and repository is None and "file" not in entry:  # open_clip keeps files of plain URLs in its own cache
        cached = user_path("~/.cache/clip") / Path(entry["url"]).name
        if not cached.is_file():
            raise fetch_error(what, FileNotFoundError(str(cached)), offline=True)
    try:
        return Path(download_pretrained(entry))
    except Exception as error:  # a fetch can fail in any way
        raise fetch_error(what, error, offline=offline, repository=repository) from error


def _facts(source: Source, checkpoint: Checkpoint | None) -> Facts:
    if source.tag:
        return facts_of_tag(source.name, source.tag)
    # The config of a folder or hub repository contains its activation and transform.
    run_name = checkpoint.run_name if checkpoint else ""
    return facts_of_file(source.name, source.path, run_name) if source.path else Facts()


def _tell_of_interpolated(network: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Remark on interpolated positional embeddings. open_clip and timm do not report it, and it changes the model."""
    stretched: dict[tuple[int, int], list[str]] = {}
    for name, value in network.state_dict().items():
        found, now = shapes.get(name), tuple(value.shape)
        # A scale is one number, of shape () or (1,).
        if found is None or math.prod(found) == math.prod(now):
            continue
        axes = [axis for axis, pair in enumerate(zip(found, now, strict=False)) if pair[0] != pair[1]]
        positions = (math.prod(found[axis] for axis in axes), math.prod(now[axis] for axis in axes))
        stretched.setdefault(positions, []).append(name)
    for (before, after), names in stretched.items():
        say(
            POSITIONS_INTERPOLATED,
            f"{listed(names, most=1)} {either(len(names), 'was', 'were')} interpolated from the checkpoint's {before} "
            f"positions to {after}",
            count=len(names),
            examples=names[1:],
        )


@contextmanager
def open_clip_log() -> Iterator[list[str]]:
    """Collect open_clip's log messages from the level of warnings on, and keep all its messages off the terminal.

    open_clip uses the root logger's module-level functions, which install a handler if the logger has none. A null
    handler prevents that, so the program's logging does not change.
    """
    said: list[str] = []
    package = str(Path(open_clip.__file__).parent)

    def keep(record: logging.LogRecord) -> bool:
        ours = record.pathname.startswith(package)
        if ours and record.levelno >= logging.WARNING:
            said.append(f"open_clip: {record.getMessage()}")
        return not ours

    root, null = logging.getLogger(), logging.NullHandler()
    root.addFilter(keep)
    root.addHandler(null)
    try:
        yield said
    finally:
        root.removeFilter(keep)
        root.removeHandler(null)
