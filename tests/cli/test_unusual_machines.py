"""Caches that cannot be made, pipes for lists, names too long, results folders that hold devices: one line each."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from command_line import Finished, command

from vlmbench.store import ResultStore

LONG = "x" * 5000


def digits(results: Path, *options: object, code: int = 0, **environment: str) -> Finished:
    line = ("run", "-m", "demo-clip", "-t", "demo-digits", "--limit", "10", "--results", results, *options)
    return command(*line, code=code, **environment)


@pytest.mark.parametrize("cache", ["/dev/null", "file", "file/below", "/proc/nothing", "x" * 300])
def test_a_cache_that_cannot_be_made_fails_no_pair(tmp_path: Path, cache: str) -> None:
    (tmp_path / "file").touch()
    done = digits(tmp_path / "runs", VLMBENCH_CACHE=str(tmp_path / cache))
    assert "cannot be used" in done.stderr and "unexpected" not in done.stderr
    names = [path.name for path in (tmp_path / "runs").glob("*/*/*")]
    assert len(names) == 2 and not any(name.endswith(".failed.json") for name in names)
    for line in (("cache", "info"), ("cache", "clear"), ("doctor",)):
        assert "unexpected" not in command(*line, VLMBENCH_CACHE=str(tmp_path / cache), code=0).stderr


def test_a_broken_record_in_the_way_runs_again(tmp_path: Path) -> None:
    digits(tmp_path)
    (path,) = tmp_path.glob("*/*/*.json")
    path.write_text(path.read_text().replace('"main_metric": "acc1"', '"main_metric": "nope"'))
    digits(tmp_path)
    assert [type(entry).__name__ for entry in ResultStore(tmp_path)] == ["Record"]


def test_class_names_from_a_pipe(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    names = "".join(f"{number}\n" for number in range(10))

    def fill() -> None:
        with os.fdopen(writer, "w") as file:
            file.write(names)

    thread = threading.Thread(target=fill)
    thread.start()
    digits(tmp_path, "--classnames", f"/dev/fd/{reader}")
    thread.join()
    os.close(reader)
    assert len(list(ResultStore(tmp_path))) == 1


@pytest.mark.parametrize(
    "line",
    [
        ("report", "results", "--results", LONG),
        ("leaderboard", "--results", LONG),
        ("export", "--results", LONG),
        ("compare", LONG, LONG),
        ("compare", "a", "b", "--gate", LONG),
        ("baseline", "list", "--baselines", LONG),
        ("baseline", "save", "x", "--results", LONG),
        ("import", "clip_benchmark", LONG),
        ("run", "-m", "demo-clip", "-t", "demo-digits", "--results", LONG),
        ("run", "-m", "demo-clip", "-t", "demo-digits", "--data-root", LONG, "--results", "{}"),
        ("run", "-m", "demo-clip", "-t", f"imagefolder:{LONG}", "--results", "{}"),
        ("run", "-m", "demo-clip", "-t", f"wds:{LONG}", "--results", "{}"),
        ("run", "-m", "demo-clip", "-t", f"coco:{LONG}", "--results", "{}"),
        ("run", "-m", f"open_clip:ViT-B-32/{LONG}/a.pt", "-t", "demo-digits", "--results", "{}"),
        ("run", "-m", f"open_clip:local-dir:{LONG}", "-t", "demo-digits", "--results", "{}"),
        ("run", "-m", f"transformers:./{LONG}", "-t", "demo-digits", "--results", "{}"),
        ("run", "-m", f"{LONG}.yaml", "-t", "demo-digits", "--results", "{}"),
        ("run", "-m", LONG, "-t", "demo-digits", "--results", "{}"),
        ("run", "-m", "demo-clip", "-t", f"{LONG}.yaml", "--results", "{}"),
        ("run", "-m", "demo-clip", "-t", "demo-digits", "--classnames", LONG, "--results", "{}"),
        ("run", "-m", "demo-clip", "-t", "demo-digits", "--plugin", LONG, "--results", "{}"),
        ("report", "results", "--results", ".", "-o", LONG),
    ],
    ids=lambda line: " ".join(str(part)[:20] for part in line),
)
def test_a_name_that_is_too_long_is_one_clear_line(tmp_path: Path, line: tuple[str, ...]) -> None:
    done = command(*(part.format(tmp_path) for part in line), where=tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode and "unexpected" not in said and "Traceback" not in said
