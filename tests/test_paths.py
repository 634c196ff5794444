"""``~``, and accounts without a home folder."""

from __future__ import annotations

import os
import pwd
import stat
import warnings
from pathlib import Path

import pytest

from vlmbench.errors import StoreError, UsageError, VlmbenchWarning
from vlmbench.paths import cache_folder, cache_root, settle_home, user_path


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No HOME and no passwd entry, as under ``env -i`` with a numeric user; returns the folder for temporary files."""

    def unknown(_: object) -> None:
        raise KeyError

    for name in ("HOME", "XDG_CACHE_HOME", "VLMBENCH_CACHE", "USERPROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_home_is_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert user_path("~/x") == Path("/somewhere/x") and user_path("a/~") == Path("a/~")


def test_an_unknown_user_is_named() -> None:
    with pytest.raises(UsageError, match="there is no user 'nobodyuser' on this machine"):
        user_path("~nobodyuser/x")


def test_without_a_home_the_cache_is_this_users_own_temporary_folder(no_home: Path) -> None:
    expected = no_home / f"vlmbench-{os.getuid()}"
    assert cache_root() == cache_folder("vlmbench") == expected
    assert stat.S_IMODE(expected.stat().st_mode) == 0o700
    with pytest.raises(UsageError, match="this account has no home folder"):
        user_path("~/x")
    os.environ["VLMBENCH_CACHE"] = str(no_home / "own")
    assert cache_root() == no_home / "own"


def test_libraries_keep_their_caches_there_too(no_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    settle_home()
    assert os.environ["XDG_CACHE_HOME"] == str(no_home / f"vlmbench-{os.getuid()}")
    monkeypatch.setenv("XDG_CACHE_HOME", "/own")
    settle_home()
    assert os.environ["XDG_CACHE_HOME"] == "/own"


@pytest.mark.parametrize("kind", ["link", "file", "open to others"])
def test_a_place_that_somebody_else_has_prepared_is_refused(no_home: Path, kind: str) -> None:
    place = no_home / f"vlmbench-{os.getuid()}"
    if kind == "link":
        (no_home / "theirs").mkdir()
        place.symlink_to(no_home / "theirs")
    elif kind == "file":
        place.touch()
    else:
        place.mkdir()
        place.chmod(0o777)
    with pytest.raises(StoreError, match="does not belong to this user alone"):
        cache_folder("vlmbench")


def test_no_command_fails_because_of_a_place_that_somebody_else_has(
    no_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (no_home / f"vlmbench-{os.getuid()}").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    settle_home()
    own = Path(os.environ["XDG_CACHE_HOME"])
    assert own.parent == no_home and stat.S_IMODE(own.stat().st_mode) == 0o700
    with pytest.warns(VlmbenchWarning, match="another user has the folder for caches"):
        assert cache_root() == own / "vlmbench"
    monkeypatch.setenv("VLMBENCH_CACHE", str(no_home / "mine"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache_root() == no_home / "mine"


def test_no_command_fails_without_a_folder_for_temporary_files(no_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr("tempfile.gettempdir", lambda: (_ for _ in ()).throw(FileNotFoundError("no usable folder")))
    settle_home()
    assert os.environ["XDG_CACHE_HOME"]
