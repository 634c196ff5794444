"""``vlmbench run``: evaluates models on tasks, and prints the summary. The demo uses its functions too."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlmbench.cli.adapting.given import parse_settings, read_lines
from vlmbench.cli.adapting.numbers import MOST_DIGITS, parse_draws, parse_numbers
from vlmbench.cli.adapting.planned import plan_table, shard_line, show_transfer_cost
from vlmbench.cli.console import print_aside, print_error, print_line, print_note, print_table, stderr
from vlmbench.cli.heavy_imports import heavy_imports, leaving_at_once, resting_collector
from vlmbench.cli.watching.choice import listener_for, show_costs
from vlmbench.errors import LONGEST_IN_TABLE, UsageError
from vlmbench.markup import one_line
from vlmbench.paths import RESULTS, report_command, user_path
from vlmbench.storage.base import Location
from vlmbench.storage.locations import local_path, results_location

if TYPE_CHECKING:
    from vlmbench.cli.watching.progress import TerminalListener
    from vlmbench.cli.watching.workers_table import WorkersTable
    from vlmbench.run.listener import PairResult
    from vlmbench.run.plan import Plan, RunRequest

CONTINUES = "Interrupted. Finished pairs are on disk; the same command continues."
"""The message after Ctrl-C in the middle of a run."""


def run(
    model: Annotated[
        list[str],
        typer.Option("--model", "-m", help="A model card's name or pattern, a YAML file, or ADAPTER:SPEC. Repeatable."),
    ],
    task: Annotated[
        list[str],
        typer.Option(
            "--task",
            "-t",
            help="A task, suite or pattern, a YAML file, or your own data: imagefolder:PATH, masks:PATH, boxes:PATH, "
            "captions:PATH, frames:PATH, wds:PATH. Repeatable.",
        ),
    ] = [],  # noqa: B006
    suite: Annotated[list[str], typer.Option(help="A suite's name or YAML file. Repeatable.")] = [],  # noqa: B006
    results: Annotated[
        str,
        typer.Option(
            metavar="PATH", help="The folder in which records are written. A URL such as s3://BUCKET/RUNS works too."
        ),
    ] = str(RESULTS),
    data_root: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="The folder that holds your datasets. A URL such as s3://BUCKET/DATA works too."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Where the model runs: cpu, cuda, cuda:1, mps, or auto.")] = "auto",
    precision: Annotated[str, typer.Option(help="The model's precision: fp32, or bf16 or fp16 by autocast.")] = "fp32",
    batch_size: Annotated[str, typer.Option(help="Number of images in a forward pass, or auto.")] = "auto",
    workers: Annotated[
        int | None, typer.Option(help="Number of threads that decode images.", min=1, show_default="one per core")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Score a random subset of this number of samples; --seed draws it.")
    ] = None,
    stratified: Annotated[
        bool,
        typer.Option("--stratified", help="Draw the subset of --limit by class, and keep the classes' proportions."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the random subset and of the bootstrap.", min=0)] = 0,
    classnames: Annotated[
        Path | None, typer.Option(help="A file of class names, one per line, in label order.")
    ] = None,
    templates: Annotated[
        Path | None, typer.Option(help="A file of prompts, one per line, with {} for the class name.")
    ] = None,
    readout: Annotated[
        str | None, typer.Option(help="How patch features are read out for dense tasks. Short for --set readout=NAME.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="KEY=VALUE: replace a field of the protocol (listed by `vlmbench tasks show TASK`). Repeatable.",
        ),
    ] = None,
    transfer: Annotated[
        list[str],
        typer.Option(help="A method that adapts models before they answer a classification task. Repeatable."),
    ] = ["zero-shot"],  # noqa: B006
    shots: Annotated[
        str, typer.Option(help="K, the images of each class that a method learns from. Several: 1,2,4,8,16.")
    ] = "0",
    seeds: Annotated[
        str, typer.Option(help="The number of support sets that are drawn (0, 1, …), or a list of draws: 0,3.")
    ] = "1",
    track: Annotated[
        str,
        typer.Option(
            help="The images that choose a method's settings: no-validation, cut-validation, few-shot-validation, "
            "full-validation, or leaky (the test images)."
        ),
    ] = "no-validation",
    setting: Annotated[
        str,
        typer.Option(
            help="Which classes a method learns: all-classes, or base-to-new (the first half; H of the accuracies on "
            "both halves)."
        ),
    ] = "all-classes",
    learn_from: Annotated[
        str | None, typer.Option(help="Another task, whose train data and classes the methods learn.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="KEY=VALUE: set an option of the transfer methods that have it. Repeatable."),
    ] = None,
    save_visuals: Annotated[
        int,
        typer.Option(
            help="Draw the answers to this number of samples of each task, in a folder beside the record.", min=0
        ),
    ] = 0,
    save_answers: Annotated[
        Path | None,
        typer.Option(
            help="Keep every answer in this folder, one file or folder a task, as `-m predictions:DIR` reads it."
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out samples that cannot be decoded, and count them.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail every pair that has a remark about its data, prompts or weights.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Use only files on this machine; ask no hub.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run pairs again even if their record exists.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Do not read or write the feature cache.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the models, tasks and data, and run nothing.")
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Show how long each stage of each pair took.")] = False,
    executor: Annotated[
        str,
        typer.Option(
            help="What runs the pairs. local: this process, one pair after the other. local:8: eight processes, each "
            "with a GPU or core. ray:ADDRESS: a Ray cluster."
        ),
    ] = "local",
    plugin: Annotated[list[Path] | None, typer.Option(help="A Python file that registers adapters or tasks.")] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="i/N", help="Run only the part i of N parts of the plan, such as 1/4, for a job array."),
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let a hub repository run its own Python code.")
    ] = False,
) -> None:
    """Evaluate models on tasks: one record for each pair.

    Pairs that are already on disk are not run again, so the same command continues an interrupted run.
    """

    place = results_location(results)  # an error comes before the imports, which take seconds
    load_plugins(plugin or [])
    with heavy_imports():
        from vlmbench.data.location import user_data_root
        from vlmbench.run.plan import RunRequest
        from vlmbench.tasks.base import TaskOptions
        from vlmbench.transfer.every import every_transfer

    request = RunRequest(
        models=tuple(model),
        tasks=tuple(task),
        suites=tuple(suite),
        results=place,
        data_root=user_data_root(data_root),
        device=device,
        precision=precision,
        batch_size=parse_batch_size(batch_size),
        options=TaskOptions(
            limit=limit,
            stratified=stratified,
            seed=seed,
            class_names=read_lines(classnames),
            templates=read_lines(templates),
            protocol=parse_settings(set_ or [], readout),
            visuals=save_visuals,
        ),
        transfers=every_transfer(
            transfer,
            parse_numbers("--shots", shots),
            parse_draws(seeds),
            track=track,  # type: ignore[arg-type]  # checked by the class that gets it
            options=parse_settings(option or [], None, flag="--option"),
            setting=setting,  # type: ignore[arg-type]
        ),
        learn_from=learn_from,
        save_answers=local_path(save_answers, "--save-answers") if save_answers else None,
        offline=offline,
        force=force,
        skip_bad=skip_bad,
        strict=strict,
        use_cache=not no_cache,
        workers=workers,
        trust_remote_code=trust_remote_code,
        executor=executor,
        shard=parse_shard(shard),
        plugins=tuple(user_path(path).absolute() for path in plugin or []),
    )
    run_and_show(request, dry_run=dry_run, profile=profile)


def run_and_show(request: RunRequest, *, dry_run: bool = False, profile: bool = False) -> list[PairResult]:
    """Plan, run, and print the summary table. Exits with a code above 0 if a pair failed."""
    with resting_collector():
        with leaving_at_once():
            from vlmbench.run.plan import import_adapters, make_plan

            import_adapters(request.models)
        plan = make_plan(request)  # it may download, which Ctrl-C must not tear
    if plan.shard is not None:
        print_aside(shard_line(plan.shard))
        if not plan.pairs:
            return []
    if dry_run:
        from vlmbench.remarks.codes import is_strict

        print_table(plan_table(plan))
        show_resolution(plan)
        show_transfer_cost(plan)
        for name, remark in plan.remarks:
            print_note(f"{name}: {remark.sentence}  [{remark.code}]")
        problems = {(task.card.name, task.problem.message): task.problem for task in plan.tasks if task.problem}
        for (name, _), problem in problems.items():
            print_error(problem, about=name)
        remarked = request.strict and any(is_strict(remark) for task in plan.tasks for remark in task.remarks)
        raise typer.Exit(1 if remarked or any(task.problem for task in plan.tasks) else 0)
    listener = listener_for(plan, request)
    outcomes = carry_out([(plan, request)], listener)
    title = "" if plan.shard is None else f"Shard {plan.shard.number:,} of {plan.shard.of:,}"
    show_outcomes(outcomes, request.results or RESULTS, profile=profile, title=title, listener=listener)
    return outcomes


def carry_out(
    planned: Iterable[tuple[Plan, RunRequest]], listener: TerminalListener | WorkersTable
) -> list[PairResult]:
    """Run plans one after another. A plan is taken when the previous one is done.

    Args:
        listener: for all plans together.
    """
    with heavy_imports():
        from vlmbench.run.execute import execute

    with listener:
        try:
            return [result for plan, request in planned for result in execute(plan, request, listener)]
        except KeyboardInterrupt:
            raise KeyboardInterrupt(CONTINUES) from None


def show_outcomes(
    outcomes: list[PairResult],
    results: Location,
    *,
    profile: bool = False,
    title: str = "",
    listener: TerminalListener | WorkersTable | None = None,
) -> None:
    """Print the results of a run, and what it cost if it had workers. Exits with a code above 0 if a pair failed."""
    show_summary(outcomes, results, title=title)
    if profile:
        show_profiles(outcomes)
    if listener is not None:
        show_costs(listener)
    show_pictures(outcomes, results)
    if code := max(outcome.exit_code for outcome in outcomes):
        raise typer.Exit(code)
    if all(outcome.status == "unsupported" for outcome in outcomes):
        stderr().print(
            "Nothing was run: none of the models can answer any of these tasks with these options.", style="yellow"
        )
        raise typer.Exit(2)


def show_summary(outcomes: list[PairResult], results: Location, *, title: str) -> None:
    """Print one row for each pair, and the folder of the records."""
    from vlmbench.reports.builders.results import results_table

    entries = [entry for outcome in outcomes if (entry := outcome.record or outcome.failure)]
    print_table(results_table(entries, title=title))
    again = report_command(results if isinstance(results, Path) else results.text)
    print_aside(f"\nRecords in {results}. See them again with: {again}")


def show_resolution(plan: Plan) -> None:
    """Print the smallest difference that each size of subset in the plan can detect."""
    from vlmbench.metrics.resolution import resolution_text

    questions = [task.question for task in plan.tasks if task.question]
    subsets = {len(asked.indices) for asked in questions if len(asked.indices) < len(asked.dataset.samples)}
    if subsets:
        print_line("")
    for size in sorted(subsets):
        print_line(f"{size:,} samples: {resolution_text(size)}", style="dim")


def show_profiles(outcomes: list[PairResult]) -> None:
    """Print the times of each pair that has a record. A record found on disk has the times of its own run."""
    from vlmbench.reports.builders.profile import profile_table

    for outcome in outcomes:
        if outcome.record is None:
            continue
        table = profile_table(outcome.record)
        print_line("")
        print_table(table)
        found = ["found on disk: the times are of the run that wrote it"] if outcome.status == "found" else []
        for note in found:
            print_line(note, style="dim")


def show_pictures(outcomes: list[PairResult], results: Location) -> None:
    """Print the folder of the pictures. It is the last line, because the user opens it next."""
    folders = [str(outcome.visuals) for outcome in outcomes if outcome.visuals]
    if folders:
        place = folders[0] if len(folders) == 1 else f"{len(folders)} folders: {results}/*/*/*.visuals"
        print_aside(f"Pictures in {place}")


def parse_batch_size(text: str) -> int | None:
    """A batch size from the command line; None for auto.

    Raises:
        UsageError: the text is neither "auto" nor a number above 0.
    """
    if text == "auto":
        return None
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"--batch-size must be a number above 0, or auto, not {text!r}")
    return int(text)


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """A shard from the command line; None for the whole plan.

    Raises:
        UsageError: the text is not i/N with two whole numbers. Their range is checked by the request.
    """
    if text is None:
        return None
    parts = text.split("/")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) <= MOST_DIGITS for part in parts):
        shown = one_line(text, LONGEST_IN_TABLE)
        raise UsageError(f"--shard takes i/N, such as 1/4 for the first of four parts, not {shown!r}")
    return int(parts[0]), int(parts[1])


def load_plugins(paths: list[Path]) -> None:
    """Run the plugin files that the command line names."""
    from vlmbench.registry import load_plugin_file

    for path in paths:
        load_plugin_file(user_path(path))
