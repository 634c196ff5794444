"""Checks whether a kind of task and a precision allow a transfer method. Plans call it before any data is opened."""

from __future__ import annotations

from vlmbench.cards import TaskCard
from vlmbench.errors import UsageError
from vlmbench.models.tunable import TunableImageTower, TunableTowers
from vlmbench.tasks.base import TakesTransfer, TaskOptions, TaskPlugin
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.base import StatesOptions, learns_from, takes_track
from vlmbench.transfer.options import settle_options
from vlmbench.wording import listed


def check_transfer(card: TaskCard, plugin: TaskPlugin, options: TaskOptions) -> None:
    """Refuse a transfer method that does not exist, or that this kind of task does not support.

    Raises:
        UnknownNameError: there is no method of this name.
        UsageError: this kind of task does not support the method.
    """
    asked = options.transfer
    method = METHODS.get(asked.method)
    if not isinstance(plugin, TakesTransfer):
        if asked.adapts:
            raise UsageError(
                f"task {card.name!r}: {card.plugin} tasks support no transfer method, but {asked.method!r} was given",
                hint="Run the task without --transfer.",
            )
        return
    if method.reads not in plugin.transfer_reads:
        raise UsageError(
            f"task {card.name!r}: the transfer method {asked.method!r} needs {method.reads} of the images, but "
            f"{card.plugin} tasks give a method only {listed(sorted(plugin.transfer_reads), 'or')}",
            hint="Choose another method with --transfer NAME, or run the task without --transfer.",
        )
    if asked.adapts and card.multi_label:
        raise UsageError(
            f"task {card.name!r}: its images have several classes, and transfer methods learn one class an image",
            hint="Run the task without --transfer.",
        )
    if asked.shots and learns_from(method) == "nothing":
        raise UsageError(f"the transfer method {asked.method!r} learns from no images", hint="Leave out --shots.")
    if not takes_track(method, asked.track):
        leaky = asked.track == "leaky"
        lacks = "has none to choose" if leaky else "gets no images to choose with, since it learns from none"
        raise UsageError(
            f"--track {asked.track} chooses settings, and the transfer method {asked.method!r} {lacks}",
            hint="Leave out --track.",
        )
    if isinstance(method, StatesOptions):
        settle_options(asked.method, method.options, asked.options)
        if not asked.shots and learns_from(method) != "nothing":
            raise UsageError(
                f"the transfer method {asked.method!r} learns from images",
                hint="Add --shots 1,2,4,8,16, or one of them.",
            )
    elif asked.options and not asked.adapts:
        raise UsageError("zero-shot has no options", hint="Name a method with --transfer.")


def check_transfer_precision(asked: TransferAsked, precision: str) -> None:
    """Refuse a precision in which a transfer method does not learn.

    Raises:
        UsageError: the method computes with gradients through a tower, which needs fp32.
    """
    needs = METHODS.get(asked.method).needs & {TunableTowers, TunableImageTower}
    if needs and precision != "fp32":
        raise UsageError(
            f"--precision {precision}: the transfer method {asked.method!r} sends gradients through a tower, and does "
            "that in fp32",
            hint="Leave out --precision.",
        )
