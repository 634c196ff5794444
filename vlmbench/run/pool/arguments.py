"""Reads the argument of executors with workers: ``local:4`` or ``ray:ADDRESS,workers-per-gpu=2,split=20000``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from vlmbench.errors import UsageError
from vlmbench.registry import did_you_mean

SPLIT_AT = 20_000
"""The number of images from which a pair is split over workers. Below it, loading the model again costs more than is
gained: a model loads in seconds, and a GPU encodes thousands of images in one."""
MOST_WORKERS = 4096
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""The variables from which libraries read their number of threads when they are imported."""


@dataclass(frozen=True)
class PoolOptions:
    """How many workers there are, and what they share.

    Attributes:
        workers: the largest number of workers; None: one for each place.
        per_device: the workers that share one GPU.
        threads: the threads of torch in each worker. It is 1 for every number of workers, because the last bits of a
            processor's sums depend on it, and the records of 1, 2 and 4 workers are to be equal.
        split_at: the number of images from which a pair is split over workers that have nothing else to do.
    """

    workers: int | None = None
    per_device: int = 1
    threads: int = 1
    split_at: int = SPLIT_AT


_FIELDS = {"workers": "workers", "workers-per-gpu": "per_device", "threads": "threads", "split": "split_at"}


def read_options(executor: str, texts: list[str], without: Collection[str] = ()) -> PoolOptions:
    """The options ``NAME=NUMBER`` of an executor.

    Args:
        executor: its name, for messages.
        without: the options that it does not have.

    Raises:
        UsageError: an option is unknown, is set twice, or is no number above 0.
    """
    found: dict[str, int] = {}
    known = [name for name in _FIELDS if name not in without]
    for text in texts:
        name, equals, value = text.partition("=")
        if name not in known or not equals:
            raise UsageError(
                f"executor {executor!r} has no option {text!r}",
                hint=f"{did_you_mean(name, known)} An example is --executor {executor}:…,threads=4.".strip(),
            )
        if _FIELDS[name] in found:
            raise UsageError(f"executor {executor!r}: {name} is set twice")
        found[_FIELDS[name]] = whole_number(executor, name, value)
    return PoolOptions(**found)


def whole_number(executor: str, name: str, text: str) -> int:
    """A number above 0.

    Raises:
        UsageError: it is something else, or has more than nine digits.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        example = "8" if executor == "local" and name == "workers" else f"…,{name}=4"
        raise UsageError(
            f"executor {executor!r}: {name} must be a whole number above 0, not {text!r}",
            hint=f"An example is --executor {executor}:{example}.",
        )
    if name == "workers" and int(text) > MOST_WORKERS:
        raise UsageError(f"executor {executor!r}: {name} can be at most {MOST_WORKERS:,}, not {int(text):,}")
    return int(text)
