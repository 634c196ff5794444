"""``vlmbench demo``: the embedded default, with no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MODELS = ("demo-clip", "conse-efficientnet-lite2")
SUITE = "demo"


def demo(
    results: Annotated[Path, typer.Option(help="Where records are written.")] = Path("results/demo"),
    force: Annotated[bool, typer.Option("--force", help="Run pairs whose record exists.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto.")] = "auto",
) -> None:
    """Evaluate two small models on real and rendered images: no network, about two minutes.

    demo-clip is a CLIP of ours with 1.9 million parameters, trained on rendered scenes; ConSE joins an ImageNet
    classifier to a sentence encoder. What neither was made for, they do badly: the numbers are what they are.
    """
    from vlmbench.cli.run import run_and_show
    from vlmbench.run.plan import RunRequest

    request = RunRequest(
        models=MODELS, tasks=(SUITE,), results=results.expanduser(), device=device, offline=True, force=force
    )
    run_and_show(request, title="Zero-shot results of the demo")
