"""What a run imports is set aside from the cycle collector."""

from __future__ import annotations

import gc
import signal
from pathlib import Path

import pytest

from vlmbench.cli.demo import run_pairs
from vlmbench.cli.heavy_imports import heavy_imports
from vlmbench.cli.run import run_and_show
from vlmbench.run.plan import RunRequest


def test_the_collector_rests_in_the_block_and_works_after_it() -> None:
    before = gc.get_freeze_count()
    try:
        with heavy_imports():
            assert not gc.isenabled()
            kept = [[] for _ in range(1000)]
        assert gc.isenabled() and len(kept) == 1000
        assert gc.get_freeze_count() >= before + 1000
    finally:
        gc.unfreeze()


def test_an_import_that_fails_turns_it_on_again() -> None:
    try:
        with pytest.raises(ImportError), heavy_imports():
            raise ImportError
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_ctrl_c_is_an_exception_again_after_the_block() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(ImportError), heavy_imports():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            raise ImportError
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
        gc.unfreeze()


def test_a_signal_that_is_ignored_stays_so() -> None:
    """As in a job that a shell starts in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with heavy_imports():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
        gc.unfreeze()


@pytest.mark.parametrize("command", ["run", "demo"])
def test_ctrl_c_while_data_is_opened_is_an_exception(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a dataset of a hub downloads it; only imports are left at once."""
    handlers: dict[str, object] = {}

    def import_adapters(models: object) -> None:
        handlers["imports"] = signal.getsignal(signal.SIGINT)

    def make_plan(request: object) -> None:
        handlers["plan"] = signal.getsignal(signal.SIGINT)
        raise KeyboardInterrupt

    monkeypatch.setattr("vlmbench.run.plan.import_adapters", import_adapters)
    monkeypatch.setattr("vlmbench.run.plan.make_plan", make_plan)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            if command == "run":
                run_and_show(RunRequest(models=("demo-clip",), tasks=("demo-digits",), results=Path("unused")))
            else:
                run_pairs(Path("unused"), force=False, device="cpu")
        assert handlers["imports"] is not signal.default_int_handler
        assert handlers["plan"] is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
        gc.unfreeze()
