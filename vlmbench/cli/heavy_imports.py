"""Starting a run: imports make millions of objects that live as long as the process, and Ctrl-C may come in them."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""The exit code shells expect after Ctrl-C (128 + SIGINT)."""
INTERRUPTED_LINE = "Interrupted."
_CURSOR_BACK = b"\r\x1b[K\x1b[?25h"
"""A status line hides the cursor."""


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Import heavy packages in this block: the cycle collector rests meanwhile, and never looks at their objects again.

    torch, open_clip and transformers leave about a million objects behind, none of them garbage. Collecting while they
    come in, and once more at the process' end, is a second or two of a run that otherwise takes five. Ctrl-C ends the
    process at once, see :func:`leaving_at_once`.
    """
    with resting_collector(), leaving_at_once():
        yield


@contextmanager
def resting_collector() -> Iterator[None]:
    """The cycle collector rests in this block, and never looks at the objects that are made in it."""
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
    """Let Ctrl-C end the process in this block, in which nothing is written, with a line and no trace.

    As an exception it would come in the middle of some package's import. Some catch it and go on; others are left half
    imported, and fail later for a reason that says nothing.
    """
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler  # a background job's is ignored
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
