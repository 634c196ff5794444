"""Starting a run: the imports make millions of objects that live as long as the process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Import heavy packages in this block: the cycle collector rests meanwhile, and never looks at their objects again.

    torch, open_clip and transformers leave about a million objects behind, none of them garbage. Collecting while they
    come in, and once more at the process' end, is a second or two of a run that otherwise takes five.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
