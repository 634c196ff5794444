"""Collects what a worker is and what it runs, and compares two workers. Their code and packages must be the same."""

from __future__ import annotations

import os
import platform
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import torch

from vlmbench.records import Environment
from vlmbench.run.identity import environment
from vlmbench.run.machine import machine_kind, processor_name
from vlmbench.run.pool.events import WorkerFacts
from vlmbench.run.process_state import ProcessState, default_batch

_PACKAGE = Path(__file__).parents[2]


def own_facts(state: ProcessState) -> WorkerFacts:
    """The facts about this process."""
    return WorkerFacts(
        host=platform.node(),
        pid=os.getpid(),
        device=state.device,
        processor=processor_name(state.device),
        machine=machine_kind(),
        threads=torch.get_num_threads(),
        batch_size=state.settings.batch_size or default_batch(state.device),
        environment=environment(),
        code=code_sha256(),
    )


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """The hash of all code of vlmbench in this process's installation."""
    digest = sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\0".encode())
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def difference(own: Environment, own_code: str, other: WorkerFacts) -> str | None:
    """What another worker runs that this process does not; None if their numbers are the same question's.

    The operating system may differ, because it does not change what is computed.
    """
    found = []
    for name, mine, theirs in (
        ("vlmbench", own.vlmbench, other.environment.vlmbench),
        ("Python", _minor(own.python), _minor(other.environment.python)),
    ):
        if mine != theirs:
            found.append(f"{name} {theirs} instead of {mine}")
    packages = {**own.packages, **other.environment.packages}
    for name in sorted(packages):
        mine, theirs = own.packages.get(name, "not installed"), other.environment.packages.get(name, "not installed")
        if mine != theirs:
            found.append(f"{name} {theirs} instead of {mine}")
    if not found and own_code != other.code:
        found.append("another state of the code of vlmbench")
    return "; ".join(found) or None


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
