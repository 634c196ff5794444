"""The demo's end: its leaderboard, whatever became of single pairs."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from reports.site.records_of_many import make_answer

from vlmbench.cli import run
from vlmbench.cli.demo import demo
from vlmbench.reports import published
from vlmbench.reports.site import assets
from vlmbench.store import ResultStore


@pytest.fixture
def no_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The leaderboard has pages of what was run alone: writing those of the literature takes seconds."""
    monkeypatch.setattr(published, "published", lambda: [])


def put(results: Path) -> None:
    ResultStore(results).write(*make_answer("demo-clip", "demo-digits", 0.8))


def test_the_demo_ends_with_its_leaderboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "run_and_show", lambda request, **_: put(request.results))
    demo(results=tmp_path / "demo")
    index = tmp_path / "demo-leaderboard" / "index.html"
    assert "Demo CLIP" in index.read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() == str(index)


@pytest.mark.usefixtures("no_published")
def test_a_failed_pair_keeps_its_exit_code_and_the_others_their_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(request: object, **_: object) -> None:
        put(tmp_path / "demo")
        raise typer.Exit(1)

    monkeypatch.setattr(run, "run_and_show", fail)
    with pytest.raises(typer.Exit) as left:
        demo(results=tmp_path / "demo")
    assert left.value.exit_code == 1
    assert (tmp_path / "demo-leaderboard" / "models" / "demo-clip.html").is_file()


def test_without_plotly_the_records_are_kept_and_the_remedy_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "run_and_show", lambda request, **_: put(request.results))
    monkeypatch.setattr(assets, "find_spec", lambda name: None)
    demo(results=tmp_path / "demo")
    assert "vlmbench[site]" in capsys.readouterr().err
    assert not (tmp_path / "demo-leaderboard").exists()


@pytest.mark.usefixtures("no_published")
def test_the_records_may_be_in_the_folder_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(run, "run_and_show", lambda request, **_: put(request.results))
    demo(results=Path())
    assert (tmp_path / "here-leaderboard" / "index.html").is_file()
