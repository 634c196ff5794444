"""How the engine says how far it is, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener. Stages follow each other; a stage's total is known when it starts."""

    def start(self, stage: str, total: int) -> None:
        """A stage of ``total`` items begins."""

    def advance(self, items: int) -> None:
        """So many more items are done."""


class Silent:
    """The listener that ignores everything."""

    def ignore(self, *_: object, **__: object) -> None:
        """Nothing to do."""

    start = advance = ignore
