"""From an open_clip spec to the place of its weights: architecture, tag, file, folder or hub repository."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import open_clip

from vlmbench.errors import ModelError, UnknownNameError
from vlmbench.files import check_folder, read_text
from vlmbench.models.towers.checkpoint_file import CHECKPOINT_SUFFIXES
from vlmbench.models.towers.weight_folder import MERGE
from vlmbench.paths import user_path
from vlmbench.registry import did_you_mean

SCHEMAS = ("local-dir:", "hf-hub:", "package:")


@dataclass(frozen=True)
class Source:
    """Where the weights of one model come from. At most one of ``tag``, ``path`` and ``schema`` is set.

    Attributes:
        name: open_clip's own name: an architecture, or ``local-dir:PATH`` or ``hf-hub:ORG/REPO``.
        tag: a name in open_clip's table of pretrained weights.
        path: a checkpoint file.
        schema: "local-dir" or "hf-hub", where ``name`` has one.
    """

    name: str
    tag: str | None = None
    path: Path | None = None
    schema: str | None = None

    @property
    def location(self) -> str:
        """What follows the schema's prefix."""
        return self.name.partition(":")[2] if self.schema else ""


def parse_spec(spec: str, pretrained: str | None = None, *, seeded: bool = False) -> Source:
    """Read ``ARCH/TAG``, ``ARCH/path/to/file.pt``, ``local-dir:PATH``, ``hf-hub:ORG/REPO`` or ``package:NAME/PATH``.

    Args:
        spec: the spec; ARCH may be written as OpenAI does, ``ViT-B/32``.
        pretrained: tag or file, where the spec is the architecture alone.
        seeded: weights are drawn at random, so that none need be named.

    Raises:
        UnknownNameError: no such architecture or tag.
        ModelError: no weights are named, or the local folder does not exist.
    """
    for prefix in SCHEMAS:
        if spec.startswith(prefix):
            return _schema_source(prefix, spec.removeprefix(prefix))
    architecture, rest = _split_architecture(spec)
    weights = rest or pretrained or ""
    if rest and pretrained:
        raise ModelError(
            f"spec {spec!r} names the weights {rest!r}, and the option 'pretrained' names {pretrained!r}",
            hint="Keep one of them.",
        )
    if seeded:
        if weights:
            raise ModelError(f"option 'random_seed' draws the weights: {weights!r} would not be read")
        return Source(architecture)
    if not weights:
        raise ModelError(
            f"spec {spec!r} names no weights, and random ones would measure nothing",
            hint=_some_tags(architecture),
        )
    if _is_tag(architecture, weights):
        return Source(architecture, tag=weights)
    if looks_like_path(weights):
        return Source(architecture, path=user_path(weights))
    raise UnknownNameError(
        f"open_clip has no weights {weights!r} for {architecture}, and there is no such file",
        hint=_tag_hint(architecture, weights),
    )


def looks_like_path(weights: str) -> bool:
    """Whether a spec's rest is meant as a file: it has a checkpoint's suffix, a slash, or is there."""
    path = user_path(weights)
    return path.suffix in CHECKPOINT_SUFFIXES or "/" in weights or path.exists()


def _schema_source(prefix: str, location: str) -> Source:
    if not location:
        raise ModelError(f"{prefix} is followed by nothing", hint="Write local-dir:PATH or hf-hub:ORG/REPO.")
    if prefix == "hf-hub:":
        return Source(prefix + location, schema="hf-hub")
    folder = _package_folder(location) if prefix == "package:" else user_path(location)
    config = folder / "open_clip_config.json"
    if not config.is_file():
        missing = "has no open_clip_config.json" if folder.is_dir() else "does not exist"
        raise ModelError(f"{prefix} the folder {folder.absolute()} {missing}", hint=_instead(folder))
    try:
        check_folder(folder)
    except OSError as error:
        raise ModelError(f"{prefix} {error.filename or folder}: {error.strerror or error}") from error
    return Source(f"local-dir:{folder}", schema="local-dir")


def _instead(folder: Path) -> str:
    """What a folder without an open_clip_config.json is, or should be."""
    if (folder / "adapter_config.json").is_file():
        return f"It holds an adapter (LoRA or another of peft's), and no model. {MERGE}."
    try:
        kind = json.loads(read_text(folder / "config.json"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "For a lone checkpoint file write ARCH/path/to/file; the folder form needs the config beside it."
    if _transformers_reads(kind):
        return f"Its config.json is of the transformers library ({kind}): load it as transformers:{folder}."
    return f"Its config.json is of the transformers library, of the model type {kind!r}, which no adapter reads."


def _transformers_reads(kind: object) -> bool:
    try:
        from vlmbench.models.transformers.families import FAMILIES
    except ImportError:  # then that adapter says which extra it lacks
        return True
    return kind in FAMILIES


def _package_folder(location: str) -> Path:
    """A folder inside an installed package, wherever that is: the same spec on every machine."""
    package, _, inside = location.partition("/")
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"package:{location}: the package {package!r} is not installed")
    return Path(found.submodule_search_locations[0]) / inside


def _split_architecture(spec: str) -> tuple[str, str]:
    known = set(open_clip.list_models())
    parts = spec.split("/")
    # A file's own folders may bear an architecture's name, so at most OpenAI's one slash is part of it.
    for taken in (2, 1):
        candidate = "-".join(parts[:taken])
        if len(parts) >= taken and candidate in known:
            return candidate, "/".join(parts[taken:])
    closest = did_you_mean(parts[0], known)
    raise UnknownNameError(
        f"open_clip has no architecture {parts[0]!r}",
        hint=f"{closest} The spec is ARCH/TAG, ARCH/path/to/file, local-dir:PATH or hf-hub:ORG/REPO.".strip(),
    )


def _is_tag(architecture: str, weights: str) -> bool:
    return bool(open_clip.get_pretrained_cfg(architecture, weights))


def _tag_hint(architecture: str, tag: str) -> str:
    elsewhere = open_clip.list_pretrained_models_by_tag(tag)
    if elsewhere:
        return f"It is a tag of {', '.join(elsewhere[:5])}."
    return did_you_mean(tag, open_clip.list_pretrained_tags_by_model(architecture)) or _some_tags(architecture)


def _some_tags(architecture: str) -> str:
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if not tags:
        return (
            f"open_clip publishes no weights for {architecture}: write {architecture}/path/to/checkpoint.safetensors."
        )
    return f"Write {architecture}/TAG with one of {', '.join(tags[:8])}, or {architecture}/path/to/checkpoint."
