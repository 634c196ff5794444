"""The listener for callers that want only the records."""

from __future__ import annotations

import warnings

from vlmbench.cards import ModelCard
from vlmbench.errors import VlmbenchWarning
from vlmbench.features.progress import Silent
from vlmbench.run.execute import PairResult


class Quiet(Silent):
    """Says nothing but what must be known, as Python warnings."""

    def loading(self, model: ModelCard) -> None:
        """Nothing to say."""

    def pair_started(self, model: str, task: str) -> None:
        """Nothing to say."""

    def pair_finished(self, result: PairResult) -> None:
        """Nothing to say."""

    def note(self, message: str) -> None:
        """A note becomes a warning."""
        warnings.warn(message, VlmbenchWarning, stacklevel=3)
