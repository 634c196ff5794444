"""``vlmbench compare`` as a user calls it: what is printed, what is written, and the exit code."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from command_line import Finished, command
from gate_cases import answers, labels, table, two_sides, write

import vlmbench
from vlmbench.gate.baselines.folder import aside
from vlmbench.gate.baselines.store import save_baseline
from vlmbench.gate.outcome import Comparison
from vlmbench.gate.sides import read_side

N = 2000


def compare(*arguments: object, where: Path, code: int = 0, width: int = 160, **environment: str) -> Finished:
    return command(
        "compare", *arguments, where=where, code=code, width=width, **{"GITHUB_STEP_SUMMARY": "", **environment}
    )


@pytest.fixture
def worse(tmp_path: Path) -> Path:
    """Folders ``old`` and ``new``: one task regressed, one is as it was."""
    two_sides(tmp_path, {"cifar10": (N, range(200), range(300)), "pets": (N, range(200), range(200))})
    return tmp_path


def test_the_text_says_what_was_compared_the_figures_and_the_verdict_last(worse: Path) -> None:
    lines = compare("old", "new", where=worse, code=1).stdout.splitlines()
    assert lines[0] == "Comparing candidate new (m) with baseline old (m), by the default gate"
    (row,) = [line.split() for line in lines if line.startswith(" cifar10")]
    assert row[:6] == ["cifar10", "regressed", "acc1", "90.00%", "85.00%", "−5.00"]
    assert "+0 −100" in " ".join(row) and "<0.001" in row
    assert any("cifar10: acc1 is worse by 5.00 points (90.00% → 85.00%" in line for line in lines)
    assert lines.index("  If a loss is acceptable, give its task a tolerance in the gate file.") == len(lines) - 3
    assert lines[-1] == "REGRESSED: 2 tasks: 1 regressed, 1 unchanged"


def test_it_fits_the_window_and_has_no_colours_where_there_is_no_terminal(worse: Path) -> None:
    for width in (60, 80, 120):
        lines = compare("old", "new", where=worse, code=1, width=width).stdout.splitlines()
        assert max(map(len, lines)) <= width
        assert not any("\x1b" in line for line in lines)
        assert "regressed" in " ".join(lines)


def test_exit_codes(worse: Path, tmp_path: Path) -> None:
    assert compare("old", "old", where=worse).stdout.splitlines()[-1].startswith("PASSED")
    compare("old", "new", where=worse, code=1)
    assert "no gate file" in compare("old", "new", "--gate", "none.yaml", where=worse, code=2).stderr
    assert "unknown --allow 'all'" in compare("old", "new", "--allow", "all", where=worse, code=2).stderr
    assert "no baseline" in compare("old", "elsewhere", where=worse, code=2).stderr
    two_sides(tmp_path / "b", {"t": (N, range(9), range(9))}, run__precision="bf16")
    shown = compare("b/old", "b/new", where=tmp_path, code=3).stdout
    assert "Different run.precision: baseline fp32; candidate bf16" in shown and "--allow precision" in shown
    allowed = compare("b/old", "b/new", "--allow", "precision", where=tmp_path).stdout
    assert "Overridden with --allow" in allowed and "bf16" in allowed


def test_several_formats_are_written_in_one_call(worse: Path) -> None:
    files = ("md:a.md", "junit:a.xml", "json:a.json", "text:a.txt", "github:a.log")
    summary = worse / "summary.md"
    shown = compare(
        "old",
        "new",
        *(part for file in files for part in ("--write", file)),
        where=worse,
        code=1,
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert "REGRESSED" in shown.stdout
    assert (worse / "a.md").read_text().startswith("### ❌ REGRESSED") and summary.read_text().startswith("### ❌")
    assert ET.parse(worse / "a.xml").getroot().get("failures") == "1"
    assert Comparison.model_validate_json((worse / "a.json").read_text()).exit_code == 1
    assert (worse / "a.txt").read_text().splitlines()[-1].startswith("REGRESSED")
    assert (worse / "a.log").read_text().startswith("::error title=")
    assert sorted(path.name for path in worse.iterdir() if path.name.startswith(".")) == []


def test_json_alone_is_on_standard_output_and_notes_are_not(worse: Path) -> None:
    (worse / "new" / "m" / "pets" / "torn.json").write_text("{")
    shown = compare("old", "new", "-f", "json", where=worse, code=1)
    assert json.loads(shown.stdout)["verdict"] == "regressed"
    assert "torn.json" in shown.stderr


def test_a_format_or_file_that_cannot_be_is_said_before_anything_is_compared(worse: Path) -> None:
    assert "Did you mean 'junit'" in compare("old", "new", "-f", "junitt", where=worse, code=2).stderr
    assert "--write takes FORMAT:FILE" in compare("old", "new", "--write", "a.xml", where=worse, code=2).stderr
    assert "cannot write" in compare("old", "new", "-f", "md", "-o", "none/a.md", where=worse, code=2).stderr
    assert "it is a folder" in compare("old", "new", "--write", "md:old", where=worse, code=2).stderr
    twice = compare("old", "new", "--write", "md:a", "-f", "json", "-o", "./a", where=worse, code=2).stderr
    assert "is written twice" in twice and not (worse / "a").exists()
    compare("old", "new", "--write", "md:/dev/null", "--write", "json:/dev/null", where=worse, code=1)


def test_the_schema_needs_no_sides(tmp_path: Path) -> None:
    assert json.loads(compare("--schema", where=tmp_path).stdout)["title"] == "Comparison"


def test_a_file_that_was_there_stays_where_writing_fails(worse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = worse / "report.md"
    target.write_text("before")

    def full(self: Path, target: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert "cannot write" in compare("old", "new", "-f", "md", "-o", "report.md", where=worse, code=2).stderr
    assert target.read_text() == "before" and not list(worse.glob(".report*"))


def test_saved_baselines_by_name_path_and_revision(worse: Path) -> None:
    save_baseline("main", read_side(str(worse / "old")).entries, worse / "results" / "baselines")
    for side in ("main", "results/baselines/main"):
        assert "cifar10" in compare(side, "new", where=worse, code=1).stdout
        assert "PASSED" in compare(side, "old", where=worse).stdout
    (one,) = (worse / "results" / "baselines" / "main").glob("pets.json")
    assert "PASSED: 1 task" in compare(one, one, where=worse).stdout
    assert "Did you mean 'main'" in compare("mian", "new", where=worse, code=2).stderr
    saved = worse / "results" / "baselines" / "main"
    saved.rename(aside(saved))  # where a replacement leaves it that is killed between its renames
    assert "PASSED" in compare("main", "old", where=worse).stdout
    aside(saved).rename(saved)
    torn = worse / "results" / "baselines" / "torn"
    torn.mkdir()
    (torn / "pets.json").write_text("{")
    compare("torn", "new", where=worse, code=2)  # not 1: nothing is known to be worse
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for line in (["init", "-q"], ["add", "results"], [*who, "commit", "-qm", "baseline"]):
        subprocess.run(["git", *line], cwd=worse, check=True, capture_output=True)
    write(worse / "other", table(answers(N), labels(N)), "m", "cifar10")
    save_baseline("main", read_side(str(worse / "other")).entries, worse / "results" / "baselines", replace=True)
    assert "−5.00" in compare("HEAD:main", "new", where=worse, code=1).stdout
    assert "no baseline 'none'" in compare("HEAD:none", "new", where=worse, code=2).stderr


def test_the_python_api_gives_the_same(worse: Path) -> None:
    found = vlmbench.compare(worse / "old", worse / "new")
    assert found.exit_code == 1 and found.verdict == "regressed"


def test_the_command_makes_the_comparison_again(worse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(worse)
    (worse / "old").rename(worse / "the old one")
    Path("gate.yaml").write_text("inconclusive: warn")
    first = vlmbench.compare(
        *("the old one", "new"), gate="gate.yaml", allow="prompts", allow_inconclusive=True, baselines="kept here"
    )
    program, name, *arguments = shlex.split(first.command)
    assert (program, name) == ("vlmbench", "compare")
    again = json.loads(compare(*arguments, "-f", "json", where=worse, code=1).stdout)
    assert again == json.loads(first.model_dump_json(by_alias=True)) and "kept here" in arguments


def test_a_terminal_sees_the_verdicts_in_colour(worse: Path) -> None:
    shown = compare("old", "new", where=worse, code=1, FORCE_COLOR="1", TERM="xterm").stdout
    cells = next(line for line in shown.splitlines() if "cifar10" in line and "acc1" in line)
    assert "\x1b[1;31mregressed" in cells and "\x1b[1;31mREGRESSED" in shown


def test_it_imports_no_torch(worse: Path) -> None:
    code = (
        "import sys, vlmbench\n"
        "found = vlmbench.compare('old', 'new')\n"
        "from vlmbench.gate.registry import FORMATS\n"
        "[FORMATS.get(name).write(found) for name in FORMATS]\n"
        "sys.exit([name for name in ('torch', 'pandas', 'open_clip', 'scipy.optimize', 'vlmbench.api') "
        "if name in sys.modules] or 0)"
    )
    root = Path(vlmbench.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], cwd=worse, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
