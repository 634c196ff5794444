"""Ray's errors about actors, in plain words."""

from __future__ import annotations

import pytest

from vlmbench.run.pool.events import Died
from vlmbench.run.pool.ray_crew.deaths import died_of

exceptions = pytest.importorskip("ray.exceptions", reason="the extra `ray` is not installed")

ACTOR_DIED = "The actor died unexpectedly before finishing this task.\n\tclass_name: Supervisor\n\tpid: 12\n"
"""How the messages of Ray 2.60 begin; the ends below were copied from it, too."""


def actor_died(text: str, *, init_failed: bool = False, preempted: bool = False) -> Exception:
    error = exceptions.ActorDiedError()
    exceptions.RayActorError.__init__(error, "ab", ACTOR_DIED + text, init_failed, preempted)
    return error  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("error", "reason", "out_of_memory"),
    [
        (
            exceptions.OutOfMemoryError("Task was killed due to the node running low on memory."),
            "Ray ended it, because the memory of its node ran out",
            True,
        ),
        (
            actor_died(
                "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit"
            ),
            "its actor's process was killed or has crashed",
            False,
        ),
        (
            actor_died(
                "The actor died because its node has died. Node Id: 46f0\n"
                "\tthe actor's node was terminated unexpectedly: health check failed due to "
                "missing too many heartbeats\n"
            ),
            "its node is gone: terminated unexpectedly: health check failed due to missing too many heartbeats",
            False,
        ),
        (
            actor_died("The actor is dead because its owner has died. Owner Id: 01"),
            "the Ray of the driver's machine has ended",
            False,
        ),
        (actor_died("", preempted=True), "its node was taken away by the cluster", False),
        (
            actor_died("ModuleNotFoundError: No module named 'vlmbench'", init_failed=True),
            "vlmbench is not installed there; every node needs the same version",
            False,
        ),
        (
            actor_died("ModuleNotFoundError: No module named 'vlmbench.run.pool'", init_failed=True),
            "another version of vlmbench is there; every node needs the same version",
            False,
        ),
        (
            actor_died("Traceback\n  File\nOSError: too many open files\n", init_failed=True),
            "its actor could not start: OSError: too many open files",
            False,
        ),
        (exceptions.ActorUnavailableError("rpc", None), "its node cannot be reached", False),
        (exceptions.NodeDiedError("lost"), "its node is gone", False),
        (ValueError("first\nlast"), "its actor failed: ValueError: last", False),
        (ValueError(), "its actor failed: ValueError: no message", False),
    ],
)
def test_reasons(error: Exception, reason: str, out_of_memory: bool) -> None:
    assert died_of(error, starting=True) == Died(reason, out_of_memory, starting=True)
    assert not died_of(error, starting=False).starting
