"""Reads an open_clip spec: the architecture, and the tag, file, folder or hub repository of its weights.

The adapter uses it.
"""

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
from vlmbench.wording import listed

SCHEMAS = ("local-dir:", "hf-hub:", "package:")


@dataclass(frozen=True)
class Source:
    """The place of a model's weights. At most one of ``tag``, ``path`` and ``schema`` is set.

    Attributes:
        name: the name that open_clip uses: an architecture, ``local-dir:PATH`` or ``hf-hub:ORG/REPO``.
        tag: a name in open_clip's table of pretrained weights.
        path: a checkpoint file.
        schema: "local-dir" or "hf-hub", if ``name`` begins with it.
    """

    name: str
    tag: str | None = None
    path: Path | None = None
    schema: str | None = None

    @property
    def location(self) -> str:
        """The part of the name after the schema's prefix."""
        return self.name.partition(":")[2] if self.schema else ""


def parse_spec(spec: str, pretrained: str | None = None, *, seeded: bool = False) -> Source:
    """Read ``ARCH/TAG``, ``ARCH/path/to/file.pt``, ``local-dir:PATH``, ``hf-hub:ORG/REPO`` or ``package:NAME/PATH``.

    Args:
        spec: the spec; ARCH may be written as OpenAI does, ``ViT-B/32``.
        pretrained: the tag or file, if the spec is only the architecture.
        seeded: the weights are random, so the spec names none.

    Raises:
        UnknownNameError: there is no such architecture or tag.
        ModelError: no weights are named, or the local folder does not exist.
    """
    for prefix in SCHEMAS:
        if spec.startswith(prefix):
            return _schema_source(prefix, spec.removeprefix(prefix))
    architecture, rest = _split_architecture(spec)
    weights = rest or pretrained or ""
    if rest and pretrained:
        raise ModelError(
            f"spec {spec!r} names the weights {rest!r}, but the option 'pretrained' names {pretrained!r}",
            hint="Remove one of them.",
        )
    if seeded:
        if weights:
            raise ModelError(
                f"option 'random_seed' makes random weights, so {weights!r} would not be read: remove one of the two"
            )
        return Source(architecture)
    if not weights:
        raise ModelError(
            f"spec {spec!r} names no weights, and results of random weights mean nothing",
            hint=_some_tags(architecture),
        )
    if _is_tag(architecture, weights):
        return Source(architecture, tag=weights)
    if looks_like_path(weights):
        return Source(architecture, path=user_path(weights))
    raise UnknownNameError(
        f"open_clip has no weights {weights!r} for {architecture}, and no file has this name",
        hint=_tag_hint(architecture, weights),
    )


def looks_like_path(weights: str) -> bool:
    """Whether the rest of a spec is a file: it has a checkpoint's suffix or a slash, or it exists."""
    path = user_path(weights)
    return path.suffix in CHECKPOINT_SUFFIXES or "/" in weights or path.exists()


def _schema_source(prefix: str, location: str) -> Source:
    if not location:
        raise ModelError(f"nothing follows {prefix}", hint="Write local-dir:PATH or hf-hub:ORG/REPO.")
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
    """A hint on what a folder without an open_clip_config.json is, or should be."""
    if (folder / "adapter_config.json").is_file():
        return f"It holds an adapter (LoRA or another type of peft) but no model. {MERGE}."
    try:
        kind = json.loads(read_text(folder / "config.json"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "For a single checkpoint file write ARCH/path/to/file. A folder must have an open_clip_config.json."
    if _transformers_reads(kind):
        return f"Its config.json belongs to the transformers library ({kind}): load it as transformers:{folder}."
    return f"Its config.json belongs to the transformers library. No adapter reads its model type {kind!r}."


def _transformers_reads(kind: object) -> bool:
    try:
        from vlmbench.models.transformers.families import families
    except ImportError:  # the transformers adapter then says which package is missing
        return True
    return kind in families()


def _package_folder(location: str) -> Path:
    """A folder inside an installed package, so that the spec is the same on every machine."""
    package, _, inside = location.partition("/")
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"package:{location}: the package {package!r} is not installed")
    return Path(found.submodule_search_locations[0]) / inside


def _split_architecture(spec: str) -> tuple[str, str]:
    known = set(open_clip.list_models())
    parts = spec.split("/")
    # A file's folders may have the name of an architecture, so an architecture has at most one slash, as OpenAI writes.
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
        return f"It is a tag of {listed(elsewhere, most=5)}."
    return did_you_mean(tag, open_clip.list_pretrained_tags_by_model(architecture)) or _some_tags(architecture)


def _some_tags(architecture: str) -> str:
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if not tags:
        return f"open_clip publishes no weights of {architecture}: write {architecture}/path/to/checkpoint.safetensors."
    return f"Write {architecture}/path/to/checkpoint, or {architecture}/TAG; tags are {listed(tags, most=8)}."
