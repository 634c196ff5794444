"""The other task that a model learns from before it answers this one: its prompts, and whether its classes suffice.

The plugin calls it for ``--learn-from``: cross-dataset transfer if the classes are others, and domain generalisation if
they are the same.
"""

from __future__ import annotations

from dataclasses import replace

from vlmbench.cards import TaskCard
from vlmbench.data.base import ImageDataset
from vlmbench.errors import UsageError
from vlmbench.prompts import PromptSet, prompt_set
from vlmbench.tasks.base import TaskOptions
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.other_classes import find_classes, scores_new_classes
from vlmbench.wording import counted, listed


def source_prompts(source: TaskCard, train: ImageDataset, options: TaskOptions) -> PromptSet:
    """The prompts of the classes that are learnt. The user's class names are for the task that is answered.

    Raises:
        LabelError: see :func:`~vlmbench.prompts.prompt_set`.
    """
    return prompt_set(source, train, replace(options, class_names=None))


def check_classes(asked: TransferAsked, card: TaskCard, learnt: PromptSet, wanted: PromptSet) -> None:
    """Refuse a method that cannot score classes that it does not learn, unless it learns them all.

    Raises:
        UsageError: it does not learn some class of the task.
    """
    assert asked.source is not None
    if scores_new_classes(METHODS.get(asked.method), asked.options):
        return
    missing = find_classes(wanted.class_names, learnt.class_names).missing(wanted.class_names)
    if missing:
        raise UsageError(
            f"the transfer method {asked.method!r} cannot score new classes, and {asked.source.name!r}, which it "
            f"learns from, does not name {counted(len(missing), 'class', 'classes')} of {card.name!r}: "
            f"{listed(missing, most=3)}",
            hint="Use a method that scores new classes: `vlmbench methods` lists them.",
        )
