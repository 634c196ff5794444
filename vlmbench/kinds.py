"""Describes a kind of task: its title, metrics, columns and sources, and where its code is. It needs no torch.

A kind is one folder below :mod:`vlmbench.tasks`, and its descriptor is in ``kind.py`` there. Cards, answers, the gate,
reports and exports read the descriptor; they have no list of kinds.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vlmbench.errors import MissingDependencyError, PluginError, VlmbenchWarning
from vlmbench.registry import Registry, load_checked, modules_in


@dataclass(frozen=True)
class TaskKind:
    """One kind of task.

    Attributes:
        name: the value of ``plugin`` in cards.
        title: the heading for people.
        plugin: its :class:`~vlmbench.tasks.base.TaskPlugin`, or its place as ``"module:attribute"``.
        metrics: the metrics of a card that names none; the first is the main one. Empty: every card names its own.
        truth: the columns of its prediction tables that hold the right answers; a table may lack some. A sample is
            identified by them and by its content.
        protocol: the pydantic model of a card's ``protocol`` and of ``--set``, or its place; None: nothing can be set.
        paired: its :class:`~vlmbench.answers.measured.Pairing`, or its place; None if two runs cannot be compared
            sample by sample.
        frames: its views in pandas, a tuple of :class:`~vlmbench.answers.frame_rows.FrameRows` with the usual one
            first, or their place; None: a frame shows the columns of its prediction tables unchanged.
        sources: the sources whose data is of this kind if no card says otherwise. ``-t KIND:PATH`` reads with the
            first.
        hub_task: the identifier and the title of the task on the Hugging Face hub; None: the kind's own name.
        hub_metrics: metrics with their identifiers on the hub; other metrics keep their names.
        place: the position of its heading, lowest first.
    """

    name: str
    title: str
    plugin: str | object
    metrics: tuple[str, ...] = ()
    truth: tuple[str, ...] = ()
    protocol: str | object | None = None
    paired: str | object | None = None
    frames: str | object | None = None
    sources: tuple[str, ...] = ()
    hub_task: tuple[str, str] | None = None
    hub_metrics: tuple[tuple[str, str], ...] = ()
    place: int = 100

    def load_plugin(self) -> object:
        """The plugin, imported.

        Raises:
            PluginError, MissingDependencyError: it cannot be imported.
        """
        return self._load("plugin")

    def load_paired(self) -> object | None:
        """The way to pair two runs, imported; None if they cannot be paired.

        Raises:
            PluginError, MissingDependencyError: it cannot be imported.
        """
        return self._load("paired")

    def load_frames(self) -> object | None:
        """The views in pandas, imported; None if the kind declares none.

        Raises:
            PluginError, MissingDependencyError: they cannot be imported.
        """
        return self._load("frames")

    def load_protocol(self) -> object | None:
        """The model of the protocol, imported; None if nothing can be set.

        Raises:
            PluginError, MissingDependencyError: it cannot be imported.
        """
        return self._load("protocol")

    def _load(self, part: Literal["plugin", "protocol", "paired", "frames"]) -> object | None:
        target: object | None = getattr(self, part)
        if isinstance(target, str):
            origin = "vlmbench" if target.startswith("vlmbench.") else "its package"
            found: object = load_checked(target, f"{part} of the kind of task {self.name!r}", origin)
            return found
        return target


DEFAULT_KIND = "classification"
"""The kind of cards that name no kind, and of data whose source belongs to no kind."""

KINDS: Registry[TaskKind] = Registry(
    "kind of task", modules_in("tasks", "KIND", file="kind"), group="vlmbench.tasks", expects=TaskKind
)


def known_kind(name: str) -> TaskKind | None:
    """The kind of this name; None if it is not installed here or is broken."""
    try:
        return KINDS.get(name) if name in KINDS else None
    except (PluginError, MissingDependencyError) as error:
        warnings.warn(f"ignored: {error}", VlmbenchWarning, stacklevel=2)
        return None


def kinds() -> list[TaskKind]:
    """All kinds, in the order of their headings."""
    return sorted(KINDS.usable(), key=lambda kind: (kind.place, kind.name))


def kind_titles() -> Mapping[str, str]:
    """Names to titles, in the order of headings."""
    return {kind.name: kind.title for kind in kinds()}


def kind_of_source(source: str) -> str:
    """The kind to which a source's data belongs; the default kind if no kind lists the source."""
    return next((kind.name for kind in kinds() if source in kind.sources), DEFAULT_KIND)
