"""``vlmbench demo``: the embedded default, with no network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from vlmbench.errors import MissingDependencyError

MODELS = ("demo-clip", "conse-efficientnet-lite2")
SUITE = "demo"
PICTURED = 12
"""Samples of each task whose answers are drawn for the leaderboard, where the extra ``visuals`` is there."""
SITE = "leaderboard"
"""The leaderboard's folder, beside the records'."""


def demo(
    results: Annotated[Path, typer.Option(help="Where records are written.")] = Path("results/demo"),
    force: Annotated[bool, typer.Option("--force", help="Run pairs whose record exists.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto.")] = "auto",
) -> None:
    """Evaluate two small models on real and rendered images: no network, three minutes on two cores.

    demo-clip is a CLIP of ours with 1.9 million parameters, trained on rendered scenes; ConSE joins an ImageNet
    classifier to a sentence encoder. What neither was made for, they do badly: the numbers are what they are. At the
    end it writes their leaderboard and prints where it is.
    """
    from vlmbench.cli.run import run_and_show
    from vlmbench.run.plan import RunRequest
    from vlmbench.tasks.base import TaskOptions

    results = results.expanduser()
    request = RunRequest(
        models=MODELS,
        tasks=(SUITE,),
        results=results,
        device=device,
        offline=True,
        force=force,
        options=TaskOptions(visuals=PICTURED if find_spec("matplotlib") else 0),
    )
    try:
        run_and_show(request, title="Zero-shot results of the demo")
    except typer.Exit:  # a pair failed: the others' results are worth a look, and the exit code stays
        _leaderboard(results)
        raise
    _leaderboard(results)


def _leaderboard(results: Path) -> None:
    """The demo's last lines. Without plotly it says how to get it, since the records are there already."""
    from vlmbench.cli.console import print_error
    from vlmbench.cli.leaderboard import write_site

    try:
        named = results if results.name not in ("", "..") else results.resolve()
        write_site(results, named.with_name(f"{named.name}-{SITE}"), with_published=True, title="vlmbench demo")
    except MissingDependencyError as error:
        print_error(error)
