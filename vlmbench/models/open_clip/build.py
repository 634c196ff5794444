"""Building an open_clip network: fetch its weights, look into them, load them, and note what was decided on the way."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.pretrained import download_pretrained, download_pretrained_from_hf
from torch import nn

from vlmbench.errors import ModelError
from vlmbench.models.hub_access import fetch_error
from vlmbench.models.open_clip.activation_and_transform import choose_activation, choose_transform
from vlmbench.models.open_clip.pretrained import Facts, facts_of_file, facts_of_tag
from vlmbench.models.open_clip.shape_mismatch import shape_mismatch_error
from vlmbench.models.open_clip.spec import Source
from vlmbench.models.towers.skip_init import build_without_init
from vlmbench.models.towers.weights import CheckpointHeader, read_header
from vlmbench.paths import user_path
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import LIBRARY, POSITIONS_INTERPOLATED, RANDOM_WEIGHTS

FOLDER_SUFFIXES = (".safetensors", ".bin", ".pth")
"""What open_clip looks for in a local-dir folder."""


@dataclass(frozen=True)
class Built:
    """A network with its weights.

    Attributes:
        network: ``CLIP``, ``CustomTextCLIP`` or ``CoCa``, float32 on the CPU, in evaluation mode.
        config: open_clip's model config as it was built, the activation included.
    """

    network: nn.Module
    config: dict[str, Any]


def build(source: Source, options: Mapping[str, Any], *, offline: bool) -> Built:
    """Build the network of this source.

    Args:
        offline: fetch nothing. The caller keeps the hub's libraries off the network.

    Raises:
        ModelError: weights cannot be fetched or read, or do not fit.
    """
    config = _config(source, offline=offline)
    checkpoint = _fetch(source, offline=offline)
    header = read_header(checkpoint) if checkpoint else CheckpointHeader(shapes={})
    facts = _facts(source, header)
    quick_gelu = choose_activation(source, bool(config.get("quick_gelu")), options.get("quick_gelu"), facts)
    transform = choose_transform(source, options, facts)
    image_size = options.get("image_size")
    seed = options.get("random_seed")

    def create() -> nn.Module:
        torch.manual_seed(seed or 0)
        network: nn.Module = open_clip.create_model(
            source.name,
            pretrained=str(checkpoint) if checkpoint and not source.schema else None,
            load_weights=seed is None,
            require_pretrained=seed is None,
            pretrained_text=False,
            force_image_size=tuple(image_size) if isinstance(image_size, list) else image_size,
            force_context_length=options.get("context_length"),
            force_preprocess_cfg=transform,
            # As an argument of the network, since force_quick_gelu can only turn it on.
            **({} if quick_gelu is None else {"quick_gelu": quick_gelu}),
        )
        return network

    with open_clip_log() as said, torch.random.fork_rng(devices=[]):
        try:
            network = create() if seed is not None else build_without_init(create)
        except Exception as error:  # whatever the file or the options make open_clip and torch raise
            if checkpoint is None or not header.shapes:
                raise ModelError(f"open_clip cannot load {source.name}: {type(error).__name__}: {error}") from error
            raise shape_mismatch_error(source.name, checkpoint, header, error) from error
    if seed is not None:
        say(RANDOM_WEIGHTS, f"the weights were drawn at random (seed {seed}), and the numbers mean nothing")
    else:
        for logged in dict.fromkeys(said):
            say(LIBRARY, logged)
    _tell_of_interpolated(network, header)
    config["quick_gelu"] = bool(config.get("quick_gelu")) if quick_gelu is None else quick_gelu
    return Built(network.eval().requires_grad_(False), config)


def _config(source: Source, *, offline: bool) -> dict[str, Any]:
    try:
        config = open_clip.get_model_config(source.name)
    except ValueError as error:
        raise ModelError(f"{source.name}: open_clip_config.json is not valid JSON: {error}") from error
    except Exception as error:  # a fetch can fail in any way
        raise fetch_error(f"the config of {source.name}", error, offline=offline, repository=source.location) from error
    if not isinstance(config, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
        raise ModelError(
            f"{source.name}: open_clip_config.json has no model_cfg with embed_dim, vision_cfg and text_cfg"
        )
    return config


def _fetch(source: Source, *, offline: bool) -> Path | None:
    """The checkpoint file, fetched if need be. None for random weights, or where open_clip picks one in a folder."""
    if source.path is not None:
        return source.path
    if source.schema == "local-dir":
        found = [file for file in Path(source.location).iterdir() if file.suffix in FOLDER_SUFFIXES]
        if not found:
            raise ModelError(
                f"local-dir: no weights in {Path(source.location).absolute()}",
                hint=f"open_clip looks for files ending in {', '.join(FOLDER_SUFFIXES)}.",
            )
        return found[0] if len(found) == 1 else None
    if source.schema == "hf-hub":
        try:
            return Path(download_pretrained_from_hf(source.location))
        except Exception as error:  # a fetch can fail in any way
            raise fetch_error(
                f"the weights of {source.name}", error, offline=offline, repository=source.location
            ) from error
    return _fetch_tag(source.name, source.tag, offline=offline) if source.tag else None


def _fetch_tag(architecture: str, tag: str, *, offline: bool) -> Path:
    entry = open_clip.get_pretrained_cfg(architecture, tag)
    repository = entry.get("hf_hub", "").rpartition("/")[0] or None
    what = f"the weights {architecture}/{tag}"
    if offline and repository is None and "file" not in entry:  # from a bare URL, into open_clip's own cache
        cached = user_path("~/.cache/clip") / Path(entry["url"]).name
        if not cached.is_file():
            raise fetch_error(what, FileNotFoundError(str(cached)), offline=True)
    try:
        return Path(download_pretrained(entry))
    except Exception as error:  # a fetch can fail in any way
        raise fetch_error(what, error, offline=offline, repository=repository) from error


def _facts(source: Source, header: CheckpointHeader) -> Facts:
    if source.tag:
        return facts_of_tag(source.name, source.tag)
    # A folder or hub repository states its activation and transform in its own config.
    return facts_of_file(source.name, source.path, header) if source.path else Facts()


def _tell_of_interpolated(network: nn.Module, header: CheckpointHeader) -> None:
    """open_clip stretches positional embeddings to fit, in silence; it changes the model, so it is told."""
    for name, value in network.state_dict().items():
        if not name.endswith("positional_embedding"):
            continue
        found = header.shapes.get(name) or header.shapes.get(name.removeprefix("text."))
        if found and found != tuple(value.shape):
            say(
                POSITIONS_INTERPOLATED,
                f"{name} was interpolated from the checkpoint's {found[0]} positions to {value.shape[0]}",
            )


@contextmanager
def open_clip_log() -> Iterator[list[str]]:
    """Collect what open_clip logs as a warning or worse, and keep it off the terminal.

    open_clip logs through the root logger, whose module-level functions install a handler where there is none; a null
    handler keeps the host's logging as it was.
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
