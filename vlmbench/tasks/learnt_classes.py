"""Checks whether a transfer method can learn the classes that a setting asks for, and score the others.

Plans call it before any data is opened.
"""

from __future__ import annotations

from vlmbench.cards import TaskCard
from vlmbench.errors import UsageError
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.base import learns_from
from vlmbench.transfer.other_classes import scores_new_classes


def check_learnt_classes(card: TaskCard, asked: TransferAsked) -> None:
    """Refuse a setting in which the method cannot learn or score.

    Raises:
        UsageError: the method cannot score new classes; or the other task whose data it learns from is the same task,
            of another kind, or without train data.
    """
    method = METHODS.get(asked.method)
    if asked.setting == "base-to-new" and not scores_new_classes(method, asked.options):
        with_these = " with these options" if method.scores_new_classes else ""
        raise UsageError(
            f"--setting base-to-new scores new classes, and the transfer method {asked.method!r} cannot do "
            f"that{with_these}",
            hint="Use a method that scores new classes: `vlmbench methods` lists them.",
        )
    source = asked.source
    if source is None:
        return
    if source.name == card.name:
        raise UsageError(
            f"--learn-from names {source.name!r}, which is the task itself",
            hint="Leave it out: a task's own train data is learnt from anyway.",
        )
    if source.plugin != card.plugin or source.multi_label:
        kind = "multi-label" if source.multi_label else f"a {source.plugin} task"
        raise UsageError(
            f"--learn-from {source.name}: it is {kind}, and transfer methods learn one class an image",
            hint="Name a classification task whose images have one class each.",
        )
    if source.train is None:
        raise UsageError(
            f"--learn-from {source.name}: the task names no train data",
            hint="Name its sources in the card, under `train:`.",
        )
    if learns_from(method) == "nothing":
        raise UsageError(f"the transfer method {asked.method!r} learns from no images", hint="Leave out --learn-from.")
