"""``vlmbench fetch``: downloads data and weights into the caches, so that later runs need no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmbench.cli.console import hint_lines, print_line, print_note, print_table, stderr, stdout
from vlmbench.errors import UsageError, VlmbenchError
from vlmbench.files import size_text
from vlmbench.reports.table_data import Column, Table
from vlmbench.wording import counted, listed

if TYPE_CHECKING:
    from vlmbench.cards import Role
    from vlmbench.data.hub.fetch import FetchPlan, TaskOutcome, TaskPlan
    from vlmbench.run.prepare import ModelOutcome

DEFAULT_WORKERS = 8
COMMIT_DIGITS = 12
"""Digits of a commit that tables show: enough to find it."""


def fetch(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(metavar="TASK|SUITE…", help="Tasks, suites, patterns or YAML files whose data is downloaded."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Also download the weights of this model. Repeatable."),
    ] = None,
    roles: Annotated[
        str,
        typer.Option(
            help="Which data of the tasks: test, or also train and val, which transfer methods learn from "
            "(`--roles test,train,val`)."
        ),
    ] = "test",
    data_root: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="The folder that holds your datasets. A URL such as s3://BUCKET/DATA works too."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="Number of files downloaded at the same time.", min=1)] = DEFAULT_WORKERS,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Also check the hashes of files cached earlier, and download damaged ones again."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be downloaded, and download nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plugin: Annotated[list[Path] | None, typer.Option(help="A Python file that registers adapters or tasks.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let a hub repository run its own Python code.")
    ] = False,
) -> None:
    """Download the data of tasks and the weights of models, so that `run --offline` finds them.

    Only missing files are downloaded, so a stopped command can be repeated: complete files are kept. Every file of a
    dataset is checked against its hash. Each model is loaded once, as a check.

    Exit code 1: something is still missing at the end.
    """
    from vlmbench.cli.run import load_plugins

    load_plugins(plugin or [])
    if not tasks and not model:
        raise UsageError("nothing to fetch", hint="Name tasks or suites, or models with -m.")
    from vlmbench.data.hub.fetch import plan_fetch
    from vlmbench.data.location import user_data_root
    from vlmbench.run.prepare import roles_left_out, wanted_models, wanted_tasks

    asked = _roles(roles)
    models = wanted_models(model or [])
    wanted = wanted_tasks(tasks or [], user_data_root(data_root), asked)
    with stderr().status("looking at what is here and on the hub"):
        plan = plan_fetch(wanted, workers=workers, verify=verify)
    if plan.tasks and not as_json:
        print_table(_plan_table(plan))
        print_line(f"\n{_totals(plan)}")
        for line in _damaged(plan):
            print_line(line, style="yellow")
    for task in plan.tasks:
        _print_notes(task.name, task.notes)
    if others := roles_left_out(wanted):
        every = ",".join(dict.fromkeys((*asked, *others)))
        print_note(f"{listed(others)} data is not fetched: run with `--roles {every}` to adapt models with it")
    if dry_run:
        _leave_dry(plan, as_json=as_json)
        return
    plan.check_space()
    outcomes = _download(plan, workers)
    for outcome in outcomes:
        _print_notes(outcome.plan.name, outcome.notes)
    loaded = [_load(card, trust_remote_code=trust_remote_code) for card in models]
    if as_json:
        rows = [_task_json(outcome.plan, outcome) for outcome in outcomes]
        _print_json(plan, rows, [_model_json(outcome) for outcome in loaded])
    else:
        _summary(outcomes, loaded)
    if any(task.problem for task in outcomes) or any(model.problem for model in loaded):
        raise typer.Exit(1)


def _roles(text: str) -> tuple[Role, ...]:
    """The roles that the user names, separated by commas.

    Raises:
        UsageError: one of them is not a role.
    """
    from vlmbench.cards import ROLES

    named = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in named if name not in ROLES]
    if unknown or not named:
        raise UsageError(
            f"--roles: {text!r} is not a list of roles", hint=f"Name {listed(ROLES, 'or')}, with commas between them."
        )
    return tuple(role for role in ROLES if role in named)


def _download(plan: FetchPlan, workers: int) -> list[TaskOutcome]:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from vlmbench.data.hub.fetch import carry_out

    console = stderr()
    jobs = plan.jobs
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("left", style="dim"),
        console=console,
        transient=True,
        disable=not console.is_terminal or not jobs,
    )
    bar = progress.add_task(counted(len(jobs), "file"), total=plan.to_fetch)
    try:
        with progress:
            return carry_out(plan, workers=workers, advance=lambda count: progress.advance(bar, count))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Interrupted. Files that have arrived are kept; run it again for the rest.") from None


def _load(card: Any, *, trust_remote_code: bool) -> ModelOutcome:
    from vlmbench.run.prepare import fetch_model

    console = stderr()
    if console.is_terminal:
        console.print(f"loading {card.name}", style="dim", markup=False)
    return fetch_model(card, trust_remote_code=trust_remote_code)


def _leave_dry(plan: FetchPlan, *, as_json: bool) -> None:
    if as_json:
        _print_json(plan, [_task_json(task, None) for task in plan.tasks], [])
    problems = [(task.name, task.problem) for task in plan.tasks if task.problem]
    if not as_json:
        for name, problem in problems:
            _print_line(name, problem)
        _print_hints(problems)
    plan.check_space()
    if problems:
        raise typer.Exit(1)


def _plan_table(plan: FetchPlan) -> Table:

    columns = [Column("task"), Column("source"), Column("revision")]
    columns += [Column(name, "right") for name in ("files", "size", "to fetch")]
    rows = []
    for task in plan.tasks:
        source = f"{task.source.kind}: {task.source.location}" if task.source else "–"
        row = [task.name, source, (task.revision or "–")[:COMMIT_DIGITS]]
        if task.data is None:
            rows.append([*row, "–", "–", task.state])
            continue
        size = size_text(task.size) if all(file.size is not None for file in task.files) else "–"
        other = plan.shared_with(task)
        to_fetch = f"with {other}" if other else size_text(task.to_fetch) if task.jobs else "cached"
        if task.problem:
            to_fetch = task.state
        rows.append([*row, f"{len(task.files):,}", size, to_fetch])
    return Table("Plan", columns, rows, [])


def _totals(plan: FetchPlan) -> str:

    return "\n".join(
        f"{size_text(plan.to_fetch_into(folder))} to fetch into {folder}, which has {size_text(free)} free"
        for folder, free in plan.room.items()
    )


def _damaged(plan: FetchPlan) -> list[str]:
    """One line for each task with damaged files in the cache."""
    damaged = [(task, [file.path for file in task.damaged]) for task in plan.tasks]
    return [f"{task.name}: {len(paths)} damaged: {', '.join(paths)}" for task, paths in damaged if paths]


def _print_notes(name: str, notes: tuple[str, ...]) -> None:

    for note in notes:
        print_note(f"{name}: {note}")


def _summary(outcomes: list[TaskOutcome], models: list[ModelOutcome]) -> None:
    for task in outcomes:
        _print_line(task.plan.name, task.problem or _found(task), doubtful=task.expected is not None)
    for model in models:
        _print_line(model.name, model.problem or f"{model.parameters:,} parameters")
    failed = [(task.plan.name, task.problem) for task in outcomes if task.problem]
    _print_hints([*failed, *((model.name, model.problem) for model in models if model.problem)])


def _print_hints(problems: list[tuple[str, VlmbenchError]]) -> None:
    for line in hint_lines((name, problem.hint) for name, problem in problems):
        print_line(f"  {line}", style="dim")


def _found(task: TaskOutcome) -> str:
    said = counted(task.samples or 0, "sample")
    if task.expected is not None:
        said += f", but the card states {task.expected:,}"
    if verified := task.plan.verified:
        said += f"; {counted(verified.good, 'cached file')} verified" + (
            f", {verified.unknown:,} not" if verified.unknown else ""
        )
    return said


def _print_line(name: str, said: VlmbenchError | str, *, doubtful: bool = False) -> None:
    from rich.text import Text

    wrong = isinstance(said, VlmbenchError)
    mark = ("✗ ", "bold red") if wrong else ("! ", "yellow") if doubtful else ("✓ ", "green")
    line = Text.assemble(mark, (name, "bold"), "  ")
    if isinstance(said, VlmbenchError):
        line.append(said.message)
    else:
        line.append(said, style="dim")
    stdout().print(line, soft_wrap=True)


def _print_json(plan: FetchPlan, tasks: list[dict[str, Any]], models: list[dict[str, Any]]) -> None:
    cache, free = next(iter(plan.room.items()))
    shown: dict[str, Any] = {
        "cache": str(cache),
        "free": free,
        "to_fetch": plan.to_fetch,
        "tasks": tasks,
        "models": models,
    }
    if len(plan.room) > 1:  # sources that keep their files elsewhere
        shown["room"] = {str(folder): free for folder, free in plan.room.items()}
    typer.echo(json.dumps(shown, indent=1, ensure_ascii=False))


def _task_json(plan: TaskPlan, outcome: TaskOutcome | None) -> dict[str, Any]:
    problem = outcome.problem if outcome else plan.problem
    return {
        "task": plan.wanted.card.name,
        "role": plan.wanted.role,
        "state": plan.state,
        "source": plan.source.model_dump(exclude_none=True, exclude_defaults=True) if plan.source else None,
        "revision": plan.revision,
        "files": len(plan.files),
        "bytes": plan.size,
        "to_fetch": plan.to_fetch if outcome is None else 0,
        "damaged": [file.path for file in plan.damaged],
        "samples": outcome.samples if outcome else None,
        "card_samples": plan.wanted.card.samples if plan.wanted.role == "test" else None,
        "notes": [*plan.notes, *(outcome.notes if outcome else ())],
        **_problem_json(problem),
    }


def _model_json(outcome: ModelOutcome) -> dict[str, Any]:
    return {"model": outcome.name, "parameters": outcome.parameters, **_problem_json(outcome.problem)}


def _problem_json(problem: VlmbenchError | None) -> dict[str, Any]:
    return {"error": problem.message if problem else None, "hint": problem.hint if problem else None}
