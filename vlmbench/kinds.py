"""What every kind of task is, without torch: its title, metrics, columns, sources, and where its code is.

A kind is one folder below :mod:`vlmbench.tasks`, and this descriptor of it lies there in ``kind.py``. Cards, answers,
the gate, reports and exports ask the descriptor and hold no list of kinds.
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
        name: what cards call it in ``plugin``.
        title: for people, as a heading.
        plugin: its :class:`~vlmbench.tasks.base.TaskPlugin`, or where that is as ``"module:attribute"``.
        metrics: what a card measures that names no metrics; the first is the main one. Empty: a card names its own.
        truth: columns of its tables of predictions that say what was to be answered, where they are there. Together
            with a sample's content they are what the sample is.
        protocol: the pydantic model of what a card's ``protocol`` and ``--set`` may say, or where that is; None:
            nothing can be set.
        paired: its :class:`~vlmbench.answers.measured.Pairing`, or where that is; None where two runs cannot be
            compared sample by sample.
        sources: sources whose data is asked this kind's question where no card says otherwise; the first is the source
            of ``-t KIND:PATH``.
        hub_task: a hub's identifier of the task and its title there; None: the kind's own name.
        hub_metrics: metrics with the hub's identifiers of them; the others keep their names.
        place: of its heading among others, lowest first.
    """

    name: str
    title: str
    plugin: str | object
    metrics: tuple[str, ...] = ()
    truth: tuple[str, ...] = ()
    protocol: str | object | None = None
    paired: str | object | None = None
    sources: tuple[str, ...] = ()
    hub_task: tuple[str, str] | None = None
    hub_metrics: tuple[tuple[str, str], ...] = ()
    place: int = 100

    def load_plugin(self) -> object:
        """The plugin, imported.

        Raises:
            PluginError, MissingDependencyError: it cannot be.
        """
        return self._load("plugin")

    def load_paired(self) -> object | None:
        """How two runs are paired, imported; None where they cannot be.

        Raises:
            PluginError, MissingDependencyError: it cannot be imported.
        """
        return self._load("paired")

    def load_protocol(self) -> object | None:
        """The model of the protocol, imported; None if nothing can be set.

        Raises:
            PluginError, MissingDependencyError: it cannot be imported.
        """
        return self._load("protocol")

    def _load(self, part: Literal["plugin", "protocol", "paired"]) -> object | None:
        target: object | None = getattr(self, part)
        if isinstance(target, str):
            origin = "vlmbench" if target.startswith("vlmbench.") else "its package"
            found: object = load_checked(target, f"{part} of the kind of task {self.name!r}", origin)
            return found
        return target


DEFAULT_KIND = "classification"
"""Of cards that name none, and of data whose source no kind claims."""

KINDS: Registry[TaskKind] = Registry(
    "kind of task", modules_in("tasks", "KIND", file="kind"), group="vlmbench.tasks", expects=TaskKind
)


def known_kind(name: str) -> TaskKind | None:
    """The kind of this name; None for one that is not installed here, as a foreign record may have, or is broken."""
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
    """The kind that claims the data of a source; the default kind where none does."""
    return next((kind.name for kind in kinds() if source in kind.sources), DEFAULT_KIND)
