"""Explains in plain words how an actor died, from the error that Ray raises."""

from __future__ import annotations

import re

from vlmbench.errors import first_line
from vlmbench.run.pool.events import Died

NODE_LOST = ("its node is gone", "its node cannot be reached", "its node was taken away")
"""How the reasons begin that no worker on the same node will outlive."""
_NO_MODULE = re.compile(r"No module named '([\w.]+)'")
_WHY_GONE = re.compile(r"actor's node was (.+)")


def died_of(error: Exception, *, starting: bool) -> Died:
    """The death of a worker whose actor Ray has lost.

    Args:
        error: raised when something of the actor was asked for.
        starting: whether the worker had not said that it is ready.
    """
    from ray.exceptions import (
        ActorDiedError,
        ActorUnavailableError,
        NodeDiedError,
        ObjectLostError,
        OutOfMemoryError,
        RuntimeEnvSetupError,
    )

    text = str(error)
    if isinstance(error, OutOfMemoryError):
        return Died("Ray ended it, because the memory of its node ran out", out_of_memory=True, starting=starting)
    if isinstance(error, RuntimeEnvSetupError):
        reason = f"Ray cannot start an actor on its node: {first_line(text)}"
    elif missing := _NO_MODULE.search(text):
        reason = _lacks(missing[1])
    elif isinstance(error, ActorDiedError):
        reason = _actor_died(error, text)
    elif isinstance(error, ActorUnavailableError):
        reason = "its node cannot be reached"
    elif isinstance(error, NodeDiedError | ObjectLostError):
        reason = "its node is gone"
    else:
        reason = f"its actor failed: {type(error).__name__}: {first_line(_last_line(text), most=300)}"
    return Died(reason, starting=starting)


def _actor_died(error: object, text: str) -> str:
    if getattr(error, "preempted", False):
        return "its node was taken away by the cluster"
    if "its node has died" in text:
        why = _WHY_GONE.search(text)
        return f"its node is gone: {why[1].strip()}" if why else "its node is gone"
    if "its owner has died" in text:
        return "the Ray of the driver's machine has ended"
    if getattr(error, "actor_init_failed", False):
        return f"its actor could not start: {first_line(_last_line(text), most=300)}"
    if "ray.kill" in text or "exit_actor" in text:
        return "it was ended through Ray"
    return "its actor's process was killed or has crashed"


def _lacks(module: str) -> str:
    package = module.split(".")[0]
    if package == "vlmbench":
        what = "vlmbench is not installed there" if module == "vlmbench" else "another version of vlmbench is there"
        return f"{what}; every node needs the same version"
    return f"the package {package!r} is not installed on its node"


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no message"
