"""Connects this process to a Ray cluster or starts a Ray here, and keeps Ray's messages off the terminal."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from vlmbench.errors import MissingDependencyError, UsageError, WorkerError, first_line, install_command
from vlmbench.run.pool.ray_crew.own_folder import own_folder
from vlmbench.run.pool.ray_crew.probe import check_address, split_address

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",  # else Ctrl-C and SIGTERM print a trace of C++ functions
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_SCHEDULER_EVENTS": "0",
}
_OWN_STORE_BYTES = 500 * 2**20
"""The memory for objects in a Ray that this process starts. Only answers go through it; the rest goes to disk."""


def check_installed() -> None:
    """Check that Ray is installed, without an import, which takes a second.

    Raises:
        MissingDependencyError: it is not.
    """
    if find_spec("ray") is None:
        raise MissingDependencyError(
            "executor 'ray' needs the package 'ray', which is not installed", hint=install_command("ray")
        )


def imported_ray() -> ModuleType:
    """The package ray. Before it is imported for the first time, it is told to be quiet."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    found: ModuleType = ray
    return found


def check_form(address: str) -> None:
    """Check what can be checked of an address without a connection.

    Raises:
        UsageError: it is no address, or one for Ray Client.
    """
    if "://" in address or address.startswith("//"):
        shown = address if "://" in address else f"ray:{address}"
        raise UsageError(
            f"{shown!r} is an address for Ray Client or Ray Jobs, which cannot do this work",
            hint="Run vlmbench on a machine of the cluster with --executor ray:auto; from outside, "
            "`ray job submit -- vlmbench run … --executor ray:auto` does that.",
        )
    if address != "auto":
        split_address(address)


@contextmanager
def connected(address: str) -> Iterator[bool]:
    """A connection of this process to Ray. At the end it is closed, and a Ray that was started here has ended.

    Args:
        address: ``auto``, ``host:port`` or empty: the value of RAY_ADDRESS if it is set, or else a new Ray.

    Yields:
        Whether the Ray was started here, so that it always has one node.

    Raises:
        UsageError: no cluster answers at the address, or it has another version of Ray or Python.
        WorkerError: Ray does not start on this machine.
    """
    ray = imported_ray()
    if ray.is_initialized():  # a notebook that uses Ray itself
        with _quietly(ray):
            yield False
        return
    address = address or os.environ.get("RAY_ADDRESS", "")
    own = not address or address == "local"
    with _quietly(ray), own_folder() if own else nullcontext() as folder:
        try:
            if own:
                _start(ray, folder)
            else:
                _connect(ray, address)
            yield own
        finally:
            with suppress(Exception):  # its head may be gone
                ray.shutdown()


def _connect(ray: ModuleType, address: str) -> None:
    check_form(address)
    shown = address
    if address == "auto":
        shown = address = _of_this_machine(ray)
    check_address(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:
        raise UsageError(
            f"this process cannot join the Ray cluster at {shown}: {first_line(str(error), most=400)}",
            hint="Run vlmbench on a machine of the cluster, with the cluster's versions of Ray and Python.",
        ) from error


def _of_this_machine(ray: ModuleType) -> str:
    """The address of the Ray that runs on this machine.

    Raises:
        UsageError: none runs, or several do.
    """
    from ray._private.services import canonicalize_bootstrap_address_or_die

    try:
        return str(canonicalize_bootstrap_address_or_die("auto"))
    except ConnectionError as error:
        several = "multiple" in str(error).lower()
        raise UsageError(
            "several Rays run on this machine" if several else "no Ray runs on this machine",
            hint="Give the address of one: --executor ray:HOST:PORT."
            if several
            else "Start one with `ray start --head`, give an address, or use --executor ray, which starts its own.",
        ) from error


def _start(ray: ModuleType, folder: str | None) -> None:
    # The system's own judge of memory is better: it kills the process that takes it, and says so.
    os.environ.setdefault("RAY_memory_monitor_refresh_ms", "0")
    try:
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            object_store_memory=_OWN_STORE_BYTES,
            **({} if folder is None else {"_temp_dir": folder}),
        )
    except Exception as error:
        raise WorkerError(
            f"Ray does not start on this machine: {first_line(str(error), most=400)}",
            hint="--executor local:N does the same without Ray.",
        ) from error


@contextmanager
def _quietly(ray: ModuleType) -> Iterator[None]:
    """Keep messages about dead workers and nodes off standard output. A thread of Ray prints them in every driver."""
    printer: Any = ray._private.worker
    before = getattr(printer, "_worker_logs_enabled", True)
    printer._worker_logs_enabled = False
    try:
        yield
    finally:
        printer._worker_logs_enabled = before
