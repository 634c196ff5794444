"""Finds the files of a model: in a local folder, in the hub's cache, or in a repository of the hub.

The adapter uses it. Of a repository only the files that are needed are fetched.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download, snapshot_download

from vlmbench.errors import ModelError
from vlmbench.files import check_regular, read_text
from vlmbench.models.base import LoadOptions
from vlmbench.models.hub_access import fetch_error, fetched_revision
from vlmbench.models.onnx.graph_file import GraphFile, check_external, read_graph_file
from vlmbench.paths import user_path

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
OPEN_CLIP = "open_clip_config.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
_SETTINGS = (
    CONFIG,
    PREPROCESSOR,
    OPEN_CLIP,
    TOKENIZER,
    TOKENIZER_CONFIG,
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
)
_DEEPEST = 2
"""How many folders below the given one are searched for graphs."""


@dataclass(frozen=True)
class Checkpoint:
    """The files of one model.

    Attributes:
        spec: the folder or repository as the user named it, for messages.
        folder: where the files are, or will be once they are fetched; None: a repository of which no file is fetched.
        names: every file, with "/" between folders.
        repository: the repository that absent files are fetched from; None: every file is in the folder.
        revision: the commit, branch or tag of the repository.
        partial: the folder is the hub's cache, so the repository may have further files.
    """

    spec: str
    folder: Path | None
    names: frozenset[str]
    repository: str | None = None
    revision: str = "main"
    partial: bool = False

    def has(self, name: str) -> bool:
        """Whether the model has a file of this name."""
        return name in self.names

    def path(self, name: str) -> Path:
        """A file's path, after it was fetched if necessary.

        Raises:
            ModelError: there is no such file, or it cannot be fetched.
        """
        if not self.has(name):
            raise ModelError(f"{self.spec} has no file {name}")
        if self.repository is None:
            assert self.folder is not None
            return self.folder / name
        try:
            return Path(hf_hub_download(self.repository, name, revision=self.revision))
        except Exception as error:  # files and network can make the library raise any error
            raise fetch_error(f"{name} of {self.spec}", error, offline=False, repository=self.repository) from error

    def settings_folder(self) -> Path:
        """The folder with the tokenizer's and the processor's files, after they were fetched if necessary.

        Raises:
            ModelError: a file cannot be fetched, or is a pipe or a device.
        """
        found = [self.path(name) for name in _SETTINGS if self.has(name)]
        for file in found:
            try:
                check_regular(file)
            except OSError as error:
                raise ModelError(f"{file}: {error.strerror or error}") from error
        if self.folder is not None:
            return self.folder
        if not found:
            raise ModelError(f"{self.spec} has none of {CONFIG}, {TOKENIZER} and {OPEN_CLIP}")
        return found[0].parent

    def json(self, name: str) -> dict[str, Any]:
        """The content of a JSON file; empty if the model has no such file.

        Raises:
            ModelError: it cannot be read, or is not a JSON object.
        """
        if not self.has(name):
            return {}
        file = self.path(name)
        try:
            content = json.loads(read_text(file))
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(f"{file} cannot be read: {error}") from error
        if not isinstance(content, dict):
            raise ModelError(f"{file} is not a JSON object")
        return content

    def graph(self, name: str) -> GraphFile:
        """Read a graph, after it and the other files of its weights were fetched if necessary.

        Raises:
            ModelError: see :func:`~vlmbench.models.onnx.graph_file.read_graph_file`.
        """
        graph = read_graph_file(self.path(name))
        if self.repository is not None:
            below = name.rpartition("/")[0]
            for other in graph.external:
                self.path(f"{below}/{other}" if below else other)
        check_external(graph)
        return graph

    @property
    def commit(self) -> str | None:
        """The commit of the hub repository that the files come from; None for other folders."""
        known = [name for name in (CONFIG, OPEN_CLIP, PREPROCESSOR) if self.has(name)]
        return fetched_revision(self.path(known[0])) if known else None


def open_checkpoint(spec: str, revision: str, options: LoadOptions) -> Checkpoint:
    """Find the files of a local folder, or of a hub repository ``ORG/REPO``.

    Raises:
        ModelError: the spec is empty or names a file, or there is no such folder, or the hub cannot be asked.
    """
    if not spec:
        raise ModelError("the onnx adapter needs a spec", hint="A local folder, or ORG/REPO of the hub.")
    folder = user_path(spec)
    if folder.is_dir():
        return Checkpoint(spec, folder, _below(folder))
    if folder.is_file():
        raise ModelError(
            f"{folder.absolute()} is a file, but the onnx adapter loads folders",
            hint=f"Name its folder: onnx:{folder.parent}. The model options image_graph and text_graph choose files.",
        )
    if spec.startswith(("/", "./", "../", "~")) or spec.count("/") != 1:
        raise ModelError(f"no folder at {folder.absolute()}", hint="Hub repositories are written ORG/REPO.")
    try:
        if options.offline:
            snapshot = Path(snapshot_download(spec, revision=revision, local_files_only=True))
            return Checkpoint(spec, snapshot, _below(snapshot), partial=True)
        names = HfApi().list_repo_files(spec, revision=revision)
    except Exception as error:  # the network can make the library raise any error
        raise fetch_error(f"the files of {spec}", error, offline=options.offline, repository=spec) from error
    return Checkpoint(spec, None, frozenset(names), spec, revision)


def _below(folder: Path) -> frozenset[str]:
    patterns = ("*", *(f"{'*/' * depth}*.onnx*" for depth in range(1, _DEEPEST + 1)))
    found = (file for pattern in patterns for file in folder.glob(pattern))
    return frozenset(file.relative_to(folder).as_posix() for file in found if not file.is_dir())
