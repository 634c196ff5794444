"""The listener of Python callers."""

from __future__ import annotations

import warnings

import pytest

from vlmbench.cards import ModelCard
from vlmbench.errors import VlmbenchWarning
from vlmbench.run.listener import Listener, NotesAsWarnings, PairResult


def test_notes_become_warnings_of_the_caller() -> None:
    listener: Listener = NotesAsWarnings()
    with pytest.warns(VlmbenchWarning, match="^something to know$"):
        listener.note("something to know")


def test_all_else_is_quiet() -> None:
    listener: Listener = NotesAsWarnings()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        listener.loading(ModelCard(name="toy", adapter="toy"))
        listener.pair_started("toy", "task")
        listener.start("images", 2)
        listener.advance(1)
        listener.pair_finished(PairResult("toy", "task", "done"))
