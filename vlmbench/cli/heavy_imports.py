"""Imports heavy packages faster, without the garbage collector, and lets Ctrl-C stop the imports at once.

``vlmbench run``, ``demo`` and ``show`` import torch with it. Every command starts with its guard against Ctrl-C.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""The exit code that shells expect after Ctrl-C (128 + SIGINT)."""
INTERRUPTED_LINE = "Interrupted."
_CURSOR_BACK = b"\r\x1b[K\x1b[?25h"
"""Clears the line and shows the cursor, which a status line hides."""


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Import heavy packages in this block. The garbage collector is off in it, and later skips the objects made there.

    torch, open_clip and transformers leave about a million objects behind, none of them garbage. Collecting during
    the imports, and once more at the end of the process, takes one or two seconds of a run that otherwise takes five.
    Ctrl-C ends the process at once, see :func:`leaving_at_once`.
    """
    with resting_collector(), leaving_at_once():
        yield


@contextmanager
def resting_collector() -> Iterator[None]:
    """Turn the garbage collector off in this block; later it skips the objects that were made in the block."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process at once, with one line and no stack trace. Nothing may be written in this block.

    As an exception, Ctrl-C would be raised in the middle of a package's import. Some packages catch it and go on;
    others stay half imported, and fail later with a misleading error.
    """
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler  # it is ignored in a background job
    )
    if ours:
        signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: FrameType | None) -> None:
    if os.isatty(2):
        os.write(2, _CURSOR_BACK)
    os.write(2, f"{INTERRUPTED_LINE}\n".encode())
    os._exit(INTERRUPTED)
