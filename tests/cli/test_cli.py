"""The command line as a newcomer and as an attacker use it."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import toy_adapter
from command_line import Finished, Forked, command, process
from toy_adapter import TOY_ADAPTER

from vlmbench.models import ADAPTERS
from vlmbench.records import Record
from vlmbench.store import ResultStore

CLASSES = {"cat": 4, "dog": 3, "bird": 5, "fish": 4, "horse": 3}


def vlmbench(*arguments: object) -> Finished:
    return command(*arguments)


def run_toy(folder: Path, results: Path, *arguments: object, model: str = "toy:a") -> Finished:
    return vlmbench("run", "-m", model, "-t", f"imagefolder:{folder}", "--results", results, *arguments)


@pytest.fixture
def folder(make_folder: Callable[..., Path]) -> Path:
    return make_folder(CLASSES)


def test_run_then_report_in_every_format(folder: Path, tmp_path: Path) -> None:
    results = tmp_path / "runs"
    done = run_toy(folder, results)
    assert done.returncode == 0, done.stderr
    assert "acc1" in done.stdout and "95% interval" in done.stdout and "20.0" in done.stdout  # chance, in percent
    (record,) = [entry for entry in ResultStore(results) if isinstance(entry, Record)]
    shown = {
        f: vlmbench("report", "results", "--results", results, "--format", f).stdout
        for f in ("text", "md", "csv", "json", "html", "latex")
    }
    assert json.loads(shown["json"])[0]["value"] == record.main.value
    assert f"{100 * record.main.value:.1f}" in shown["text"] and "| toy:a |" in shown["md"]
    assert shown["csv"].splitlines()[0].startswith("model,task,status,metric,value")
    assert "toy:a" in shown["html"] and "\\toprule" in shown["latex"]
    every = json.loads(vlmbench("report", "metrics", "--results", results, "--format", "json").stdout)
    assert {row["metric"] for row in every} == set(record.metrics)
    again = run_toy(folder, results)
    assert again.returncode == 0 and "found on disk" in again.stderr


def test_the_last_line_says_where_pictures_are(folder: Path, tmp_path: Path) -> None:
    drawn = run_toy(folder, tmp_path / "runs", "--save-visuals", 2)
    assert drawn.returncode == 0, drawn.stderr
    (pictures,) = (tmp_path / "runs").rglob("*.visuals")
    assert drawn.stderr.splitlines()[-1] == f"Pictures in {pictures}" and (pictures / "samples.png").is_file()
    found = run_toy(folder, tmp_path / "runs", "--save-visuals", 2, "-m", "toy:bb")
    lines = found.stderr.splitlines()
    assert lines[-1] == f"Pictures in 2 folders: {tmp_path / 'runs'}/*/*/*.visuals"
    assert sum("pictures are drawn only when a pair runs" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "-m", "demo-clop", "-t", "demo"], "Did you mean 'demo-clip'"),
        (["run", "-m", "demo-clip", "-t", "demmo"], "Did you mean 'demo'"),
        (["run", "-m", "open_clop:ViT-B-32/openai", "-t", "demo"], "Did you mean 'open_clip'"),
        (["run", "-m", "demo-clip", "-t", "demo", "--precision", "fp31"], "Did you mean 'fp32'"),
        (["run", "-m", "demo-clip", "-t", "demo", "--batch-size", "0"], "--batch-size"),
        (["run", "-m", "demo-clip", "-t", "demo", "--limit", "0"], "--limit"),
        (["run", "-m", "demo-clip", "-t", "demo", "--device", "cuda:77"], "cuda:77"),
        (["run", "-m", "demo-clip", "-t", "demo", "--classnames", "/no/file"], "/no/file"),
        (["run", "-m", "demo-clip", "-t", "demo", "--plugin", "/no/plugin.py"], "/no/plugin.py"),
        (["run", "-m", "demo-clip", "-t", "demo", "--data-root", "/no/root"], "/no/root"),
        (["run", "-m", "demo-clip", "-t", "demo", "--limt", "3"], "--limit"),
        (["run", "-m", "demo-clip"], "--task"),
        (["rum"], "run"),
        (["models", "show", "nothing"], "unknown model"),
        (["models", "zzz"], "no model card matches"),
        (["run", "-m", "florence", "-t", "demo"], "'florence' cannot be run: its weights are not public"),
        (["fetch", "-m", "clip"], "Run clip-vit-b-32-openai or "),
        (["report", "reslts"], "Did you mean 'results'"),
        (["report", "results", "--format", "xml"], "unknown format"),
        (["report", "results", "--results", "/no/results"], "no results folder"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(arguments: list[str], said: str) -> None:
    wrong = vlmbench(*arguments)
    assert wrong.returncode == 2, wrong.stderr
    assert said in wrong.stderr and "Traceback" not in wrong.stderr


def test_a_failed_pair_is_exit_code_1_and_the_rest_is_done(folder: Path, tmp_path: Path) -> None:
    failed = vlmbench(
        "run",
        "-m",
        "toy:a@crash",
        "-m",
        "toy:b",
        "-t",
        f"imagefolder:{folder}",
        "--results",
        tmp_path / "runs",
    )
    assert failed.returncode == 1
    assert "the toy broke" in failed.stderr and "failed" in failed.stdout and "Traceback" not in failed.stderr


def test_an_architecture_that_does_not_exist_is_wrong_usage_found_late(folder: Path, tmp_path: Path) -> None:
    wrong = run_toy(folder, tmp_path / "runs", "-m", "toy:a", model="open_clip:ViT-B-33/openai")
    assert wrong.returncode == 2 and "ViT-B-33" in wrong.stderr and "Did you mean" in wrong.stderr
    assert sum(isinstance(entry, Record) for entry in ResultStore(tmp_path / "runs")) == 1


def test_profile_shows_the_records_own_seconds(folder: Path, tmp_path: Path) -> None:
    done = run_toy(folder, tmp_path, "--profile")
    (path,) = tmp_path.rglob("*.json")
    seconds = json.loads(path.read_text())["run"]["seconds"]
    shown = dict(re.findall(r"^ ?([a-z :,*]+?) {2,}([\d.]+) ", done.stdout, flags=re.M))
    assert done.returncode == 0 and "Where the time went: " in done.stdout
    assert shown["image forward"] == f"{seconds['image_forward']:.3f}"
    assert shown["decode *"] == f"{seconds['decode']:.3f}"
    assert shown["total"] == f"{seconds['total'] + seconds['record']:.3f}"
    again = run_toy(folder, tmp_path, "--profile")
    assert "found on disk" in again.stdout and "decode *" in again.stdout
    assert "Where the time went" not in run_toy(folder, tmp_path).stdout


def test_dry_run_writes_nothing(folder: Path, tmp_path: Path) -> None:
    planned = run_toy(folder, tmp_path / "runs", "--dry-run", "--limit", 7)
    assert planned.returncode == 0 and " 7 " in planned.stdout
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_tells_what_to_do_about_a_problem_below_its_one_line(folder: Path, tmp_path: Path) -> None:
    planned = run_toy(folder, tmp_path / "runs", "-t", "cifar10", "--dry-run", "--offline")
    assert planned.returncode == 1
    rows = [line for line in planned.stdout.splitlines() if "toy:a" in line or "cifar" in line or "looked in" in line]
    assert len(rows) == 2 and rows[1].rstrip().endswith("the dataset is in none of its places")
    assert "error: cifar10: the dataset is in none of its places:" in planned.stderr
    assert "--data-root DIR" in planned.stderr and "imagefolder" in planned.stderr


def test_an_image_that_comes_twice_leaves_the_run_its_speed(folder: Path, tmp_path: Path) -> None:
    first = next((folder / "cat").iterdir())
    (folder / "horse" / f"z{first.suffix}").write_bytes(first.read_bytes())
    done = run_toy(folder, tmp_path / "runs", "--batch-size", 1, "--workers", 1)
    (record,) = [entry for entry in ResultStore(tmp_path / "runs") if isinstance(entry, Record)]
    assert record.run.cache.image_hits == 1 and record.run.images_per_second
    assert "cached" not in done.stdout
    run_toy(folder, tmp_path / "again")
    (record,) = [entry for entry in ResultStore(tmp_path / "again") if isinstance(entry, Record)]
    assert record.run.images_per_second is None


def test_own_class_names_and_templates_from_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo \r\nthree\r\nfour\r\nfive\r\n\r\n")
    (tmp_path / "prompts.txt").write_text("a {c}\n{} b\n\n")
    done = run_toy(
        folder,
        tmp_path / "runs",
        "--classnames",
        tmp_path / "names.txt",
        "--templates",
        tmp_path / "prompts.txt",
    )
    assert done.returncode == 0, done.stderr
    (record,) = [entry for entry in ResultStore(tmp_path / "runs") if isinstance(entry, Record)]
    assert record.task.protocol["templates"] == ["a {c}", "{} b"]
    assert [row.name for row in record.per_class] == ["one", "two", "three", "four", "five"]
    assert "own class names, own templates" in done.stdout
    (tmp_path / "names.txt").write_text("one\n\nthree\nfour\nfive\n")
    shifted = run_toy(folder, tmp_path / "runs", "--classnames", tmp_path / "names.txt")
    assert shifted.returncode == 2 and "empty line 2" in shifted.stderr
    (tmp_path / "prompts.txt").write_text("no place\n")
    wrong = run_toy(folder, tmp_path / "runs", "--templates", tmp_path / "prompts.txt")
    assert wrong.returncode == 2 and "no place for the class name" in wrong.stderr


def test_json_output_is_only_json(folder: Path) -> None:
    assert any(card["name"] == "demo-clip" for card in json.loads(vlmbench("models", "--json").stdout))
    assert any(card["name"] == "demo" for card in json.loads(vlmbench("tasks", "--json").stdout))
    assert len(json.loads(vlmbench("models", "show", "*", "--json").stdout)) >= 2
    assert json.loads(vlmbench("tasks", "show", "cifar10", "--json").stdout)[0]["samples"] == 10000
    assert json.loads(vlmbench("cache", "info", "--json").stdout)["spaces"] == []


def test_cache_is_shown_and_cleared(folder: Path, tmp_path: Path) -> None:
    run_toy(folder, tmp_path / "runs")
    spaces = json.loads(vlmbench("cache", "info", "--json").stdout)["spaces"]
    assert {(space["encoder"], space["vectors"]) for space in spaces} == {("image", 19), ("text", 5)}
    assert "19" in vlmbench("cache", "info").stdout
    assert "freed" in vlmbench("cache", "clear").stdout
    assert json.loads(vlmbench("cache", "info", "--json").stdout)["spaces"] == []


HEAVY = {"torch", "transformers", "open_clip", "datasets", "pandas", "pyarrow", "numpy", "PIL", "matplotlib"}
LIGHT: list[tuple[list[str], set[str]]] = [
    (["--help"], {*HEAVY, "pydantic", "yaml"}),
    (["run", "--help"], {*HEAVY, "yaml"}),
    (["compare", "--help"], {*HEAVY, "yaml"}),
    (["models"], HEAVY),
    (["models", "show", "demo-clip"], HEAVY),
    (["tasks"], HEAVY),
    (["tasks", "show", "cifar10"], HEAVY),
    (["report"], HEAVY),
    (["import", "open_clip", "results"], HEAVY),
    (["export", "--help"], HEAVY),
]
"""Commands, and what is not imported after each and those before it."""


def test_light_commands_import_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "results" / "runs").mkdir(parents=True)
    code = (
        "import sys; from vlmbench.cli.main import main\n"
        f"for arguments, unwanted in {LIGHT!r}:\n"
        "    sys.argv = ['vlmbench', *arguments]\n"
        "    try: main()\n"
        "    except SystemExit: pass\n"
        "    print('heavy:', *arguments, '|', *sorted(unwanted & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0 and "Traceback" not in ran.stderr
    heavy = [line for line in ran.stderr.splitlines() if line.startswith("heavy:")]
    assert heavy == [f"heavy: {' '.join(arguments)} |" for arguments, _ in LIGHT]


@pytest.fixture
def evil_package(tmp_path: Path) -> Path:
    """A folder with an installed package whose plugin cannot be imported, and which takes a built-in name too."""
    package = tmp_path / "site" / "evil-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[vlmbench.models]\nevil = evil_module:load\nopen_clip = evil_module:load\n"
    )
    (tmp_path / "site" / "evil_module.py").write_text("raise RuntimeError('I am broken')")
    return tmp_path / "site"


@pytest.fixture
def evil_installed(evil_package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is on the path, and the adapters have not looked for packages yet."""
    monkeypatch.syspath_prepend(evil_package)
    monkeypatch.setattr(ADAPTERS, "_entry_points_read", False)
    monkeypatch.setattr(ADAPTERS, "_entries", dict(ADAPTERS._entries))
    monkeypatch.setattr(ADAPTERS, "_origin", dict(ADAPTERS._origin))


def test_a_broken_installed_plugin_never_takes_the_program_down(evil_package: Path) -> None:
    listed = process("models", PYTHONPATH=str(evil_package))
    assert listed.returncode == 0 and "demo-clip" in listed.stdout


@pytest.mark.usefixtures("evil_installed")
def test_a_broken_installed_plugin_is_named_where_it_is_used(folder: Path, tmp_path: Path) -> None:
    used = vlmbench("run", "-m", "evil:x", "-t", f"imagefolder:{folder}", "--results", tmp_path / "r")
    assert "note: ignored: model adapter 'open_clip' from the package evil is already registered by" in used.stderr
    assert used.returncode == 2 and "the package evil" in used.stderr and "I am broken" in used.stderr
    assert "Traceback" not in used.stderr
    health = vlmbench("doctor")
    assert "I am broken" in health.stdout and "open_clip" in health.stdout


HELD = """
import sys; sys.path.insert(0, {support!r})
from pathlib import Path
import toy_adapter
real = toy_adapter.ToyModel.encode_image
def encode_image(self, pixels):
    if Path({gate!r}).exists():
        with open({gate!r}, "w") as gate:
            gate.write("encoding")
        Path({gate!r}).with_suffix(".never").open().read()
    return real(self, pixels)
toy_adapter.ToyModel.encode_image = encode_image
"""
"""A toy that tells a pipe that it encodes, and then waits at another that nothing is written to."""


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_in_the_middle_then_the_same_command_again(
    make_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: signal.Signals
) -> None:
    folder = make_folder({"a": 20, "b": 20})
    gate = tmp_path / "gate"
    for pipe in (gate, gate.with_suffix(".never")):
        os.mkfifo(pipe)
    told = os.open(gate, os.O_RDONLY | os.O_NONBLOCK)
    plugin = tmp_path / "held.py"
    plugin.write_text(HELD.format(support=str(TOY_ADAPTER.parent), gate=str(gate)))
    arguments = (
        "run", "--plugin", plugin, "-m", "toy:a", "-m", "toy:bb", "-t", f"imagefolder:{folder}",
        "--results", tmp_path / "runs", "--batch-size", 4,
    )  # fmt: skip
    started = Forked(*arguments)
    assert select.select([told], [], [], 120)[0], "the run never came to encode"
    started.send_signal(kill)
    ended = started.finished()
    os.close(told)
    if kill == signal.SIGINT:
        assert ended.returncode == 130 and "the same command continues" in ended.stderr
        assert "Traceback" not in ended.stderr
    else:
        assert ended.returncode == -signal.SIGKILL
    assert not any(isinstance(entry, Record) for entry in ResultStore(tmp_path / "runs"))
    gate.unlink()
    monkeypatch.setattr(toy_adapter.ToyModel, "encode_image", toy_adapter.ToyModel.encode_image)
    again = vlmbench(*arguments)
    assert again.returncode == 0, again.stderr
    assert sum(isinstance(entry, Record) for entry in ResultStore(tmp_path / "runs")) == 2
    leftovers = [path for path in (tmp_path / "runs").rglob(".*") if path.is_file()]
    assert leftovers == []


SLOW = """
import sys
from vlmbench.models import ADAPTERS
ADAPTERS.register("slow", "{module}:load")
sys.path.insert(0, {here!r})
"""
STUBBORN = """
def wait():
    with open({gate!r}, "w") as gate:
        gate.write("here")
    open({gate!r} + ".never").read()
{when}
def load(card, options):
    wait()
"""
"""An adapter that tells a pipe that it is here and waits at another, while it is imported or when it loads."""


@pytest.mark.parametrize("asleep", ["import", "load"])
def test_ctrl_c_while_a_model_is_imported_or_loaded_is_a_line(folder: Path, tmp_path: Path, asleep: str) -> None:
    """A package that catches everything while it is imported, as some do, does not keep the run alive."""
    gate = tmp_path / "gate"
    for pipe in (gate, gate.with_suffix(".never")):
        os.mkfifo(pipe)
    told = os.open(gate, os.O_RDONLY | os.O_NONBLOCK)
    catching = "try:\n    wait()\nexcept BaseException:\n    pass\n" if asleep == "import" else ""
    (tmp_path / "stubborn.py").write_text(STUBBORN.format(gate=str(gate), when=catching))
    (tmp_path / "slow.py").write_text(SLOW.format(module="stubborn", here=str(tmp_path)))
    arguments = ("run", "--plugin", tmp_path / "slow.py", "-m", "slow:x", "-t", f"imagefolder:{folder}")
    started = Forked(*arguments, "--results", tmp_path / "runs")
    assert select.select([told], [], [], 120)[0], "the adapter was never reached"
    started.send_signal(signal.SIGINT)
    ended = started.finished()
    os.close(told)
    assert ended.returncode == 130 and ended.stdout == ""
    assert ended.stderr.splitlines()[-1].startswith("Interrupted.")
    assert "Traceback" not in ended.stderr
    assert not any(isinstance(entry, Record) for entry in ResultStore(tmp_path / "runs"))


def test_two_runs_at_once_on_the_same_results_and_cache(folder: Path, tmp_path: Path) -> None:
    line = ("run", "-m", "toy:a", "-m", "toy:bb", "-t", f"imagefolder:{folder}", "--results", tmp_path / "runs")
    for running in [Forked(*line) for _ in range(2)]:
        ended = running.finished()
        assert ended.returncode == 0, ended.stderr
    entries = list(ResultStore(tmp_path / "runs"))
    assert len(entries) == 2 and all(isinstance(entry, Record) for entry in entries)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_results_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir(mode=0o555)
    refused = run_toy(folder, tmp_path / "runs")
    assert refused.returncode == 1 and "permission denied" in refused.stderr


def test_hostile_names_are_harmless(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_folder({"[red]x[red]": 2, "a|b": 2, "<script>": 2}, name="[bold]evil")
    done = run_toy(folder, tmp_path / "runs", model="toy:../../[blink]")
    assert done.returncode == 0, done.stderr
    assert "[blink]" in done.stderr and "[bold]evil" in done.stderr
    assert all(path.is_relative_to(tmp_path / "runs") for path in (tmp_path / "runs").rglob("*"))
    table = vlmbench("report", "--results", tmp_path / "runs", "--format", "md").stdout
    assert r"toy:../../\[blink\]" in table


def test_suite_takes_suites_alone(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    task = {"name": "own", "sources": [{"kind": "imagefolder", "location": str(make_folder(CLASSES))}]}
    for folder, card in (("tasks", task), ("tasks/suites", {"name": "quick", "tasks": ["own"], "sample": {"size": 8}})):
        (tmp_path / "cards" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "cards" / folder / f"{card['name']}.yaml").write_text(json.dumps(card))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLMBENCH_CARDS", str(tmp_path / "cards"))
        planned = vlmbench("run", "-m", "toy:a", "--suite", "quick", "--stratified", "--dry-run")
        assert planned.returncode == 0 and "8 of 19 by class" in planned.stdout
        assert "8 samples: ±28.5 points at worst (95%)" in planned.stdout
        assert "8 of 19 at random" in vlmbench("run", "-m", "toy:a", "--suite", "quick", "--dry-run").stdout
        shown = vlmbench("tasks", "show", "quick").stdout
        assert "8 samples of each task, or all samples of a smaller task" in shown
        assert "at random" in shown and "±28.5 points at worst" in shown
        for arguments, code, said in (
            (("--suite", "own"), 2, "unknown suite 'own'"),
            (("--suite", "quik"), 2, "Did you mean 'quick'"),
            (("-t", "own", "--stratified"), 2, "Add --limit N"),
            (("--suite", "demo", "--stratified"), 2, "Add --limit N"),
            (("-t", "quick", "--stratified"), 0, ""),
            ((), 2, "nothing to run"),
        ):
            refused = vlmbench("run", "-m", "toy:a", *arguments, "--dry-run")
            assert refused.returncode == code and said in refused.stderr


def test_helps_flow_in_every_paragraph() -> None:
    shown = " ".join(vlmbench("baseline", "save", "--help").stdout.split())
    assert "its answers (CSV, or Parquet above 2 MiB)" in shown
    for line in vlmbench("baseline", "save", "--help").stdout.splitlines():
        assert not line.rstrip().endswith("(CSV,")


def test_a_suite_is_shown_with_one_blank_line_between_its_parts_and_no_spaces_at_ends() -> None:
    shown = vlmbench("tasks", "show", "ci").stdout
    lines = shown.splitlines()
    assert not any(not above and not below for above, below in pairwise(lines))
    assert not any(line.endswith(" ") for line in lines) and lines[-1] != ""
    assert "by class if each sample has one class, otherwise at random" in shown
    task = vlmbench("tasks", "show", "demo-scenes").stdout
    assert "kind         classification" in task and "plugin" not in task


def test_every_model_in_the_list_says_how_its_weights_are() -> None:
    shown = vlmbench("models", "demo-clip").stdout
    assert "loadable" in shown and "weights: loadable if vlmbench can run the model" in shown


def test_the_last_line_is_the_shortest_command_that_shows_the_results(folder: Path, tmp_path: Path) -> None:
    results = tmp_path / "my runs"
    assert f"See them again with: vlmbench report --results '{results}'" in run_toy(folder, results).stderr
