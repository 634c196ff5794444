"""Defines the protocol by which the engine reports its progress. The terminal's progress bar implements it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener to progress. One stage runs at a time, and its total is known when it starts."""

    def start(self, stage: str, total: int) -> None:
        """A stage of ``total`` items begins."""

    def advance(self, items: int) -> None:
        """This number of further items is done."""


class Silent:
    """The listener that ignores everything."""

    def ignore(self, *_: object, **__: object) -> None:
        """Do nothing."""

    start = advance = ignore
