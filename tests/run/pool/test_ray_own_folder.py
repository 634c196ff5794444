"""The folder of a Ray that a run starts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vlmbench.run.pool.ray_crew.own_folder import own_folder


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A place whose name is short, unlike that of ``tmp_path``."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as place:
        monkeypatch.setattr(tempfile, "tempdir", place)
        yield


def left(name: str, seconds: float = 1000.0) -> Path:
    """A folder that a killed process has left some time ago."""
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir()
    (folder / "in-use").touch()
    then = folder.stat().st_mtime - seconds
    os.utime(folder, (then, then))
    return folder


def test_it_is_removed_at_the_end_even_after_an_error() -> None:
    with pytest.raises(ValueError, match="so"), own_folder() as folder:
        assert folder is not None and Path(folder).is_dir()
        raise ValueError("so")
    assert not Path(folder).exists()


def test_folders_of_killed_processes_are_removed_and_those_in_use_stay() -> None:
    old, young, other = left("vlmbench-ray-old"), left("vlmbench-ray-young", 5), left("another")
    with own_folder() as first:
        assert first is not None
        then = Path(first).stat().st_mtime - 1000
        os.utime(first, (then, then))
        assert not old.exists() and young.exists() and other.exists()
        with own_folder() as second:
            assert Path(first).exists() and second != first


def test_a_long_name_leaves_it_to_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 60)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with own_folder() as folder:
        assert folder is None
    assert list(deep.iterdir()) == []
