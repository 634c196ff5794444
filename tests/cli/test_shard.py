"""``vlmbench run --shard i/N``: which part it is, in the plan and in the summary; an empty part; usage errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import toy_adapter
from command_line import Finished, command

assert toy_adapter.LOADED is not None


@pytest.fixture
def run(make_folder: Callable[..., Path], tmp_path: Path) -> Callable[..., Finished]:
    tasks = [f"imagefolder:{make_folder({'cat': 2, 'dog': 2}, name=name)}" for name in "abc"]

    def run(*options: str, code: int = 0) -> Finished:
        named = [each for task in tasks for each in ("-t", task)]
        where = ["--results", str(tmp_path / "runs"), "--device", "cpu"]
        return command("run", "-m", "toy:a", *named, *where, *options, code=code, width=300)

    return run


def test_a_shard_says_which_part_of_the_plan_it_is(run: Callable[..., Finished], tmp_path: Path) -> None:
    planned = run("--shard", "2/2", "--dry-run")
    assert "shard 2 of 2: 1 of the plan's 3 pairs" in planned.stderr
    assert planned.stdout.count("imagefolder: ") == 1 and not (tmp_path / "runs").exists()
    done = run("--shard", "2/2")
    assert "Shard 2 of 2" in done.stdout and "[1/1]" in done.stderr
    assert len(list((tmp_path / "runs").glob("*/*/*.json"))) == 1


def test_an_empty_shard_says_so(run: Callable[..., Finished], tmp_path: Path) -> None:
    done = run("--shard", "4/4")
    assert "shard 4 of 4 is empty: the plan has 3 pairs; nothing to do" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "shard", ["0/4", "5/4", "a/b", "1", "1/2/3", "-1/4", "1/", "", "1/" + "9" * 30, "1.5/2", "²/4"]
)
def test_a_wrong_shard_is_a_usage_error(run: Callable[..., Finished], shard: str) -> None:
    done = run(f"--shard={shard}", code=2)
    assert "shard" in done.stderr and "i/N" in done.stderr and "Traceback" not in done.stderr
